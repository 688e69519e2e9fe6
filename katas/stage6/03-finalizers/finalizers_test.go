package finalizers_test

import (
	"testing"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
)

var api = cluster.API()

func TestFinalizers(t *testing.T) { harness.RunSpecs(t, "Stage 6 · 03-finalizers") }
