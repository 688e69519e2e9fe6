// Package lab is the workbook's lab as a cluster of e2e-framework's: journeys are written once, and run on it or on kind.
package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/e2e-framework/klient"
	"sigs.k8s.io/e2e-framework/pkg/types"

	harnesslab "github.com/kubekata/kubekata/harness/lab"
)

// Provider joins the lab, or starts it when there is none. A lab that was up before stays when the journeys are over; one that the Provider
// has started is ended by Destroy. There is one lab on a machine, so that names, versions, paths and options change nothing.
type Provider struct {
	root    string
	state   harnesslab.State
	started bool
}

var _ types.E2EClusterProvider = (*Provider)(nil)

// New returns the lab of a workbook, which is the folder root. Nothing is started yet.
func New(root string) *Provider { return &Provider{root: root} }

// SetDefaults implements types.E2EClusterProvider.
func (p *Provider) SetDefaults() types.E2EClusterProvider { return p }

// WithName implements types.E2EClusterProvider.
func (p *Provider) WithName(string) types.E2EClusterProvider { return p }

// WithVersion implements types.E2EClusterProvider: the version is the one of go.mod.
func (p *Provider) WithVersion(string) types.E2EClusterProvider { return p }

// WithPath implements types.E2EClusterProvider.
func (p *Provider) WithPath(string) types.E2EClusterProvider { return p }

// WithOpts implements types.E2EClusterProvider.
func (p *Provider) WithOpts(...types.ClusterOpts) types.E2EClusterProvider { return p }

// Create joins the lab or starts it, whose programs must have been built, and returns the path of its kubeconfig.
func (p *Provider) Create(ctx context.Context, _ ...string) (string, error) {
	if state, ok := harnesslab.Join(ctx); ok {
		p.state = state
		return state.Kubeconfig, nil
	}
	state, err := harnesslab.Up(ctx, p.root, nil)
	if err != nil {
		return "", fmt.Errorf("start the lab: %w", err)
	}
	p.state, p.started = state, true
	return state.Kubeconfig, nil
}

// CreateWithConfig is an error: the lab has no configuration of its own.
func (p *Provider) CreateWithConfig(context.Context, string) (string, error) {
	return "", errors.New("the lab takes no configuration")
}

// GetKubeconfig returns the path of the kubeconfig, which is empty before Create.
func (p *Provider) GetKubeconfig() string { return p.state.Kubeconfig }

// GenerateKubeconfig returns the same path.
func (p *Provider) GenerateKubeconfig(...string) (string, error) { return p.state.Kubeconfig, nil }

// GetKubectlContext returns the kubeconfig's only context.
func (p *Provider) GetKubectlContext() string {
	config, err := clientcmd.LoadFromFile(p.state.Kubeconfig)
	if err != nil {
		return ""
	}
	return config.CurrentContext
}

// ExportLogs copies the logs of the control plane into a folder.
func (p *Provider) ExportLogs(_ context.Context, dest string) error {
	logs, err := filepath.Glob(filepath.Join(filepath.Dir(p.state.Kubeconfig), "work", "clusters", "*", "logs", "*.log"))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dest, 0o755); err != nil {
		return fmt.Errorf("export the lab's logs: %w", err)
	}
	for _, path := range logs {
		data, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(filepath.Join(dest, filepath.Base(path)), data, 0o644)
		}
		if err != nil {
			return fmt.Errorf("export the lab's logs: %w", err)
		}
	}
	return nil
}

// Destroy ends the lab if Create has started it.
func (p *Provider) Destroy(ctx context.Context) error {
	if !p.started {
		return nil
	}
	_, err := harnesslab.Down(ctx)
	return err
}

// WaitForControlPlane has nothing to wait for: Create returns a lab that is ready.
func (p *Provider) WaitForControlPlane(context.Context, klient.Client) error { return nil }

// KubernetesRestConfig returns a configuration for the lab; nil when its kubeconfig cannot be read.
func (p *Provider) KubernetesRestConfig() *rest.Config {
	config, err := clientcmd.BuildConfigFromFlags("", p.state.Kubeconfig)
	if err != nil {
		return nil
	}
	return config
}

// KubectlEnv is the environment that binds a program, or a kubectl, to the lab.
func (p *Provider) KubectlEnv() []string { return p.state.KubectlEnv() }
