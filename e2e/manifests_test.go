package e2e

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/e2e-framework/pkg/envconf"
	"sigs.k8s.io/e2e-framework/pkg/features"
)

var (
	// builtImages are those that a Dockerfile is there for, and what the nodes of kind have already.
	builtImages = []string{operatorImage, calculateImage, candidateImage, webhookImage, extenderImage, webImage, "registry.k8s.io/kube-scheduler:v1.37.2"}
	imageField  = regexp.MustCompile(`(?m)^[\s-]*image:\s*(\S+)`)
)

// manifests are the files that are applied where containers run, with the journey's names in the place of theirs.
func manifests(ctx context.Context, t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for _, name := range []string{"operator", "calculate", "candidate"} {
		file := "kind/" + name + ".yaml"
		texts[file] = forJourney(ctx, read(t, file))
	}
	for _, name := range []string{"server.yaml", "rbac.yaml", "webhooks.yaml"} {
		texts[byService+"/"+name] = kataFile(t, byService, "manifests/"+name)
	}
	for _, name := range []string{"rbac.yaml", "scheduler.yaml", "extender.yaml"} {
		texts[configuration+"/"+name] = kataFile(t, configuration, "manifests/"+name)
	}
	names := strings.NewReplacer("labels-webhook", of(ctx).namespace,
		"namespace: kubekata-scheduler", "namespace: "+of(ctx).namespace)
	for name, text := range texts {
		texts[name] = names.Replace(text)
	}
	// A manifest that nobody looks at here would be a gap.
	files, err := filepath.Glob(filepath.Join(book.Root, "kind", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := "kind/" + filepath.Base(file)
		if _, ok := texts[name]; !ok && name != "kind/kind-config.yaml" {
			t.Errorf("%s is no manifest that this journey knows", name)
		}
	}
	return texts
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(book.Root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestManifests(t *testing.T) {
	testenv.Test(t, features.New("the manifests").WithLabel("stage", "4").
		Assess("are taken by the server", func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			for name, text := range manifests(ctx, t) {
				if _, err := tryWith(ctx, text, "apply", "--dry-run=server", "--filename=-"); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			return ctx
		}).
		Assess("name images that are built", func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			for name, text := range manifests(ctx, t) {
				for _, match := range imageField.FindAllStringSubmatch(text, -1) {
					if !slices.Contains(builtImages, match[1]) {
						t.Errorf("%s: the image %s is built by nobody", name, match[1])
					}
				}
			}
			return ctx
		}).Feature())
}
