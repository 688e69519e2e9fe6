package ownerreferences_test

import (
	"testing"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
)

var api = cluster.Lab()

func TestOwnerReferences(t *testing.T) { harness.RunSpecs(t, "Stage 6 · 04-owner-references") }
