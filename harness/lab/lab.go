// Package lab keeps one Kubernetes cluster up between runs: etcd, kube-apiserver, kube-controller-manager,
// kube-scheduler and KWOK's simulated nodes, made by kwokctl's binary runtime from the programs of package binaries.
// Every test process joins it.
//
// [Up] starts or joins, [Join] only joins, [Down] ends it, [Look] tells how it is. A lab of which a part has died is
// replaced as a whole: kwokctl would wait for it in vain. All of it listens on loopback, lives in the user's cache
// folder, and knows nothing of ~/.kube.
package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/kubekata/kubekata/harness/binaries"
)

// Nodes is how many simulated nodes a lab has.
const Nodes = 2

// Bounds of what is waited for.
const (
	startBound = 90 * time.Second // from nothing to ready nodes; two or three seconds on an idle machine
	readyBound = 15 * time.Second // an answer from an API server that runs and is busy
	stopBound  = 10 * time.Second
)

// State describes a lab that runs.
type State struct {
	// Kubeconfig is the path of its kubeconfig, mode 0600.
	Kubeconfig string `json:"kubeconfig"`
	// Server is the API server's URL, on loopback.
	Server string `json:"server"`
	// Programs is the folder of the programs that it was made from: other versions make another lab.
	Programs string `json:"programs"`
	// Started is when it became ready.
	Started time.Time `json:"started"`
}

// KubectlEnv is the environment that binds a kubectl to the lab: its kubeconfig, and a cache of discovery that is not
// ~/.kube/cache.
func (s State) KubectlEnv() []string {
	return []string{"KUBECONFIG=" + s.Kubeconfig, "KUBECACHEDIR=" + filepath.Join(filepath.Dir(s.Kubeconfig), "work", "kubectl")}
}

// Dir is the folder that holds everything of the lab.
func Dir() (string, error) {
	cache, err := binaries.CacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(cache, "lab"), nil
}

// home is the lab's folder on disk.
type home struct{ dir string }

func open() (home, error) {
	dir, err := Dir()
	return home{dir}, err
}

func (h home) stateFile() string  { return filepath.Join(h.dir, "state.json") }
func (h home) kubeconfig() string { return filepath.Join(h.dir, "kubeconfig") }
func (h home) work() string       { return filepath.Join(h.dir, "work") }
func (h home) cluster() string    { return filepath.Join(h.work(), "clusters", clusterName) }
func (h home) runs() string       { return filepath.Join(h.dir, "runs") }

// read returns the recorded state; nil when there is none.
func (h home) read() (*State, error) {
	data, err := os.ReadFile(h.stateFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the lab's state: %w", err)
	}
	var s State
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, nil // half-written before a power cut: as good as none
	}
	return &s, nil
}

func (h home) write(s State) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	tmp := h.stateFile() + ".tmp"
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		return fmt.Errorf("write the lab's state: %w", err)
	}
	if err := os.Rename(tmp, h.stateFile()); err != nil {
		return fmt.Errorf("write the lab's state: %w", err)
	}
	return nil
}

// lock takes the lab's lock: whoever starts or ends it holds it.
func (h home) lock(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(h.dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the lab's folder: %w", err)
	}
	lock := flock.New(filepath.Join(h.dir, "lock"))
	ok, err := lock.TryLockContext(ctx, 50*time.Millisecond)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil || !ok {
		return nil, fmt.Errorf("lock the lab: %w", err)
	}
	return func() { _ = lock.Unlock() }, nil // the lock ends with the process at the latest
}

// Join returns the lab that is up; false when there is none, or when it is not whole. It starts nothing, and takes some
// ten milliseconds.
func Join(ctx context.Context) (State, bool) {
	h, err := open()
	if err != nil {
		return State{}, false
	}
	s, reason := h.whole(ctx)
	return s, reason == ""
}

// whole returns the running lab, or why there is none.
func (h home) whole(ctx context.Context) (State, string) {
	s, err := h.read()
	if err != nil {
		return State{}, err.Error()
	}
	if s == nil {
		return State{}, "it has not been started"
	}
	running, err := h.processes()
	if err != nil {
		return State{}, err.Error()
	}
	if dead := missing(running); len(dead) > 0 {
		return State{}, strings.Join(dead, ", ") + " not running"
	}
	if err := h.ready(ctx, s.Server, readyBound); err != nil {
		return State{}, err.Error()
	}
	return *s, ""
}

