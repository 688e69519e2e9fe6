package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/e2e-framework/pkg/envconf"
	"sigs.k8s.io/e2e-framework/pkg/features"

	"github.com/kubekata/kubekata/e2e/process"
)

// katasFile is a file of a kata: the learner's or, of the references, the one that takes its place; what is given is the same for both.
func kataFile(t *testing.T, kata, name string) string {
	t.Helper()
	if code == process.Solutions {
		data, err := os.ReadFile(filepath.Join(book.Root, "solutions", kata, name))
		if err == nil {
			return string(data)
		}
		if !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(filepath.Join(book.Root, "katas", kata, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// applied applies objects that have a namespace of their own, or none.
func applied(ctx context.Context, t *testing.T, manifest string) {
	t.Helper()
	if _, err := tryWith(ctx, manifest, "apply", "--filename=-"); err != nil {
		t.Fatal(err)
	}
}

const byService = "stage4/05-by-service"

// runLabels runs the webhook until the API server can ask it: on the lab the program stands in for the pods, and installs the manifests itself.
func runLabels(ctx context.Context, t *testing.T) {
	t.Helper()
	if onKind == nil {
		ready(ctx, t, "stands in for the pods", fmt.Sprint("webhook-", len(of(ctx).processes)+1), program(ctx, t, 4, "by-service"))
		return
	}
	loadKata(ctx, t, webhookImage, 4, "by-service", "cmd", filepath.Join(book.Root, "kind", "webhook.Dockerfile"))
	for _, file := range []string{"manifests/server.yaml", "manifests/rbac.yaml", "samples/namespace.yaml"} {
		applied(ctx, t, kataFile(t, byService, file))
	}
	labels(ctx, t, "scale", "deployment/labels", "--replicas=2")
	labels(ctx, t, "rollout", "status", "deployment/labels", "--timeout=120s")
	applied(ctx, t, kataFile(t, byService, "manifests/webhooks.yaml"))
}

// killLabels ends it, all replicas at once, and leaves its configurations.
func killLabels(ctx context.Context, t *testing.T) {
	t.Helper()
	if onKind == nil {
		if err := of(ctx).processes[len(of(ctx).processes)-1].Kill(); err != nil {
			t.Fatal(err)
		}
		return
	}
	labels(ctx, t, "scale", "deployment/labels", "--replicas=0")
	labels(ctx, t, "delete", "pods", "--all", "--force", "--grace-period=0", "--timeout=60s")
}

// labels runs kubectl in the webhook's namespace.
func labels(ctx context.Context, t *testing.T, args ...string) {
	t.Helper()
	if _, err := try(ctx, append(args, "--namespace=labels-webhook")...); err != nil {
		t.Fatal(err)
	}
}

func TestByService(t *testing.T) {
	sample := func(t *testing.T, name string) string {
		return strings.ReplaceAll(kataFile(t, byService, "samples/"+name), "sleep:1", webImage)
	}
	// refused waits until something is refused with a text: the API server hears of a configuration, and of a bundle, a moment later.
	refused := func(ctx context.Context, t *testing.T, text, manifest string) {
		t.Helper()
		eventually(ctx, t, fmt.Sprintf("it is refused with %q", text), func(ctx context.Context) error {
			_, err := tryWith(ctx, manifest, "create", "--dry-run=server", "--filename=-")
			if err != nil && strings.Contains(err.Error(), text) {
				return nil
			}
			return fmt.Errorf("it is taken, or refused with another text: %w", err)
		})
	}
	everything := []string{
		"mutatingwebhookconfiguration/labels.kubekata.dev", "validatingwebhookconfiguration/labels.kubekata.dev", "clusterrole/labels.kubekata.dev",
		"clusterrolebinding/labels.kubekata.dev", "namespace/kitchen", "namespace/labels-webhook",
	}
	// A program that is killed leaves it all behind, and so do manifests.
	t.Cleanup(func() {
		_, err := try(context.WithoutCancel(t.Context()), append([]string{"delete", "--ignore-not-found", "--timeout=90s"}, everything...)...)
		if err != nil {
			t.Errorf("clean up after the webhook: %v", err)
		}
	})

	journey := features.New("the webhook behind a Service").WithLabel("stage", "4").
		Setup(func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			loadWeb(ctx, t)
			runLabels(ctx, t)
			return ctx
		}).
		Assess("judges and labels", func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			refused(ctx, t, "app.kubernetes.io/name is missing", sample(t, "sleep-without-labels.yaml"))
			refused(ctx, t, "app.kubernetes.io/name is missing", sample(t, "pod-invalid.yaml"))
			applied(ctx, t, sample(t, "pod-valid.yaml"))
			applied(ctx, t, sample(t, "sleep-with-labels.yaml"))
			got, err := try(ctx, "get", "pod/valid", "deployment/sleep-with-labels", "--namespace=kitchen", `--output=jsonpath={.items[*].metadata.labels.app\.kubernetes\.io/part-of}`)
			if err != nil || got != "kitchen kitchen" {
				t.Errorf("the pod and the Deployment have the labels part-of %q (%v), want kitchen twice", got, err)
			}
			if _, err := try(ctx, "scale", "deployment/sleep-with-labels", "--replicas=50", "--namespace=kitchen"); err == nil || !strings.Contains(err.Error(), "too many") {
				t.Errorf("50 replicas are not refused, or for another reason: %v", err)
			}
			return ctx
		}).
		Assess("is missed when it is killed, and can start again", func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			killLabels(ctx, t)
			refused(ctx, t, "failed calling webhook", strings.ReplaceAll(sample(t, "pod-valid.yaml"), "name: valid", "name: another"))
			runLabels(ctx, t)
			refused(ctx, t, "app.kubernetes.io/name is missing", sample(t, "pod-invalid.yaml"))
			return ctx
		})
	if onKind == nil {
		journey.Assess("takes its things away when it is stopped", func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			bounded, cancel := context.WithTimeout(ctx, bound)
			defer cancel()
			if err := of(ctx).processes[len(of(ctx).processes)-1].Stop(bounded); err != nil {
				t.Errorf("stop the webhook: %v", err)
			}
			eventually(ctx, t, "everything is gone", func(ctx context.Context) error {
				left, err := try(ctx, append([]string{"get", "--ignore-not-found", "--output=name"}, everything...)...)
				if err == nil && left != "" {
					err = fmt.Errorf("left: %s", strings.Fields(left))
				}
				return err
			})
			return ctx
		})
	} else {
		journey.Assess("has let through what really runs", func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			if _, err := try(ctx, "wait", "--for=condition=Available", "deployment/sleep-with-labels", "--namespace=kitchen", "--timeout=60s"); err != nil {
				t.Error(err)
			}
			return ctx
		})
	}
	testenv.Test(t, journey.Feature())
}
