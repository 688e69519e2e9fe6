package e2e

import (
	"context"
	"fmt"
	"testing"

	"sigs.k8s.io/e2e-framework/pkg/envconf"
	"sigs.k8s.io/e2e-framework/pkg/features"
)

func TestCRDController(t *testing.T) {
	const ovens = "--output=jsonpath={.spec.replicas} {.status.readyReplicas}"
	pizzeria := func(ctx context.Context, ovens int) string {
		return fmt.Sprintf("{apiVersion: %s/v1, kind: Pizzeria, metadata: {name: napoli}, spec: {ovens: %d, image: 'oven:1'}}", of(ctx).group, ovens)
	}
	run := func(ctx context.Context, t *testing.T, name string) {
		ready(ctx, t, "the controller runs", name, program(ctx, t, 2, "crd-controller"), "-serve", "-n="+of(ctx).namespace, "-group="+of(ctx).group)
	}

	testenv.Test(t, features.New("the controller for Pizzerias").WithLabel("stage", "2").WithLabel("provider", "lab").
		Setup(func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			run(ctx, t, "the first controller")
			return ctx
		}).
		Assess("makes what a Pizzeria wants", func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			apply(ctx, t, pizzeria(ctx, 2))
			becomes(ctx, t, "2 2", "get", "deployment", "napoli-ovens", ovens)
			return ctx
		}).
		Assess("puts right, after a restart, what has happened meanwhile", func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			if err := of(ctx).processes[0].Kill(); err != nil {
				t.Fatal(err)
			}
			apply(ctx, t, pizzeria(ctx, 4))
			in(ctx, t, "delete", "deployment", "napoli-ovens", "--timeout=60s")
			run(ctx, t, "the second controller")
			becomes(ctx, t, "4 4", "get", "deployment", "napoli-ovens", ovens)
			becomes(ctx, t, "4", "get", "pizzerias."+of(ctx).group, "napoli", "--output=jsonpath={.status.ready}")
			return ctx
		}).
		Assess("leaves the rest to the garbage collector", func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			in(ctx, t, "delete", "pizzerias."+of(ctx).group, "napoli", "--timeout=60s")
			becomes(ctx, t, "", "get", "deployments,replicasets,pods", "--output=name")
			return ctx
		}).Feature())
}
