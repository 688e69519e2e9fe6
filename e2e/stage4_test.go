package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"sigs.k8s.io/e2e-framework/pkg/envconf"
	"sigs.k8s.io/e2e-framework/pkg/features"

	"github.com/kubekata/kubekata/e2e/process"
)

func TestBaremetal(t *testing.T) {
	const (
		namespace  = "--namespace=baremetal" // the program's own
		annotation = `--output=jsonpath={.metadata.annotations.baremetal\.kubekata\.dev/stamped-by}`
	)
	run := func(ctx context.Context, t *testing.T, name, failure string) *process.Process {
		t.Helper()
		return ready(ctx, t, "answers at", name, program(ctx, t, 4, "baremetal"), "-failure="+failure)
	}
	// pod makes a pod, and says what becomes of it.
	pod := func(ctx context.Context, name string) (string, error) {
		if _, err := try(ctx, "run", name, "--image=oven:1", namespace); err != nil {
			return "", err
		}
		return try(ctx, "get", "pod", name, namespace, annotation)
	}

	// A machine that is killed leaves them behind, and with failurePolicy Fail nobody creates a pod in that namespace then.
	t.Cleanup(func() {
		_, err := try(context.WithoutCancel(t.Context()), "delete", "mutatingwebhookconfiguration/stamp.kubekata.dev", "namespace/baremetal", "--ignore-not-found", "--timeout=60s")
		if err != nil {
			t.Errorf("clean up after the program: %v", err)
		}
	})
	testenv.Test(t, features.New("the webhook outside of the cluster").WithLabel("stage", "4").WithLabel("provider", "lab").
		Assess("stamps pods", func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			run(ctx, t, "the first machine", "Fail")
			n := 0
			eventually(ctx, t, "a pod is stamped", func(ctx context.Context) error {
				n++
				got, err := pod(ctx, fmt.Sprint("probe-", n))
				if err == nil && got == "" {
					err = fmt.Errorf("probe-%d is not stamped", n)
				}
				return err
			})
			return ctx
		}).
		Assess("is missed when it is killed, with failurePolicy Fail", func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			if err := of(ctx).processes[0].Kill(); err != nil {
				t.Fatal(err)
			}
			if got, err := pod(ctx, "refused"); err == nil || !strings.Contains(err.Error(), "failed calling webhook") {
				t.Errorf("the pod is created (%s), or refused for another reason: %v", got, err)
			}
			return ctx
		}).
		Assess("is not missed with failurePolicy Ignore", func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			second := run(ctx, t, "the second machine", "Ignore")
			eventually(ctx, t, "a pod is stamped again", func(ctx context.Context) error {
				got, err := try(ctx, "run", "dry", "--image=oven:1", "--dry-run=server", namespace, annotation)
				if err == nil && got == "" {
					err = fmt.Errorf("it is not")
				}
				return err
			})
			if err := second.Kill(); err != nil {
				t.Fatal(err)
			}
			if got, err := pod(ctx, "unstamped"); err != nil || got != "" {
				t.Errorf("the pod is stamped by %q, or refused: %v", got, err)
			}
			return ctx
		}).
		Assess("takes its things away when it is stopped", func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			third := run(ctx, t, "the third machine", "Fail")
			bounded, cancel := context.WithTimeout(ctx, bound)
			defer cancel()
			if err := third.Stop(bounded); err != nil {
				t.Errorf("stop the machine: %v", err)
			}
			eventually(ctx, t, "the namespace and the configuration are gone", func(ctx context.Context) error {
				left, err := try(ctx, "get", "namespace/baremetal", "mutatingwebhookconfiguration/stamp.kubekata.dev", "--ignore-not-found", "--output=name")
				if err == nil && left != "" {
					err = fmt.Errorf("left: %s", strings.Fields(left))
				}
				return err
			})
			return ctx
		}).Feature())
}
