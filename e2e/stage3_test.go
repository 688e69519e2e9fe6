package e2e

import (
	"context"
	"fmt"
	"testing"

	"sigs.k8s.io/e2e-framework/pkg/envconf"
	"sigs.k8s.io/e2e-framework/pkg/features"
)

func TestPodOperator(t *testing.T) {
	set := func(ctx context.Context, replicas int, image string) string {
		return fmt.Sprintf("{apiVersion: %s/v1, kind: PodSet, metadata: {name: web}, spec: {replicas: %d, template: {spec: {containers: [{name: web, image: %q}]}}}}",
			of(ctx).group, replicas, image)
	}
	run := func(ctx context.Context, t *testing.T, name string) {
		ready(ctx, t, "the operator runs", name, program(ctx, t, 3, "pod-operator"), "-serve", "-n="+of(ctx).namespace, "-group="+of(ctx).group)
	}
	phase := func(ctx context.Context, t *testing.T, want string) {
		t.Helper()
		becomes(ctx, t, want, "get", "podsets."+of(ctx).group, "web", "--output=jsonpath={.status.phase} {.status.ready} {.status.updated} {.status.observedGeneration}")
	}

	testenv.Test(t, features.New("the operator for PodSets").WithLabel("stage", "3").
		Setup(func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			run(ctx, t, "the first operator")
			return ctx
		}).
		Assess("makes the pods", func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			apply(ctx, t, set(ctx, 3, "web:1"))
			phase(ctx, t, "Ready 3 3 1")
			return ctx
		}).
		Assess("rolls out, after a restart, what was wanted meanwhile", func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			if err := of(ctx).processes[0].Kill(); err != nil {
				t.Fatal(err)
			}
			apply(ctx, t, set(ctx, 4, "web:2"))
			run(ctx, t, "the second operator")
			phase(ctx, t, "Ready 4 4 2")
			becomes(ctx, t, "web:2 web:2 web:2 web:2", "get", "pods", "--output=jsonpath={.items[*].spec.containers[*].image}")
			return ctx
		}).
		Assess("replaces a pod that somebody deletes", func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			in(ctx, t, "delete", "pods", "--all", "--timeout=60s")
			phase(ctx, t, "Ready 4 4 2")
			return ctx
		}).Feature())
}

func TestDeploymentOperator(t *testing.T) {
	app := func(ctx context.Context, replicas int) string {
		return fmt.Sprintf("{apiVersion: %s/v1, kind: App, metadata: {name: shop}, spec: {image: 'shop:1', port: 8080, replicas: %d, config: {color: green}}}", of(ctx).group, replicas)
	}
	run := func(ctx context.Context, t *testing.T, name string) {
		ready(ctx, t, "the operator runs", name, program(ctx, t, 3, "deployment-operator"), "-serve", "-n="+of(ctx).namespace, "-group="+of(ctx).group)
	}

	testenv.Test(t, features.New("the operator for Apps").WithLabel("stage", "3").
		Setup(func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			run(ctx, t, "the first operator")
			return ctx
		}).
		Assess("makes an App available", func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			apply(ctx, t, app(ctx, 2))
			in(ctx, t, "wait", "--for=condition=Available", "--timeout=60s", "apps."+of(ctx).group+"/shop")
			becomes(ctx, t, "2 2", "get", "deployments", "--output=jsonpath={.items[*].spec.replicas} {.items[*].status.readyReplicas}")
			return ctx
		}).
		Assess("puts right, after a restart, what somebody has deleted", func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			if err := of(ctx).processes[0].Kill(); err != nil {
				t.Fatal(err)
			}
			in(ctx, t, "delete", "deployments,services", "--all", "--timeout=60s")
			run(ctx, t, "the second operator")
			becomes(ctx, t, "2 2", "get", "deployments", "--output=jsonpath={.items[*].spec.replicas} {.items[*].status.readyReplicas}")
			becomes(ctx, t, "8080", "get", "services", "--output=jsonpath={.items[*].spec.ports[*].targetPort}")
			return ctx
		}).
		Assess("leaves the rest to the garbage collector", func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			in(ctx, t, "delete", "apps."+of(ctx).group, "shop", "--timeout=60s")
			becomes(ctx, t, "", "get", "deployments,replicasets,services,pods", "--output=name")
			return ctx
		}).Feature())
}
