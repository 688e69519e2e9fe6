package ephemeral_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/kubekata/kubekata/harness/binaries"
	"github.com/kubekata/kubekata/harness/ephemeral"
)

func TestSweepTakesTheDeadAlone(t *testing.T) {
	t.Setenv(binaries.CacheEnv, t.TempDir())
	if err := ephemeral.Sweep(); err != nil {
		t.Fatalf("nothing was ever made: %v", err)
	}
	dir, done, err := ephemeral.New()
	if err != nil {
		t.Fatal(err)
	}
	// What a killed go command leaves: files in a folder whose lock nobody holds.
	dead := filepath.Join(filepath.Dir(dir), "123", "go-build456")
	if err := os.MkdirAll(dead, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(dead), "lock"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := ephemeral.Sweep(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Dir(dead)); !os.IsNotExist(err) {
		t.Errorf("what a dead process left is still there: %v", err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Errorf("the folder of a live process is gone: %v", err)
	}
	if err := done(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("done left the folder: %v", err)
	}
}

// asleep makes this binary a program that does nothing.
const asleep = "KUBEKATA_TEST_ASLEEP"

func TestMain(m *testing.M) {
	if os.Getenv(asleep) != "" {
		time.Sleep(time.Minute) // it is to be ended long before
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func TestSweepEndsProgramsThatWereBuiltForADeadProcess(t *testing.T) {
	cache := t.TempDir()
	t.Setenv(binaries.CacheEnv, cache)
	live, done, err := ephemeral.New()
	if err != nil {
		t.Fatal(err)
	}
	dead := filepath.Join(filepath.Dir(live), "123")
	var running []*exec.Cmd
	for _, dir := range []string{dead, live} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dead, "lock"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(copied(t, filepath.Join(dir, "sleeper")))
		cmd.Env = append(os.Environ(), asleep+"=1")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		})
		running = append(running, cmd)
	}
	ended := make(chan error, 1)
	go func() { ended <- running[0].Wait() }()
	if err := ephemeral.Sweep(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("the program of the dead process still runs")
	}
	if err := running[1].Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the program of the live process does not run any longer: %v", err)
	}
	if _, err := os.Stat(filepath.Join(live, "sleeper")); err != nil {
		t.Errorf("the program of the live process is gone: %v", err)
	}
	if err := done(); err != nil {
		t.Error(err)
	}
}

func TestSweepEndsServersOfADeadProcess(t *testing.T) {
	t.Setenv(binaries.CacheEnv, t.TempDir())
	live, done, err := ephemeral.New()
	if err != nil {
		t.Fatal(err)
	}
	dead := filepath.Join(filepath.Dir(live), "123")
	if err := os.MkdirAll(dead, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dead, "lock"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	programs := t.TempDir() // the servers' programs are everybody's, and stand in no such folder
	run := func(name, folder string) *exec.Cmd {
		program := filepath.Join(programs, name)
		if _, err := os.Stat(program); err != nil {
			copied(t, program)
		}
		cmd := exec.Command(program, "--config="+filepath.Join(folder, "x.yaml"))
		cmd.Env = append(os.Environ(), asleep+"=1")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		})
		return cmd
	}
	var orphans []*exec.Cmd
	for _, p := range []binaries.Program{binaries.Etcd, binaries.APIServer, binaries.Scheduler} {
		orphans = append(orphans, run(p.Name, dead))
	}
	others := []*exec.Cmd{run(binaries.Scheduler.Name, live), run("editor", dead)}
	if err := ephemeral.Sweep(); err != nil {
		t.Fatal(err)
	}
	for _, cmd := range orphans {
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			t.Errorf("%q of the dead process still runs", cmd.Args)
		}
	}
	for _, cmd := range others {
		if err := cmd.Process.Signal(syscall.Signal(0)); err != nil {
			t.Errorf("%q, which is not a server of the dead process, does not run any longer: %v", cmd.Args, err)
		}
	}
	if err := done(); err != nil {
		t.Error(err)
	}
}

// copied copies this binary.
func copied(t *testing.T, to string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	from, err := os.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	file, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(file, from); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	return to
}
