package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/e2e-framework/pkg/envconf"
	"sigs.k8s.io/e2e-framework/pkg/features"

	"github.com/kubekata/kubekata/katas/stage3/08-finalizer-operator/bucket"
)

func TestCalculate(t *testing.T) {
	const definition = "customresourcedefinition/calculates.math.kubekata.dev"
	samples, err := os.ReadFile(filepath.Join(book.Root, "katas/stage3/05-calculate/config/samples/calculate.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	// The program leaves its definition there, for kubectl explain. We take it away, unless it was there, with somebody's Calculates.
	before, err := try(t.Context(), "get", definition, "--ignore-not-found", "--output=name")
	if err != nil {
		t.Fatal(err)
	}
	if before == "" {
		t.Cleanup(func() {
			if _, err := try(context.WithoutCancel(t.Context()), "delete", definition, "--ignore-not-found", "--timeout=60s"); err != nil {
				t.Errorf("clean up after the program: %v", err)
			}
		})
	}
	const runs = "the manager runs"
	run := func(ctx context.Context, t *testing.T, name string) {
		if onKind == nil {
			ready(ctx, t, runs, name, program(ctx, t, 3, "calculate"), "-n="+of(ctx).namespace)
			return
		}
		runInPods(ctx, t, calculateImage, 3, "calculate", 1)
		says(ctx, t, "calculate", runs)
	}
	is := func(ctx context.Context, t *testing.T, name, want string) {
		t.Helper()
		becomes(ctx, t, want, "get", "calc", name, `--output=jsonpath={.status.conditions[?(@.type=="Ready")].reason} {.status.observedGeneration} {.status.result}`)
	}

	testenv.Test(t, features.New("Calculate").WithLabel("stage", "3").
		Setup(func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			run(ctx, t, "the first manager")
			return ctx
		}).
		Assess("answers the lesson's samples", func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			apply(ctx, t, string(samples))
			is(ctx, t, "answer", "Calculated 1 42")
			is(ctx, t, "nothing", "Calculated 1 0")
			is(ctx, t, "impossible", "DivisionByZero 1")
			return ctx
		}).
		Assess("answers, after a restart, what was asked meanwhile", func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			kill(ctx, t, "calculate")
			in(ctx, t, "patch", "calc", "impossible", "--type=merge", "--patch={\"spec\":{\"second\":2}}")
			in(ctx, t, "patch", "calc", "answer", "--type=merge", "--patch={\"spec\":{\"action\":\"add\"}}")
			run(ctx, t, "the second manager")
			is(ctx, t, "impossible", "Calculated 2 0")
			is(ctx, t, "answer", "Calculated 2 13")
			is(ctx, t, "nothing", "Calculated 1 0")
			return ctx
		}).
		Assess("refuses an action that there is not", func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			_, err := try(ctx, "patch", "calc", "answer", "--type=merge", "--patch={\"spec\":{\"action\":\"pow\"}}", "--namespace="+of(ctx).namespace)
			if err == nil || !strings.Contains(err.Error(), "spec.action") {
				t.Errorf("the action pow is not refused, or for another reason: %v", err)
			}
			return ctx
		}).Feature())
}

