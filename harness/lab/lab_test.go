package lab_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/kubekata/kubekata/harness/binaries"
	"github.com/kubekata/kubekata/harness/lab"
	"github.com/kubekata/kubekata/harness/loopback"
	"github.com/kubekata/kubekata/harness/procs"
)

// root is the workbook's folder.
const root = "../.."

// isolate gives the test a lab of its own, made from the programs of the user's cache, and ends it with the test.
func isolate(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	t.Cleanup(cancel)
	if _, err := binaries.Ensure(ctx, root, binaries.Lab(), binaries.NewProgress(os.Stderr, false, 0, time.Now)); err != nil {
		t.Fatal(err)
	}
	built, err := binaries.Dir(root)
	if err != nil {
		t.Fatal(err)
	}
	cache := t.TempDir()
	if err := os.MkdirAll(filepath.Join(cache, "kubekata"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(built, filepath.Join(cache, "kubekata", filepath.Base(built))); err != nil {
		t.Fatal(err)
	}
	t.Setenv(binaries.CacheEnv, cache)
	t.Setenv("HOME", filepath.Join(cache, "home"))
	t.Cleanup(func() {
		if _, err := lab.Down(context.Background()); err != nil {
			t.Error(err)
		}
		if left := running(t, cache); len(left) > 0 {
			t.Errorf("processes are left: %v", left)
		}
		if _, err := os.Stat(filepath.Join(cache, "home", ".kube")); err == nil {
			t.Error("something was written to ~/.kube")
		}
	})
	return ctx
}

// running returns the command lines that name the folder.
func running(t *testing.T, dir string) []string {
	t.Helper()
	all, err := procs.List()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, p := range all {
		if strings.Contains(p.Argv0, dir) {
			found = append(found, p.Args)
		}
	}
	return found
}

func up(t *testing.T, ctx context.Context) (lab.State, []string) {
	t.Helper()
	var said []string
	s, err := lab.Up(ctx, root, func(line string) { said = append(said, line) })
	if err != nil {
		t.Fatal(err)
	}
	if joined, ok := lab.Join(ctx); !ok || joined.Server != s.Server {
		t.Fatalf("the lab is up, and Join returns %v, %v", joined, ok)
	}
	return s, said
}

func pid(t *testing.T, ctx context.Context, name string) int {
	t.Helper()
	r, err := lab.Look(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range r.Processes {
		if p.Name == name {
			return p.PID
		}
	}
	t.Fatalf("%s does not run", name)
	return 0
}

func TestLabIsPrivateAndWhole(t *testing.T) {
	ctx := isolate(t)
	if _, ok := lab.Join(ctx); ok {
		t.Fatal("Join found a lab before one was started")
	}
	// What a learner may have exported for another project: kwokctl and etcd take their options from variables too.
	port, err := loopback.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	metrics := fmt.Sprintf("127.0.0.1:%d", port)
	t.Setenv("KWOK_KUBE_AUTHORIZATION", "false")
	t.Setenv("KWOK_RUNTIME", "docker")
	t.Setenv("ETCD_LISTEN_METRICS_URLS", "http://"+metrics)
	s, _ := up(t, ctx)
	dir := filepath.Dir(s.Kubeconfig)

	t.Run("the caller's variables change nothing", func(t *testing.T) {
		if c, err := net.Dial("tcp", metrics); err == nil {
			c.Close()
			t.Errorf("etcd listens where ETCD_LISTEN_METRICS_URLS says")
		}
		if args := strings.Join(running(t, dir), "\n"); !strings.Contains(args, "--authorization-mode=Node,RBAC") {
			t.Errorf("RBAC is off; command lines:\n%s", args)
		}
	})

	t.Run("files with keys are the user's alone", func(t *testing.T) {
		keys := 0
		err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return nil // etcd renames its files while we walk
			}
			if !strings.HasSuffix(path, ".key") && !strings.Contains(d.Name(), "kubeconfig") {
				return nil
			}
			keys++
			info, err := d.Info()
			if err != nil {
				return err
			}
			if info.Mode().Perm() != 0o600 {
				t.Errorf("%s has mode %o", path, info.Mode().Perm())
			}
			return nil
		})
		if err != nil || keys < 4 {
			t.Errorf("%d files with keys, %v", keys, err)
		}
	})

	t.Run("every address on a command line is loopback", func(t *testing.T) {
		args := strings.Join(running(t, dir), "\n")
		if strings.Contains(args, "0.0.0.0") || !strings.Contains(args, "--bind-address=127.0.0.1") || !strings.Contains(args, "--listen-client-urls=http://127.0.0.1:") {
			t.Errorf("command lines:\n%s", args)
		}
	})

	t.Run("kwokctl has passed our own arguments on", func(t *testing.T) {
		args := strings.Join(running(t, dir), "\n")
		for _, want := range []string{"--unsafe-no-fsync=true", "--requestheader-client-ca-file=", "--authorization-mode=Node,RBAC", "--leader-elect=false"} {
			if !strings.Contains(args, want) {
				t.Errorf("no process has %s; command lines:\n%s", want, args)
			}
		}
	})

	t.Run("a second Up joins", func(t *testing.T) {
		before := pid(t, ctx, "kube-apiserver")
		again, said := up(t, ctx)
		if pid(t, ctx, "kube-apiserver") != before || again.Server != s.Server || len(said) > 0 {
			t.Errorf("it was started anew: %v", said)
		}
	})

	t.Run("what an aborted run left is swept, and a live run's is not", func(t *testing.T) {
		kubectl := func(args ...string) string {
			t.Helper()
			paths, err := binaries.Find(root, binaries.Lab())
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(ctx, paths[binaries.Kubectl.Name], args...)
			cmd.Env = append(os.Environ(), s.KubectlEnv()...)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("kubectl %v: %v\n%s", args, err, out)
			}
			return string(out)
		}
		for _, run := range []string{"alive", "dead"} {
			kubectl("create", "namespace", run)
			kubectl("create", "clusterrole", run, "--verb=get", "--resource=pods")
			kubectl("label", "namespace/"+run, "clusterrole/"+run, lab.RunLabel+"="+run)
		}
		apply := func(manifest string) {
			t.Helper()
			path := filepath.Join(dir, "manifest.yaml") // kubectl splits a file's name at a comma, and t.TempDir's has one
			if err := os.WriteFile(path, []byte(manifest), 0o600); err != nil {
				t.Fatal(err)
			}
			kubectl("apply", "--filename="+path)
		}
		apply(heldDefinition)
		kubectl("wait", "--for=condition=Established", "crd/held.spec.kubekata.dev", "--timeout=20s")
		apply(held)
		done, err := lab.RegisterRun("alive")
		if err != nil {
			t.Fatal(err)
		}
		// A process that has died leaves its record, and no lock on it.
		if err := os.WriteFile(filepath.Join(dir, "runs", "dead"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := lab.Sweep(ctx, root); err != nil {
			t.Fatal(err)
		}
		roles := kubectl("get", "clusterroles", "-l", lab.RunLabel, "-o", "name")
		spaces := kubectl("get", "namespaces", "-l", lab.RunLabel, "-o", "jsonpath={range .items[*]}{.metadata.name}={.status.phase} {end}")
		if strings.TrimSpace(roles) != "clusterrole.rbac.authorization.k8s.io/alive" || !strings.Contains(spaces, "alive=Active") || strings.Contains(spaces, "dead=Active") {
			t.Errorf("left: %s %s", roles, spaces)
		}
		// Its one object had a finalizer, and a definition goes when its objects have gone.
		kubectl("wait", "--for=delete", "crd/held.spec.kubekata.dev", "--timeout=20s")
		if err := done(); err != nil {
			t.Error(err)
		}
		left, err := os.ReadDir(filepath.Join(dir, "runs"))
		if err != nil || len(left) > 0 {
			t.Errorf("records are left: %v, %v", left, err)
		}
	})

	t.Run("a lab from other programs is replaced", func(t *testing.T) {
		state := filepath.Join(dir, "state.json")
		data, err := os.ReadFile(state)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(state, []byte(strings.Replace(string(data), s.Programs, "/other", 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, said := up(t, ctx); len(said) != 1 || !strings.Contains(said[0], "other versions") {
			t.Errorf("said %q", said)
		}
	})
}

// heldDefinition and held are what a dead run's operator leaves: an object whose finalizer nobody will remove.
const (
	heldDefinition = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: held.spec.kubekata.dev, labels: {kubekata.dev/run: dead}}
spec:
  group: spec.kubekata.dev
  scope: Namespaced
  names: {plural: held, singular: held, kind: Held, listKind: HeldList}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
`
	held = `apiVersion: spec.kubekata.dev/v1
kind: Held
metadata: {name: one, namespace: dead, finalizers: [kubekata.dev/spec]}
`
)

func TestHalfDeadLabIsReplaced(t *testing.T) {
	ctx := isolate(t)
	up(t, ctx)
	for _, name := range []string{"kube-apiserver", "etcd", "kube-scheduler"} {
		victim := pid(t, ctx, name)
		if err := syscall.Kill(victim, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		gone(t, victim)
		if _, ok := lab.Join(ctx); ok {
			t.Fatalf("Join took a lab without %s", name)
		}
		_, said := up(t, ctx)
		if len(said) != 1 || !strings.Contains(said[0], name+" not running") {
			t.Errorf("after %s was killed: said %q", name, said)
		}
	}
	// A stopped API server runs and does not answer.
	if err := syscall.Kill(pid(t, ctx, "kube-apiserver"), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if _, said := up(t, ctx); len(said) != 1 || !strings.Contains(said[0], "does not answer") {
		t.Errorf("after the API server was stopped: said %q", said)
	}
}

// gone waits until a process has ended.
func gone(t *testing.T, pid int) {
	t.Helper()
	for range 500 {
		all, err := procs.List()
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(all, func(p procs.Process) bool { return p.PID == pid }) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("process %d does not end", pid)
}

// TestRemains starts from what a crash of the machine leaves: state and pidfiles, and no process, or others' processes
// under the old pids.
func TestRemains(t *testing.T) {
	ctx := isolate(t)
	dir, err := lab.Dir()
	if err != nil {
		t.Fatal(err)
	}
	pids := filepath.Join(dir, "work", "clusters", "lab", "pids")
	if err := os.MkdirAll(pids, 0o700); err != nil {
		t.Fatal(err)
	}
	// The pid of somebody else: a pidfile must not be believed.
	own := []byte("1")
	for _, name := range []string{"etcd", "kube-apiserver"} {
		if err := os.WriteFile(filepath.Join(pids, name+".pid"), own, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "state.json"), []byte(`{"server":"https://127.0.0.1:1","kubeconfig":"/gone"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ok := lab.Join(ctx); ok {
		t.Fatal("Join took the remains for a lab")
	}
	// kwokctl counts its ports down from 32767: one of them is another program's.
	listener, err := net.Listen("tcp", "127.0.0.1:32764")
	if err == nil {
		defer listener.Close()
	}
	if _, said := up(t, ctx); len(said) != 1 || !strings.HasPrefix(said[0], "replacing the lab: ") {
		t.Errorf("said %q", said)
	}
	if err := os.WriteFile(filepath.Join(dir, "state.json"), []byte("{half"), 0o600); err != nil {
		t.Fatal(err)
	}
	up(t, ctx)
}

func TestTwoUpsStartOne(t *testing.T) {
	ctx := isolate(t)
	var servers [3]string
	var group sync.WaitGroup
	for i := range servers {
		group.Go(func() {
			s, err := lab.Up(ctx, root, nil)
			if err != nil {
				t.Error(err)
			}
			servers[i] = s.Server
		})
	}
	group.Wait()
	if servers[0] == "" || servers[0] != servers[1] || servers[1] != servers[2] {
		t.Errorf("servers %v", servers)
	}
	r, err := lab.Look(ctx)
	if err != nil || len(r.Processes) != 5 || !r.Up {
		t.Errorf("%d processes, up %v, %v", len(r.Processes), r.Up, err)
	}
	found, err := lab.Down(ctx)
	if err != nil || !found {
		t.Errorf("Down returned %v, %v", found, err)
	}
	if found, err = lab.Down(ctx); err != nil || found {
		t.Errorf("the second Down returned %v, %v", found, err)
	}
}

func TestInterruptedStartLeavesNothing(t *testing.T) {
	ctx := isolate(t)
	short, cancel := context.WithTimeout(ctx, 700*time.Millisecond)
	defer cancel()
	if _, err := lab.Up(short, root, nil); err == nil {
		t.Fatal("a lab in 0.7 s: make the bound of this test smaller")
	}
	dir, err := lab.Dir()
	if err != nil {
		t.Fatal(err)
	}
	if left := running(t, dir); len(left) > 0 {
		t.Errorf("processes are left: %v", left)
	}
}
