package kind_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"

	"github.com/kubekata/kubekata/e2e/kind"
)

const root = "../.."

func decode(t *testing.T, data []byte) v1alpha4.Cluster {
	t.Helper()
	var config v1alpha4.Cluster
	d := yaml.NewDecoder(strings.NewReader(string(data)))
	d.KnownFields(true) // as kind does
	if err := d.Decode(&config); err != nil {
		t.Fatalf("kind would not take it: %v\n%s", err, data)
	}
	return config
}

func patched(t *testing.T, patch string) ([]byte, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "patch.yaml")
	if err := os.WriteFile(file, []byte(patch), 0o600); err != nil {
		t.Fatal(err)
	}
	return kind.Config(root, file)
}

func TestConfigIsTheOneOfTheKata(t *testing.T) {
	data, err := kind.Config(root, "")
	if err != nil {
		t.Fatal(err)
	}
	if config := decode(t, data); config.Networking.KubeProxyMode != v1alpha4.IPVSProxyMode || len(config.Nodes) != 4 {
		t.Errorf("kube-proxy is in %s mode, and there are %d nodes: it is another configuration", config.Networking.KubeProxyMode, len(config.Nodes))
	}
}

func TestPatchAddsToTheKubeadmPatches(t *testing.T) {
	const kubelet = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nfailCgroupV1: false\n"
	data, err := patched(t, "networking: {kubeProxyMode: nftables}\nnodes: [{role: control-plane}]\nkubeadmConfigPatches:\n- |\n  "+strings.ReplaceAll(strings.TrimSpace(kubelet), "\n", "\n  ")+"\n")
	if err != nil {
		t.Fatal(err)
	}
	config := decode(t, data)
	if config.Networking.KubeProxyMode != v1alpha4.NFTablesProxyMode || config.Networking.IPFamily != v1alpha4.DualStackFamily {
		t.Errorf("networking is %+v, want nftables, and the rest as it was", config.Networking)
	}
	if len(config.Nodes) != 1 {
		t.Errorf("there are %d nodes, want the patch's one", len(config.Nodes))
	}
	if p := config.KubeadmConfigPatches; len(p) != 2 || !strings.Contains(p[0], "kata.local") || p[1] != kubelet {
		t.Errorf("kubeadmConfigPatches are %q, want ours and then the patch's", p)
	}
}

func TestPatchWithoutKubeadmPatchesKeepsOurs(t *testing.T) {
	data, err := patched(t, "networking: {kubeProxyMode: iptables}")
	if err != nil {
		t.Fatal(err)
	}
	if p := decode(t, data).KubeadmConfigPatches; len(p) != 1 {
		t.Errorf("kubeadmConfigPatches are %q, want ours", p)
	}
}

func TestPatchThatIsNoYAML(t *testing.T) {
	if _, err := patched(t, "networking: ["); err == nil || !strings.Contains(err.Error(), kind.ConfigPatchEnv) {
		t.Errorf("want an error that names %s, got: %v", kind.ConfigPatchEnv, err)
	}
	if _, err := kind.Config(root, "no-such-file"); err == nil || !strings.Contains(err.Error(), "no-such-file") {
		t.Errorf("want an error that names the file, got: %v", err)
	}
}

func TestNoDockerEngine(t *testing.T) {
	bin := t.TempDir()
	const script = "#!/bin/sh\necho 'Cannot connect to the Docker daemon' >&2\nexit 1\n"
	if err := os.WriteFile(filepath.Join(bin, "docker"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"no client": t.TempDir(), "no engine": bin} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("PATH", path)
			_, err := kind.New(t.Context(), root, t.TempDir(), "kubectl")
			if err == nil || !strings.Contains(err.Error(), "needs a Docker engine") || !strings.Contains(err.Error(), "make e2e") {
				t.Errorf("want an error that says what to do, got: %v", err)
			}
		})
	}
}
