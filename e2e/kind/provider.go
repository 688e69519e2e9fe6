// Package kind is a cluster of kind's for the journeys, with containers that really run. It wraps e2e-framework's provider, which knows how kind is called.
package kind

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"sigs.k8s.io/e2e-framework/klient"
	"sigs.k8s.io/e2e-framework/pkg/types"
	"sigs.k8s.io/e2e-framework/third_party/kind"
	"sigs.k8s.io/yaml"

	"github.com/kubekata/kubekata/harness/loopback"
)

// Name is the cluster's. It is made by the journeys, and removed by them; one that is there already is used, and stays.
const Name = "kubekata-e2e"

// The variables by which a user brings something of their own.
const (
	// NodeImageEnv is the image of the nodes. kind's own is the default.
	NodeImageEnv = "KIND_NODE_IMAGE"
	// ConfigPatchEnv is a file with a JSON merge patch (RFC 7386), in YAML or JSON, of kind/kind-config.yaml. Its kubeadmConfigPatches are added
	// to those that are there, and do not replace them.
	ConfigPatchEnv = "KIND_CONFIG_PATCH"
)

// Provider makes a cluster with kind, of the version in go.mod. Neither ~/.kube/config nor what KUBECONFIG names is touched.
type Provider struct {
	*kind.Cluster
	kubectl string
	dir     string
	config  string
	image   string
	joined  bool
}

var _ types.E2EClusterProvider = (*Provider)(nil)

// New returns a provider for the workbook in the folder root, whose files are in the folder dir, which the caller removes after Destroy. kubectl is
// the path of that program. It is an error when no Docker engine answers, and when the configuration cannot be made. The program kind
// is built, which takes some seconds; no cluster is there yet.
func New(ctx context.Context, root, dir, kubectl string) (*Provider, error) {
	if _, err := Docker(ctx, "version", "--format={{.Server.Version}}"); err != nil {
		return nil, fmt.Errorf("PROVIDER=kind needs a Docker engine, and none answers: %w\n"+
			"Start Docker Desktop, Colima or dockerd (https://docs.docker.com/engine/install), or stay on the lab, which needs none: make e2e", err)
	}
	p := &Provider{kubectl: kubectl, dir: dir, config: filepath.Join(dir, "kind-config.yaml"), image: os.Getenv(NodeImageEnv)}
	config, err := Config(root, os.Getenv(ConfigPatchEnv))
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(p.config, config, 0o600); err != nil {
		return nil, fmt.Errorf("write kind's configuration: %w", err)
	}
	bin := filepath.Join(dir, "kind")
	build := exec.CommandContext(ctx, "go", "build", "-o", bin, "sigs.k8s.io/kind")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build kind: %w\n%s", err, out)
	}
	// kind writes a context into the file that KUBECONFIG names, or into ~/.kube/config, both when a cluster comes and when it goes.
	if err := os.Setenv("KUBECONFIG", filepath.Join(dir, "kubeconfig")); err != nil {
		return nil, err
	}
	p.Cluster = kind.NewCluster(Name)
	p.Cluster.WithPath(bin)
	return p, nil
}

// SetDefaults implements types.E2EClusterProvider. It and the next four return the Provider, where those of the framework's return what it wraps.
func (p *Provider) SetDefaults() types.E2EClusterProvider { return p }

// WithName implements types.E2EClusterProvider: the name is Name.
func (p *Provider) WithName(string) types.E2EClusterProvider { return p }

// WithVersion implements types.E2EClusterProvider: the version of kind is the one of go.mod.
func (p *Provider) WithVersion(string) types.E2EClusterProvider { return p }

// WithPath implements types.E2EClusterProvider: the program is the one that New has built.
func (p *Provider) WithPath(string) types.E2EClusterProvider { return p }

// WithOpts implements types.E2EClusterProvider: there are none.
func (p *Provider) WithOpts(...types.ClusterOpts) types.E2EClusterProvider { return p }

