package e2e

import (
	"context"
	"strings"
	"testing"

	"sigs.k8s.io/e2e-framework/pkg/envconf"
	"sigs.k8s.io/e2e-framework/pkg/features"
)

func TestClientset(t *testing.T) {
	walk := features.New("the clientset walk-through").WithLabel("stage", "1").WithLabel("provider", "lab").
		Assess("takes a Deployment from its creation to its end", func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			p := start(ctx, t, "clientset", program(ctx, t, 1, "clientset"), "-n="+of(ctx).namespace, "-replicas=3")
			bounded, cancel := context.WithTimeout(ctx, bound)
			defer cancel()
			if err := p.Wait(bounded); err != nil {
				t.Fatal(err)
			}
			running := 0
			for _, line := range p.Lines() {
				if strings.HasPrefix(line.Text, "running ") && strings.HasSuffix(line.Text, "nginx:1.28") {
					running++
				}
			}
			if running != 3 {
				t.Errorf("%d pods have run with the second image, want 3", running)
			}
			return ctx
		}).
		Assess("leaves nothing behind: the garbage collector takes the ReplicaSets and their pods", func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			becomes(ctx, t, "", "get", "deployments,replicasets,pods", "--output=name")
			return ctx
		}).Feature()

	tree := features.New("a whole tree").WithLabel("stage", "6").
		Setup(func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			loadWeb(ctx, t)
			in(ctx, t, "create", "deployment", "web", "--image="+webImage, "--replicas=5")
			in(ctx, t, "rollout", "status", "deployment/web", "--timeout=60s")
			in(ctx, t, "set", "env", "deployment/web", "COLOR=blue")
			in(ctx, t, "rollout", "status", "deployment/web", "--timeout=60s")
			return ctx
		}).
		Assess("goes from the root to the leaves", func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			if sets := strings.Fields(in(ctx, t, "get", "replicasets", "--output=name")); len(sets) != 2 {
				t.Fatalf("the Deployment has the ReplicaSets %v, want two", sets)
			}
			in(ctx, t, "delete", "deployment", "web", "--cascade=foreground", "--timeout=60s")
			becomes(ctx, t, "", "get", "deployments,replicasets,pods", "--output=name")
			return ctx
		}).Feature()

	testenv.Test(t, walk, tree)
}
