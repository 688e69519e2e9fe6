package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/kubekata/kubekata/harness/procs"
)

// Process is a process of the lab.
type Process struct {
	PID        int
	Name       string // the component's
	ResidentKB int
}

// components are the lab's processes, by the names of the links that kwokctl starts them through.
var components = []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok-controller"}

// processes returns the lab's processes. A process is the lab's when it was started as the lab's own file, whatever a
// pidfile says: a pid may long belong to somebody else, and a pidfile may be gone.
func (h home) processes() ([]Process, error) {
	all, err := procs.List()
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	bin := filepath.Join(h.cluster(), "bin") + string(filepath.Separator)
	var ours []Process
	for _, p := range all {
		name, ok := strings.CutPrefix(p.Argv0, bin)
		if ok && slices.Contains(components, name) {
			ours = append(ours, Process{PID: p.PID, Name: name, ResidentKB: procs.ResidentKB(p.PID)})
		}
	}
	return ours, nil
}

// missing returns the components that do not run.
func missing(running []Process) []string {
	var names []string
	for _, c := range components {
		if !slices.ContainsFunc(running, func(p Process) bool { return p.Name == c }) {
			names = append(names, c)
		}
	}
	return names
}

// stop ends the lab's processes: clients first and kindly, then whatever is left.
func (h home) stop() error {
	deadline := time.Now().Add(stopBound)
	signal := syscall.SIGTERM
	for round := 0; ; round++ {
		running, err := h.processes()
		if err != nil {
			return err
		}
		if len(running) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("process %d (%s) of the lab does not end", running[0].PID, running[0].Name)
		}
		if round == 40 { // after two seconds
			signal = syscall.SIGKILL
		}
		if round%40 == 0 {
			for _, p := range running {
				if err := syscall.Kill(p.PID, signal); err != nil && !errors.Is(err, os.ErrProcessDone) && !errors.Is(err, syscall.ESRCH) {
					return fmt.Errorf("end process %d (%s) of the lab: %w", p.PID, p.Name, err)
				}
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
}