// Config returns kind/kind-config.yaml of the workbook in the folder root with the patch in a file, if there is one.
func Config(root, patchFile string) ([]byte, error) {
	config, err := os.ReadFile(filepath.Join(root, "kind", "kind-config.yaml"))
	if err != nil || patchFile == "" {
		return config, err
	}
	merged, err := patched(config, patchFile)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ConfigPatchEnv, err)
	}
	return merged, nil
}

func patched(config []byte, patchFile string) ([]byte, error) {
	patch, err := os.ReadFile(patchFile)
	if err != nil {
		return nil, err
	}
	var there, more struct {
		Patches []string `json:"kubeadmConfigPatches"`
	}
	if err := errors.Join(yaml.Unmarshal(config, &there), yaml.Unmarshal(patch, &more)); err != nil {
		return nil, err
	}
	asJSON, err := yaml.YAMLToJSON(config)
	if err != nil {
		return nil, err
	}
	patchJSON, err := yaml.YAMLToJSON(patch)
	if err != nil {
		return nil, err
	}
	merged, err := jsonpatch.MergePatch(asJSON, patchJSON)
	if err != nil {
		return nil, err
	}
	both, err := json.Marshal(map[string]any{"kubeadmConfigPatches": append(there.Patches, more.Patches...)})
	if err != nil {
		return nil, err
	}
	if merged, err = jsonpatch.MergePatch(merged, both); err != nil {
		return nil, err
	}
	return yaml.JSONToYAML(merged)
}

// Create makes the cluster, or joins it, and returns the path of its kubeconfig.
func (p *Provider) Create(ctx context.Context, args ...string) (string, error) {
	clusters, err := exec.CommandContext(ctx, filepath.Join(p.dir, "kind"), "get", "clusters").Output()
	if err != nil {
		return "", fmt.Errorf("kind get clusters: %w", err)
	}
	for line := range strings.Lines(string(clusters)) {
		p.joined = p.joined || strings.TrimSpace(line) == Name
	}
	if p.image != "" {
		args = append(args, "--image", p.image)
	}
	file, err := p.Cluster.Create(ctx, append(args, "--config", p.config)...)
	if err != nil {
		if !p.joined { // what has come of it
			err = errors.Join(err, p.Cluster.Destroy(ctx))
		}
		return "", err
	}
	return file, loopback.Check(p.KubernetesRestConfig().Host)
}

// WaitForControlPlane waits until all nodes are ready. The framework's waits for the pods of kind's own network, which need not be there.
func (p *Provider) WaitForControlPlane(ctx context.Context, _ klient.Client) error {
	cmd := exec.CommandContext(ctx, p.kubectl, "wait", "node", "--all", "--for=condition=Ready", "--timeout=5m")
	cmd.Env = append(os.Environ(), p.KubectlEnv()...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("the nodes are not ready: %w: %s", err, out)
	}
	return nil
}

// Destroy removes the cluster, if Create has made it, and its kubeconfig.
func (p *Provider) Destroy(ctx context.Context) error {
	if p.joined {
		return os.RemoveAll(p.GetKubeconfig())
	}
	return p.Cluster.Destroy(ctx)
}

// KubectlEnv is the environment that binds a kubectl to the cluster.
func (p *Provider) KubectlEnv() []string { return []string{"KUBECONFIG=" + p.GetKubeconfig()} }

// Image builds an image from a Dockerfile and a folder, and loads it into the cluster's nodes.
func (p *Provider) Image(ctx context.Context, name, dockerfile, folder string) error {
	if _, err := Docker(ctx, "build", "--quiet", "--tag="+name, "--file="+dockerfile, folder); err != nil {
		return err
	}
	return p.LoadImage(ctx, name)
}

// Arch is the architecture of the Docker engine, by Go's name.
func (p *Provider) Arch(ctx context.Context) (string, error) {
	return Docker(ctx, "version", "--format={{.Server.Arch}}")
}

// Docker runs the Docker client, and returns what it has written. An error has what it complains of.
func Docker(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	var complaint strings.Builder
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("docker %s: %w: %s", args[0], err, strings.TrimSpace(complaint.String()))
	}
	return strings.TrimSpace(string(out)), nil
}
