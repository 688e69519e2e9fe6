// Package ephemeral keeps account of what lives for one process: the API server and the schedulers of a test process, the temporary
// files of a go command. A learner's panic on a goroutine, an os.Exit or a kill end the process without any clean-up, and its etcd,
// kube-apiserver and kube-scheduler, or some hundred megabytes of half-linked programs, would stay behind: [Sweep] finds and ends them.
package ephemeral

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"

	"github.com/kubekata/kubekata/harness/binaries"
	"github.com/kubekata/kubekata/harness/procs"
)

const lockFile = "lock"

// base is the folder below which every server has one of its own.
func base() (string, error) {
	cache, err := binaries.CacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(cache, "ephemeral"), nil
}

// New returns a folder for this process: for the data of an API server, or for temporary files. Its path must stand on the
// command line of each server that is started for it. Call done when they have ended: it removes the folder. As long as the process lives, the
// folder is locked and [Sweep] leaves it alone.
func New() (dir string, done func() error, err error) {
	parent, err := base()
	if err != nil {
		return "", nil, err
	}
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return "", nil, fmt.Errorf("make the API server's folder: %w", err)
	}
	// The lock is taken before the folder appears under its name, so that no Sweep takes it for an orphan.
	making, err := os.MkdirTemp(parent, ".new-")
	if err != nil {
		return "", nil, fmt.Errorf("make the API server's folder: %w", err)
	}
	lock := flock.New(filepath.Join(making, lockFile))
	if ok, err := lock.TryLock(); err != nil || !ok {
		return "", nil, fmt.Errorf("lock the API server's folder: %w", err)
	}
	dir = filepath.Join(parent, strings.TrimPrefix(filepath.Base(making), ".new-"))
	if err := os.Rename(making, dir); err != nil {
		return "", nil, fmt.Errorf("make the API server's folder: %w", err)
	}
	return dir, func() error {
		err := os.RemoveAll(dir)
		return errors.Join(err, lock.Unlock())
	}, nil
}

// Sweep ends the servers of processes that have died, and removes their folders. It costs a look into a folder when there
// is nothing to do.
func Sweep() error {
	parent, err := base()
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(parent)
	if errors.Is(err, fs.ErrNotExist) || len(entries) == 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for API servers that were left: %w", err)
	}
	for _, e := range entries {
		dir := filepath.Join(parent, e.Name())
		if strings.HasPrefix(e.Name(), ".new-") {
			if info, err := e.Info(); err != nil || time.Since(info.ModTime()) < time.Minute {
				continue // being made
			}
		}
		lock := flock.New(filepath.Join(dir, lockFile))
		if ok, err := lock.TryLock(); err != nil || !ok {
			continue // its process lives
		}
		err := errors.Join(end(dir), os.RemoveAll(dir), lock.Unlock())
		if err != nil {
			return fmt.Errorf("end an API server that was left: %w", err)
		}
	}
	return nil
}

// servers are the programs that are started for one process, from a folder that is everybody's.
var servers = []string{binaries.Etcd.Name, binaries.APIServer.Name, binaries.Scheduler.Name}

// end ends the servers whose command line names the folder, and programs that stand in it. Nothing in them is worth a graceful stop.
func end(dir string) error {
	deadline := time.Now().Add(10 * time.Second)
	for {
		all, err := procs.List()
		if err != nil {
			return err
		}
		left := 0
		for _, p := range all {
			name := filepath.Base(p.Argv0)
			inside := dir + string(filepath.Separator)
			server := strings.Contains(p.Args, inside) && slices.Contains(servers, name)
			if server || strings.HasPrefix(p.Argv0, inside) { // a program that stands in the folder was built for its process
				left++
				if err := syscall.Kill(p.PID, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
					return err
				}
			}
		}
		if left == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d processes do not end", left)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
