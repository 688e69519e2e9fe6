package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kubekata/kubekata/e2e/kind"
	"github.com/kubekata/kubekata/e2e/process"
)

// The images that the journeys build for kind; nothing else runs there but what kind brings. On the lab they are names of nodes that run nothing.
const (
	operatorImage  = "kubekata.dev/operator:e2e"
	calculateImage = "kubekata.dev/calculate:e2e"
	candidateImage = "kubekata.dev/candidate:e2e"
	webhookImage   = "kubekata.dev/webhook:e2e"
	extenderImage  = "kubekata.dev/extender:e2e"
	webImage       = "kubekata.dev/web:e2e"
)

// loaded are the images that are in the cluster already.
var loaded = map[string]bool{}

// load builds an image from a program, which build makes as a file, and a Dockerfile, and loads it into the cluster, once in a run.
func load(ctx context.Context, t *testing.T, image, dockerfile string, build func(bin string, env []string) error) {
	t.Helper()
	if loaded[image] {
		return
	}
	name := imageName(image)
	folder := filepath.Join(programs, "image-"+name)
	err := os.Mkdir(folder, 0o700)
	if err == nil {
		var arch string
		if arch, err = onKind.Arch(ctx); err == nil {
			err = build(filepath.Join(folder, name), []string{"CGO_ENABLED=0", "GOOS=linux", "GOARCH=" + arch})
		}
	}
	if err == nil {
		err = onKind.Image(ctx, image, dockerfile, folder)
	}
	if err != nil {
		t.Fatalf("image %s: %v", image, err)
	}
	loaded[image] = true
}

// loadKata is load for a program of a kata's.
func loadKata(ctx context.Context, t *testing.T, image string, stage int, kata, pkg, dockerfile string) {
	t.Helper()
	load(ctx, t, image, dockerfile, func(bin string, env []string) error {
		k, err := book.One(stage, kata)
		if err != nil {
			return err
		}
		built, err := process.Build(ctx, k, code, pkg, programs, env...)
		if err != nil {
			return err
		}
		return os.Rename(built, bin)
	})
}

// loadWeb sees to it that webImage can run, where anything runs.
func loadWeb(ctx context.Context, t *testing.T) {
	t.Helper()
	if onKind == nil {
		return
	}
	load(ctx, t, webImage, filepath.Join(book.Root, "kind", "web.Dockerfile"), func(bin string, env []string) error {
		return process.GoBuild(ctx, book.Root, programs, bin, "./kind/web", env...)
	})
}

// runAppOperator runs the operator for Apps until it looks after the journey's namespace: as a process on the lab, in a pod on kind.
func runAppOperator(ctx context.Context, t *testing.T) {
	t.Helper()
	j := of(ctx)
	if onKind == nil {
		ready(ctx, t, "the operator runs", fmt.Sprint("operator-", len(j.processes)+1), program(ctx, t, 3, "deployment-operator"), "-serve", "-n="+j.namespace, "-group="+j.group)
		return
	}
	loadWeb(ctx, t)
	runInPods(ctx, t, operatorImage, 3, "deployment-operator", 1)
	says(ctx, t, "operator", "the operator runs")
}

// runInPods runs a kata's program on kind: it builds and loads the image, applies the manifest, both of which kind/ has under the image's name, and waits
// until the pods of the Deployment of that name, as many as replicas says, are available.
func runInPods(ctx context.Context, t *testing.T, image string, stage int, kata string, replicas int) {
	t.Helper()
	name := imageName(image)
	loadKata(ctx, t, image, stage, kata, "cmd", filepath.Join(book.Root, "kind", name+".Dockerfile"))
	apply(ctx, t, forJourney(ctx, read(t, "kind/"+name+".yaml")))
	in(ctx, t, "scale", "deployment/"+name, fmt.Sprint("--replicas=", replicas))
	in(ctx, t, "rollout", "status", "deployment/"+name, "--timeout=120s")
}

// says waits until the log of a Deployment's pod has a text.
func says(ctx context.Context, t *testing.T, deployment, text string) {
	t.Helper()
	eventually(ctx, t, deployment+" writes "+text, func(ctx context.Context) error {
		logs, err := try(ctx, "logs", "deployment/"+deployment, "--namespace="+of(ctx).namespace)
		if err == nil && !strings.Contains(logs, text) {
			err = fmt.Errorf("its log is %q", logs)
		}
		return err
	})
}

// kill ends, without a farewell, the process that was started last, and on kind all pods of a Deployment of that name, which is scaled to none.
func kill(ctx context.Context, t *testing.T, deployment string) {
	t.Helper()
	if onKind == nil {
		if err := of(ctx).processes[len(of(ctx).processes)-1].Kill(); err != nil {
			t.Fatal(err)
		}
		return
	}
	in(ctx, t, "scale", "deployment/"+deployment, "--replicas=0")
	in(ctx, t, "delete", "pods", "--selector=app.kubernetes.io/name="+deployment, "--force", "--grace-period=0", "--ignore-not-found", "--timeout=60s")
}

// forJourney puts the journey's namespace and group in the place of those of a manifest in kind/.
func forJourney(ctx context.Context, manifest string) string {
	return strings.NewReplacer("apps.kubekata.dev", of(ctx).group, "kubekata-apps", of(ctx).namespace,
		"kubekata-calculate", of(ctx).namespace, "kubekata-candidate", of(ctx).namespace).Replace(manifest)
}

// imageName is the name of one of our images, without registry and tag.
func imageName(image string) string {
	return strings.TrimSuffix(strings.TrimPrefix(image, "kubekata.dev/"), ":e2e")
}

// answers waits until a Service has answered from as many pods as it should have, each with a text.
func answers(ctx context.Context, t *testing.T, service, text string, pods int) {
	t.Helper()
	port := in(ctx, t, "get", "service", service, "--output=jsonpath={.spec.ports[0].port}")
	path := fmt.Sprintf("/api/v1/namespaces/%s/services/%s:%s/proxy/", of(ctx).namespace, service, port)
	seen := map[string]bool{}
	eventually(ctx, t, fmt.Sprintf("%d pods have answered for %s", pods, service), func(ctx context.Context) error {
		answer, err := try(ctx, "get", "--raw="+path)
		if err != nil {
			return err
		}
		pod, said, _ := strings.Cut(strings.TrimSpace(answer), " ")
		if said != text {
			return fmt.Errorf("%s says %q, want %q", pod, said, text)
		}
		if seen[pod] = true; len(seen) < pods {
			return errors.New("only " + strings.Join(slices.Sorted(maps.Keys(seen)), ", "))
		}
		return nil
	})
}

var _ cluster = (*kind.Provider)(nil)
