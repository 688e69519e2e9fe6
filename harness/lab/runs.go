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

	"github.com/gofrs/flock"

	"github.com/kubekata/kubekata/harness/binaries"
	"github.com/kubekata/kubekata/harness/environ"
)

// RunLabel is on every namespace and cluster-scoped object that a spec makes. Its value is the run's ID.
const RunLabel = "kubekata.dev/run"

// swept are the resources that Sweep deletes: those that are not in a namespace, and namespaces themselves.
var swept = strings.Join([]string{
	"namespaces", "customresourcedefinitions.apiextensions.k8s.io", "apiservices.apiregistration.k8s.io",
	"validatingwebhookconfigurations.admissionregistration.k8s.io", "mutatingwebhookconfigurations.admissionregistration.k8s.io",
	"validatingadmissionpolicies.admissionregistration.k8s.io", "validatingadmissionpolicybindings.admissionregistration.k8s.io",
	"clusterroles.rbac.authorization.k8s.io", "clusterrolebindings.rbac.authorization.k8s.io",
	"priorityclasses.scheduling.k8s.io", "nodes",
}, ",")

// RegisterRun records that a test process uses the lab. The returned function removes the record, after the process has
// cleaned up; a process that dies before that leaves it for [Sweep].
func RegisterRun(id string) (done func() error, err error) {
	h, err := open()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(h.runs(), 0o700); err != nil {
		return nil, fmt.Errorf("record the run: %w", err)
	}
	path := filepath.Join(h.runs(), id)
	// The lock is what tells a live run from a dead one: it ends with the process, and pids are used again.
	lock := flock.New(path)
	if ok, err := lock.TryLock(); err != nil || !ok {
		return nil, fmt.Errorf("record the run %s: it is there already (%w)", id, err)
	}
	return func() error {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return lock.Unlock()
	}, nil
}

// deadRuns returns the runs whose process has ended without cleaning up.
func (h home) deadRuns() ([]string, error) {
	entries, err := os.ReadDir(h.runs())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the lab's runs: %w", err)
	}
	var dead []string
	for _, e := range entries {
		lock := flock.New(filepath.Join(h.runs(), e.Name()), flock.SetFlag(os.O_RDWR))
		ok, err := lock.TryLock()
		if err != nil || !ok {
			continue // it lives, or has just cleaned up
		}
		if err := lock.Unlock(); err != nil {
			return nil, err
		}
		dead = append(dead, e.Name())
	}
	return dead, nil
}

// Sweep deletes from the lab what runs left that died before they cleaned up. It waits for no namespace to be gone. It
// costs nothing when there is nothing to do or no lab.
func Sweep(ctx context.Context, root string) error {
	h, err := open()
	if err != nil {
		return err
	}
	dead, err := h.deadRuns()
	if err != nil || len(dead) == 0 {
		return err
	}
	if _, up := Join(ctx); !up {
		return nil // with the lab, all of it goes
	}
	programs, err := binaries.Find(root, binaries.Lab())
	if err != nil {
		return err
	}
	kubectl := func(args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, programs[binaries.Kubectl.Name], append([]string{"--kubeconfig=" + h.kubeconfig()}, args...)...)
		cmd.Env = environ.Servers("KUBECACHEDIR=" + filepath.Join(h.work(), "kubectl"))
		var out, trouble bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &trouble
		if err := cmd.Run(); err != nil {
			return "", fmt.Errorf("sweep what an aborted run left on the lab: %w: %s", err, lastLine(trouble.String()))
		}
		return out.String(), nil
	}
	for _, id := range dead {
		if err := letGo(kubectl, id); err != nil {
			return err
		}
		if _, err := kubectl("delete", swept, "--selector="+RunLabel+"="+id, "--ignore-not-found", "--wait=false"); err != nil {
			return err
		}
		if err := os.Remove(filepath.Join(h.runs(), id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("forget an aborted run: %w", err)
		}
	}
	return nil
}

// letGo removes the finalizers from a dead run's custom resources. Whoever has put them there is dead as well, and neither the objects
// nor their definition and namespaces would ever go.
func letGo(kubectl func(...string) (string, error), id string) error {
	definitions, err := kubectl("get", "customresourcedefinitions", "--selector="+RunLabel+"="+id, "--output=jsonpath={.items[*].metadata.name}")
	if err != nil {
		return err
	}
	for resource := range strings.FieldsSeq(definitions) {
		held, err := kubectl("get", resource, "--all-namespaces", "--ignore-not-found",
			`--output=jsonpath={range .items[?(@.metadata.finalizers)]}{.metadata.namespace}/{.metadata.name}{"\n"}{end}`)
		if err != nil {
			return err
		}
		for object := range strings.FieldsSeq(held) {
			namespace, name, _ := strings.Cut(object, "/")
			if _, err := kubectl("patch", resource, name, "--namespace="+namespace, "--type=merge", `--patch={"metadata":{"finalizers":null}}`); err != nil {
				return err
			}
		}
	}
	return nil
}
