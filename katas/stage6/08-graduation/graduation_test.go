package graduation_test

import (
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
)

var _ = harness.NoLeaks()

var server = cluster.API()

func TestGraduation(t *testing.T) {
	klog.SetLogger(logr.Discard()) // client-go has a lot to say about elections, and about wires that are cut
	harness.RunSpecs(t, "Stage 6 · 08-graduation")
}