func TestFinalizerOperator(t *testing.T) {
	object := func(ctx context.Context, object, bucket string) string {
		return fmt.Sprintf("{apiVersion: %s/v1, kind: Bucket, metadata: {name: %s}, spec: {name: %s, region: oslo, quota: 10}}", of(ctx).group, object, bucket)
	}
	is := func(ctx context.Context, t *testing.T, name, want string) {
		t.Helper()
		becomes(ctx, t, want, "get", "buckets."+of(ctx).group, name, `--output=jsonpath={.status.conditions[?(@.type=="Ready")].reason} {.metadata.finalizers[*]}`)
	}
	// service is a client of the storage service, which is a part of the program.
	var service *bucket.Client

	testenv.Test(t, features.New("the operator for Buckets").WithLabel("stage", "3").WithLabel("provider", "lab").
		Setup(func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			p := ready(ctx, t, "the operator runs", "the operator", program(ctx, t, 3, "finalizer-operator"), "-serve", "-n="+of(ctx).namespace, "-group="+of(ctx).group)
			url := regexp.MustCompile(`http://[0-9.:]+`).FindString(p.Tail())
			service = bucket.NewClient(url, &http.Client{Timeout: bound})
			return ctx
		}).
		Assess("makes a bucket, and takes its finalizer first", func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			apply(ctx, t, object(ctx, "ada", "ada"))
			is(ctx, t, "ada", "Provisioned storage.kubekata.dev/bucket")
			if _, err := service.Create(ctx, bucket.Bucket{Name: "ada", Owner: "somebody"}); !errors.Is(err, bucket.ErrTaken) {
				t.Errorf("the service has no bucket ada: %v", err)
			}
			return ctx
		}).
		Assess("removes the bucket before the object is gone", func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			in(ctx, t, "delete", "buckets."+of(ctx).group, "ada", "--timeout=60s")
			if _, err := service.Create(ctx, bucket.Bucket{Name: "ada", Owner: "somebody"}); err != nil {
				t.Errorf("the object is gone, and the service still has its bucket: %v", err)
			}
			return ctx
		}).
		Assess("leaves somebody else's bucket alone", func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			apply(ctx, t, object(ctx, "eve", "ada"))
			is(ctx, t, "eve", "NameTaken storage.kubekata.dev/bucket")
			in(ctx, t, "delete", "buckets."+of(ctx).group, "eve", "--timeout=60s")
			if err := service.Delete(ctx, "ada", "somebody", false); err != nil {
				t.Errorf("somebody's bucket ada: %v", err)
			}
			return ctx
		}).
		Assess("takes its things away when it is stopped", func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			apply(ctx, t, object(ctx, "bob", "bob"))
			is(ctx, t, "bob", "Provisioned storage.kubekata.dev/bucket")
			bounded, cancel := context.WithTimeout(ctx, bound)
			defer cancel()
			if err := of(ctx).processes[0].Stop(bounded); err != nil {
				t.Errorf("stop the operator: %v", err)
			}
			eventually(ctx, t, "the definition is gone", func(ctx context.Context) error {
				left, err := try(ctx, "get", "customresourcedefinition/buckets."+of(ctx).group, "--ignore-not-found", "--output=name")
				if err == nil && left != "" {
					err = errors.New("it is there")
				}
				return err
			})
			return ctx
		}).Feature())
}

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

	testenv.Test(t, features.New("the operator for PodSets").WithLabel("stage", "3").WithLabel("provider", "lab").
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
		return fmt.Sprintf("{apiVersion: %s/v1, kind: App, metadata: {name: shop}, spec: {image: %q, port: 8080, replicas: %d, config: {COLOR: green}}}", of(ctx).group, webImage, replicas)
	}
	replicas := func(ctx context.Context, t *testing.T, want int) {
		t.Helper()
		becomes(ctx, t, fmt.Sprintf("%d %[1]d", want), "get", "deployment", "shop", "--output=jsonpath={.spec.replicas} {.status.readyReplicas}")
	}

	journey := features.New("the operator for Apps").WithLabel("stage", "3").
		Setup(func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			runAppOperator(ctx, t)
			return ctx
		}).
		Assess("makes an App available", func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			apply(ctx, t, app(ctx, 2))
			in(ctx, t, "wait", "--for=condition=Available", "--timeout=60s", "apps."+of(ctx).group+"/shop")
			replicas(ctx, t, 2)
			return ctx
		}).
		Assess("puts right, after a restart, what somebody has deleted", func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			kill(ctx, t, "operator")
			in(ctx, t, "delete", "deployment/shop", "service/shop", "--timeout=60s")
			runAppOperator(ctx, t)
			replicas(ctx, t, 2)
			becomes(ctx, t, "8080", "get", "service", "shop", "--output=jsonpath={.spec.ports[*].targetPort}")
			return ctx
		})
	if onKind != nil { // on the lab no container runs
		journey.Assess("has an App that answers", func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			answers(ctx, t, "shop", "green", 2)
			return ctx
		})
	}
	journey.Assess("leaves the rest to the garbage collector", func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
		in(ctx, t, "delete", "apps."+of(ctx).group, "shop", "--timeout=60s")
		becomes(ctx, t, "", "get", "deployment/shop", "service/shop", "--ignore-not-found", "--output=name")
		becomes(ctx, t, "", "get", "replicasets,pods", "--selector=app.kubekata.dev/name=shop", "--output=name")
		return ctx
	})
	testenv.Test(t, journey.Feature())
}
