package e2e

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"sigs.k8s.io/e2e-framework/pkg/envconf"
	"sigs.k8s.io/e2e-framework/pkg/features"
)

var (
	// built are the images that kind/ has a Dockerfile for, and brought those that the nodes of kind have.
	builtImages = []string{operatorImage, webImage}
	imageField  = regexp.MustCompile(`(?m)^[\s-]*image:\s*(\S+)`)
)

// manifests are the files that are applied where containers run.
func manifests(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(book.Root, "kind", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for _, file := range files {
		if filepath.Base(file) == "kind-config.yaml" {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[filepath.Base(file)] = string(data)
	}
	if len(texts) == 0 {
		t.Fatal("there are no manifests in kind/")
	}
	return texts
}

func TestManifests(t *testing.T) {
	testenv.Test(t, features.New("the manifests").WithLabel("stage", "4").
		Assess("are taken by the server", func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			for name, text := range manifests(t) {
				if _, err := tryWith(ctx, forJourney(ctx, text), "apply", "--dry-run=server", "--filename=-"); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			return ctx
		}).
		Assess("name images that are built", func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			for name, text := range manifests(t) {
				for _, match := range imageField.FindAllStringSubmatch(text, -1) {
					if !slices.Contains(builtImages, match[1]) {
						t.Errorf("%s: the image %s is built by nobody", name, match[1])
					}
				}
			}
			return ctx
		}).Feature())
}
