package binaries

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// diskNeeded is what a first build takes, in bytes: 0.6 GB of programs, the modules' sources and Go's build cache.
// Measured at 5.9 GB from empty caches; checked only when nothing is there yet.
const diskNeeded = 6 << 30

// Ensure builds what is missing of the set, one program after the other, and returns where they all are. root is the
// workbook's folder.
//
// A program appears in the cache folder only when it is whole and has told its version. Builds at the same time wait
// for each other. When ctx ends, the go command is ended and what was finished stays.
func Ensure(ctx context.Context, root string, set Set, p Progress) (Paths, error) {
	paths, err := Find(root, set)
	var missing *MissingError
	if err == nil || !errors.As(err, &missing) {
		return paths, err
	}
	dir, err := Dir(root)
	if err != nil {
		return nil, err
	}
	unlock, err := lockDir(ctx, dir, p)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := sweepTemporary(dir); err != nil {
		return nil, err
	}
	// Another process may have built them while we waited.
	if _, err = Find(root, set); err == nil || !errors.As(err, &missing) {
		return Find(root, set)
	}
	if err := preflight(ctx, root, dir); err != nil {
		return nil, err
	}
	p.Begin(len(missing.Names))
	defer p.End()
	for _, program := range set {
		if executable(filepath.Join(dir, program.Name)) == nil {
			continue
		}
		if err := build(ctx, root, dir, program, p); err != nil {
			return nil, err
		}
	}
	return Find(root, set)
}

// lockDir makes the folder if need be and takes its lock; when another process holds it, it says so and waits.
func lockDir(ctx context.Context, dir string, p Progress) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, withHint(fmt.Errorf("make the folder of the control plane: %w", err), "set "+CacheEnv+" to a folder that you may write to")
	}
	lock := flock.New(filepath.Join(dir, ".lock"))
	ok, err := lock.TryLock()
	if err == nil && !ok {
		p.Waiting("another process builds the control plane; waiting for it")
		ok, err = lock.TryLockContext(ctx, 200*time.Millisecond)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil || !ok {
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return func() { _ = lock.Unlock() }, nil // the lock ends with the process at the latest
}

// sweepTemporary removes what an interrupted build left. The caller holds the lock.
func sweepTemporary(dir string) error {
	left, err := filepath.Glob(filepath.Join(dir, ".build-*"))
	if err != nil {
		return err
	}
	for _, l := range left {
		if err := os.RemoveAll(l); err != nil {
			return fmt.Errorf("remove what an interrupted build left: %w", err)
		}
	}
	return nil
}

// build builds one program beside its place, runs it once, and renames it.
func build(ctx context.Context, root, dir string, program Program, p Progress) error {
	tmp, err := os.MkdirTemp(dir, ".build-")
	if err != nil {
		return fmt.Errorf("build %s: %w", program.Name, explain(err.Error(), err))
	}
	defer os.RemoveAll(tmp) // nothing of value is left in it
	flags, err := stamp(root)
	if err != nil {
		return err
	}
	out := filepath.Join(tmp, program.Name)
	g := goCommand{dir: filepath.Join(moduleDir(root), program.Module), name: program.Name, tmp: tmp, progress: p}
	if err := g.download(ctx); err != nil {
		return fmt.Errorf("download the modules of %s: %w", program.Name, err)
	}
	if err := g.build(ctx, []string{"-ldflags=" + flags, "-o", out, program.Package}, program.Package); err != nil {
		return fmt.Errorf("build %s: %w", program.Name, err)
	}
	if _, err := VersionOf(ctx, out); err != nil {
		return fmt.Errorf("%s was built and does not run: %w", program.Name, err)
	}
	if err := os.Rename(out, filepath.Join(dir, program.Name)); err != nil {
		return fmt.Errorf("build %s: %w", program.Name, err)
	}
	return nil
}

// stamp returns the linker flags that give the programs their versions: unstamped ones call themselves v0.0.0-master.
func stamp(root string) (string, error) {
	version, err := Version(root)
	if err != nil {
		return "", err
	}
	part := strings.Split(strings.TrimPrefix(version, "v"), ".")
	if len(part) < 2 {
		return "", fmt.Errorf("k8s.io/kubernetes has the version %q", version)
	}
	flags := []string{"-s", "-w"}
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		flags = append(flags,
			"-X", pkg+".gitVersion="+version,
			"-X", pkg+".gitMajor="+part[0],
			"-X", pkg+".gitMinor="+part[1],
			"-X", pkg+".gitTreeState=clean",
		)
	}
	return strings.Join(flags, " "), nil
}

// VersionOf runs a program of the control plane and returns the first line that it says of its version.
func VersionOf(ctx context.Context, file string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	args := []string{"--version"}
	if filepath.Base(file) == Kubectl.Name {
		args = []string{"version", "--client"}
	}
	out, err := exec.CommandContext(ctx, file, args...).CombinedOutput()
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", filepath.Base(file), strings.Join(args, " "), err, line)
	}
	return line, nil
}

// preflight finds what would fail after minutes: no go, a go that is too old, a disk that is full.
func preflight(ctx context.Context, root, dir string) error {
	if _, err := CheckGo(ctx, root); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(entries) > 1 { // the lock file is always there
		return nil
	}
	free, err := Free(dir)
	if err != nil {
		return fmt.Errorf("see how much space is left: %w", err)
	}
	if free < diskNeeded {
		return withHint(fmt.Errorf("%.1f GB are free in %s, and a first build takes up to %d GB", float64(free)/(1<<30), dir, diskNeeded>>30),
			"free some space, or set "+CacheEnv+", GOCACHE and GOMODCACHE to a larger disk")
	}
	return nil
}
