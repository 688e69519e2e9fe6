// Package watch re-runs katas when their files are saved: [Files] says which katas a save has touched, [Loop] runs them, one
// run at a time, and tells what comes of it. How that looks is the caller's; the package prints nothing.
package watch

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/kubekata/kubekata/harness/workbook"
)

const (
	// Quiet is how long nothing may have been saved until a save counts: editors write a file in several steps, and people
	// several files.
	Quiet = 150 * time.Millisecond
	// pollInterval is how often the files are looked at where the system does not tell.
	pollInterval = 300 * time.Millisecond
)

// QuietEnv is another time than [Quiet], as a Go duration: for an editor, or a machine, that saves slowly.
const QuietEnv = "KUBEKATA_QUIET"

// PollEnv lets the files be looked at instead of waiting for the system's word, which network and container file systems
// do not give: set it to 1.
const PollEnv = "KUBEKATA_POLL"

// Files sends the katas of which a source, a spec or a manifest was saved, once nothing more has been for the time quiet. It ends
// with ctx. Where the system cannot watch folders, or [PollEnv] is set, it looks at them by itself.
func Files(ctx context.Context, katas []workbook.Kata, quiet time.Duration, out chan<- []workbook.Kata) {
	saved := make(chan string) // a path
	watcher, err := watchFolders(katas)
	if err != nil || os.Getenv(PollEnv) == "1" {
		if watcher != nil {
			_ = watcher.Close() // it was not used
		}
		go pollFolders(ctx, katas, snapshot(katas), saved)
	} else {
		go forward(ctx, watcher, saved)
	}
	go gather(ctx, katas, quiet, saved, out)
}

func watchFolders(katas []workbook.Kata) (*fsnotify.Watcher, error) {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch the katas: %w", err)
	}
	for _, k := range katas {
		for _, dir := range folders(k) {
			if err := watcher.Add(dir); err != nil {
				return watcher, fmt.Errorf("watch %s: %w", dir, err)
			}
		}
	}
	return watcher, nil
}

// folders returns a kata's folder and those below it; none when it is gone.
func folders(k workbook.Kata) []string {
	var all []string
	_ = filepath.WalkDir(k.Dir(), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			all = append(all, path)
		}
		return nil
	})
	return all
}

func forward(ctx context.Context, watcher *fsnotify.Watcher, saved chan<- string) {
	defer watcher.Close()
	for {
		select {
		case <-ctx.Done():
			return
		case e, ok := <-watcher.Events:
			if !ok {
				return
			}
			if e.Op == fsnotify.Chmod {
				continue // reading programs touch times and modes
			}
			if info, err := os.Stat(e.Name); err == nil && info.IsDir() && e.Has(fsnotify.Create) {
				_ = watcher.Add(e.Name) // what is in it is seen from the next save on
				continue
			}
			send(ctx, saved, e.Name)
		case _, ok := <-watcher.Errors:
			if !ok {
				return
			}
			// An overflow has lost events; the next save is seen again.
		}
	}
}

func send(ctx context.Context, saved chan<- string, path string) {
	if !source(path) {
		return
	}
	select {
	case saved <- path:
	case <-ctx.Done():
	}
}

// source reports whether a file can change a verdict. Editors' temporary files cannot.
func source(path string) bool {
	name := filepath.Base(path)
	switch filepath.Ext(name) {
	case ".go", ".yaml", ".yml", ".json", ".txt", ".tmpl":
		return !strings.HasPrefix(name, ".") && !strings.HasPrefix(name, "#")
	}
	return false
}

type stamp struct {
	size int64
	time time.Time
}

// snapshot is how the katas' sources are now.
func snapshot(katas []workbook.Kata) map[string]stamp {
	seen := map[string]stamp{}
	for _, k := range katas {
		_ = filepath.WalkDir(k.Dir(), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !source(path) {
				return nil // what cannot be read is missing in the next snapshot, too
			}
			if info, err := d.Info(); err == nil {
				seen[path] = stamp{info.Size(), info.ModTime()}
			}
			return nil
		})
	}
	return seen
}

func pollFolders(ctx context.Context, katas []workbook.Kata, before map[string]stamp, saved chan<- string) {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := snapshot(katas)
		for path, s := range now {
			if before[path] != s {
				send(ctx, saved, path)
			}
		}
		for path := range before {
			if _, ok := now[path]; !ok {
				send(ctx, saved, path)
			}
		}
		before = now
	}
}

// gather collects what was saved until it is quiet.
func gather(ctx context.Context, katas []workbook.Kata, quiet time.Duration, saved <-chan string, out chan<- []workbook.Kata) {
	touched := map[string]bool{}
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case path := <-saved:
			for _, k := range katas {
				if path == k.Dir() || strings.HasPrefix(path, k.Dir()+string(filepath.Separator)) {
					touched[k.ID()] = true
				}
			}
			timer.Reset(quiet)
		case <-timer.C:
			all := slices.DeleteFunc(slices.Clone(katas), func(k workbook.Kata) bool { return !touched[k.ID()] })
			clear(touched)
			if len(all) == 0 {
				continue
			}
			select {
			case out <- all:
			case <-ctx.Done():
				return
			}
		}
	}
}
