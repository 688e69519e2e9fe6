package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/kubekata/kubekata/harness/binaries"
	"github.com/kubekata/kubekata/harness/environ"
)

const (
	clusterName = "lab"
	configFile  = "kwok.yaml"
)

// create runs kwokctl and waits for ready nodes. On an error, what it has started is still there; the caller clears it.
func (h home) create(ctx context.Context, programs binaries.Paths, folder string) (State, error) {
	if err := os.MkdirAll(h.runs(), 0o700); err != nil {
		return State{}, fmt.Errorf("make the lab's folder: %w", err)
	}
	config := filepath.Join(h.dir, configFile)
	data, err := yaml.Marshal(h.configuration(programs))
	if err != nil {
		return State{}, err
	}
	if err := os.WriteFile(config, data, 0o600); err != nil {
		return State{}, fmt.Errorf("write kwokctl's configuration: %w", err)
	}
	// Without --wait: our own wait for the nodes covers it, and is quicker.
	cmd := exec.CommandContext(ctx, programs[binaries.Kwokctl.Name], "create", "cluster", "--name="+clusterName, "--config="+config, "--kubeconfig="+h.kubeconfig())
	cmd.Env = environ.Servers("KWOK_WORKDIR="+h.work(), "KUBECONFIG="+h.kubeconfig(), "KUBECACHEDIR="+filepath.Join(h.work(), "kubectl"))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return State{}, h.withLogs(fmt.Errorf("kwokctl create cluster: %w: %s", cause(ctx, err), lastLine(out.String())))
	}
	if err := h.protect(); err != nil {
		return State{}, err
	}
	server, err := h.server()
	if err != nil {
		return State{}, h.withLogs(err)
	}
	if err := h.makeNodes(ctx, server); err != nil {
		return State{}, h.withLogs(err)
	}
	return State{Kubeconfig: h.kubeconfig(), Server: server, Programs: folder, Started: time.Now()}, nil
}

// cause is why a context ended, or the error itself.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// configuration is kwokctl's, as of kwok v0.8.0: pkg/apis/config/v1alpha1.
func (h home) configuration(programs binaries.Paths) map[string]any {
	pki := filepath.Join(h.cluster(), "pki")
	// Without "override", which only changes an argument that kwokctl sets itself.
	arg := func(key, value string) map[string]any {
		return map[string]any{"key": key, "value": value}
	}
	return map[string]any{
		"kind":       "KwokctlConfiguration",
		"apiVersion": "config.kwok.x-k8s.io/v1alpha1",
		"options": map[string]any{
			"runtime":                     "binary",
			"bindAddress":                 "127.0.0.1",
			"securePort":                  true,
			"kubeAuthorization":           true,
			"kubeAdmission":               true,
			"quietPull":                   true,
			"cacheDir":                    filepath.Join(h.work(), "cache"),
			"etcdBinary":                  programs[binaries.Etcd.Name],
			"kubeApiserverBinary":         programs[binaries.APIServer.Name],
			"kubeControllerManagerBinary": programs[binaries.ControllerManager.Name],
			"kubeSchedulerBinary":         programs[binaries.Scheduler.Name],
			"kubectlBinary":               programs[binaries.Kubectl.Name],
			"kwokControllerBinary":        programs[binaries.Kwok.Name],
		},
		"componentsPatches": []any{
			// The lab is thrown away after a crash; its store need not survive one, and has no peers to be patient with.
			map[string]any{"name": "etcd", "extraArgs": []any{arg("unsafe-no-fsync", "true"), arg("heartbeat-interval", "10"), arg("election-timeout", "100")}},
			// There is one of each: nobody to elect a leader from.
			map[string]any{"name": "kube-controller-manager", "extraArgs": []any{arg("leader-elect", "false")}},
			map[string]any{"name": "kube-scheduler", "extraArgs": []any{arg("leader-elect", "false")}},
			// What an aggregated API server needs to trust the front proxy: kwokctl leaves it out.
			map[string]any{"name": "kube-apiserver", "extraArgs": []any{
				arg("requestheader-client-ca-file", filepath.Join(pki, "ca.crt")),
				arg("requestheader-allowed-names", "kwok-admin"),
				arg("requestheader-extra-headers-prefix", "X-Remote-Extra-"),
				arg("requestheader-group-headers", "X-Remote-Group"),
				arg("requestheader-username-headers", "X-Remote-User"),
			}},
		},
	}
}

// protect takes the files with keys from other users: kwokctl writes its kubeconfig 0640 and its keys 0644.
func (h home) protect() error {
	if err := os.Chmod(h.kubeconfig(), 0o600); err != nil {
		return fmt.Errorf("protect the lab's kubeconfig: %w", err)
	}
	return filepath.WalkDir(h.cluster(), func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // etcd renames its files while we walk
		case err != nil:
			return err
		case d.IsDir() && d.Name() == "etcd":
			return filepath.SkipDir // its own folder is 0700
		case d.Type().IsRegular() && (strings.HasSuffix(path, ".key") || d.Name() == "kubeconfig.yaml"):
			return os.Chmod(path, 0o600)
		}
		return nil
	})
}

// server reads the API server's URL from the kubeconfig, and refuses one that is not on loopback.
func (h home) server() (string, error) {
	data, err := os.ReadFile(h.kubeconfig())
	if err != nil {
		return "", fmt.Errorf("read the lab's kubeconfig: %w", err)
	}
	var config struct {
		Clusters []struct {
			Cluster struct {
				Server string `json:"server"`
			} `json:"cluster"`
		} `json:"clusters"`
	}
	if err := yaml.Unmarshal(data, &config); err != nil {
		return "", fmt.Errorf("read the lab's kubeconfig: %w", err)
	}
	if len(config.Clusters) != 1 || !strings.HasPrefix(config.Clusters[0].Cluster.Server, "https://127.0.0.1:") {
		return "", fmt.Errorf("the lab's kubeconfig does not name one server on loopback")
	}
	return config.Clusters[0].Cluster.Server, nil
}

// withLogs adds the end of the log of each component that has died.
func (h home) withLogs(err error) error {
	running, listErr := h.processes()
	if listErr != nil {
		return err
	}
	for _, name := range missing(running) {
		data, readErr := os.ReadFile(filepath.Join(h.cluster(), "logs", name+".log"))
		if readErr != nil || len(data) == 0 {
			continue
		}
		lines := strings.Split(strings.TrimSpace(string(data)), "\n")
		err = fmt.Errorf("%w\n%s ended: %s", err, name, strings.Join(lines[max(0, len(lines)-3):], "\n  "))
	}
	return err
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}