// Up returns the running lab, after starting one where there is none, and replacing one that is not whole or was made
// from other programs. root is the workbook's folder; the programs must have been built. say is told, in a line, why a lab
// is replaced; it may be nil.
func Up(ctx context.Context, root string, say func(string)) (State, error) {
	programs, err := binaries.Find(root, binaries.Lab())
	if err != nil {
		return State{}, err
	}
	folder := filepath.Dir(programs[binaries.Kwokctl.Name])
	h, err := open()
	if err != nil {
		return State{}, err
	}
	if s, reason := h.whole(ctx); reason == "" && s.Programs == folder {
		return s, nil
	}
	unlock, err := h.lock(ctx)
	if err != nil {
		return State{}, err
	}
	defer unlock()
	// Another process may have started it meanwhile.
	s, reason := h.whole(ctx)
	if reason == "" && s.Programs == folder {
		return s, nil
	}
	if reason == "" {
		reason = "it was made from other versions"
	}
	running, err := h.processes()
	if err != nil {
		return State{}, err
	}
	if say != nil && (len(running) > 0 || exists(h.stateFile())) {
		say("replacing the lab: " + reason)
	}
	return h.start(ctx, programs, folder)
}

// start makes a lab in place of what is there, at the third attempt at the latest: see [passes].
func (h home) start(ctx context.Context, programs binaries.Paths, folder string) (State, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, startBound, fmt.Errorf("the lab was not ready within %v", startBound))
	defer cancel()
	var err error
	for range 3 {
		if err = h.clear(); err != nil {
			return State{}, err
		}
		var s State
		if s, err = h.create(ctx, programs, folder); err == nil {
			return s, h.write(s)
		}
		if ctx.Err() != nil || !passes(err) {
			break
		}
	}
	if clearErr := h.clear(); clearErr != nil {
		err = errors.Join(err, clearErr)
	}
	return State{}, err
}

// passes reports whether a failure to start has a reason that another attempt may not meet. kwokctl chooses free ports before it uses them, so
// that another program may take one meanwhile. And kube-controller-manager gives up when the API server is not healthy ten seconds
// after it has begun to answer, as on a machine that does a lot else.
func passes(err error) bool {
	text := err.Error()
	return strings.Contains(text, "address already in use") || strings.Contains(text, "failed to wait for apiserver being healthy")
}

// Down ends the lab and removes its files. It is no error when there is none. When it returns nil, no process of the lab
// is left.
func Down(ctx context.Context) (found bool, err error) {
	h, err := open()
	if err != nil {
		return false, err
	}
	if !exists(h.dir) {
		return false, nil
	}
	unlock, err := h.lock(ctx)
	if err != nil {
		return false, err
	}
	defer unlock()
	running, err := h.processes()
	if err != nil {
		return false, err
	}
	found = len(running) > 0 || exists(h.stateFile())
	return found, h.clear()
}

// clear ends the lab's processes and removes its files, except the lock and the records of runs. The caller holds the
// lock.
func (h home) clear() error {
	if err := os.Remove(h.stateFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget the lab: %w", err)
	}
	if err := h.stop(); err != nil {
		return err
	}
	for _, path := range []string{h.work(), h.kubeconfig(), filepath.Join(h.dir, configFile), h.runs()} {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("remove the lab's files: %w", err)
		}
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// Report is how the lab is.
type Report struct {
	State State
	// Up says that every part runs and answers; else Reason says what is wrong.
	Up     bool
	Reason string
	// Processes are those that run, also of a lab that is not whole.
	Processes []Process
}

// MemoryMB is the resident memory of all processes, in MB.
func (r Report) MemoryMB() int {
	total := 0
	for _, p := range r.Processes {
		total += p.ResidentKB
	}
	return total / 1024
}

// Look tells how the lab is, and changes nothing.
func Look(ctx context.Context) (Report, error) {
	h, err := open()
	if err != nil {
		return Report{}, err
	}
	var r Report
	r.State, r.Reason = h.whole(ctx)
	r.Up = r.Reason == ""
	if r.Processes, err = h.processes(); err != nil {
		return Report{}, err
	}
	return r, nil
}
