// Package generate writes into katas/ what comes from solutions/: the stubs, and the record of the given files. It also
// resets a kata for a learner, after keeping their files.
package generate

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/kubekata/kubekata/harness/given"
	"github.com/kubekata/kubekata/harness/stub"
	"github.com/kubekata/kubekata/harness/workbook"
)

// file is something that is generated.
type file struct {
	rel  string // relative to the root, with slashes
	path string
	data []byte
}

// stubs returns the stubs of a kata.
func stubs(k workbook.Kata) ([]file, error) {
	learners, err := k.LearnerFiles()
	if err != nil {
		return nil, err
	}
	if len(learners) == 0 {
		return nil, fmt.Errorf("%s holds no reference", k.SolutionRel())
	}
	var files []file
	for _, rel := range learners {
		src, err := os.ReadFile(filepath.Join(k.SolutionDir(), filepath.FromSlash(rel)))
		if err != nil {
			return nil, fmt.Errorf("read the solution: %w", err)
		}
		path := filepath.Join(k.Dir(), filepath.FromSlash(rel))
		data, err := stub.Generate(path, src)
		if err != nil {
			return nil, err
		}
		files = append(files, file{k.Rel() + "/" + rel, path, data})
	}
	return files, nil
}

// sums returns the record of the kata's given files, as they are now.
func sums(k workbook.Kata) (file, error) {
	s, err := given.Compute(k)
	if err != nil {
		return file{}, err
	}
	return file{k.SolutionRel() + "/" + workbook.GivenFile, filepath.Join(k.SolutionDir(), workbook.GivenFile), s.Format()}, nil
}

// Drift returns the generated files (relative to the root) that are not what they should be, or are missing.
func Drift(k workbook.Kata) ([]string, error) {
	files, err := stubs(k)
	if err != nil {
		return nil, err
	}
	record, err := sums(k)
	if err != nil {
		return nil, err
	}
	var drifted []string
	for _, f := range append(files, record) {
		have, err := os.ReadFile(f.path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("read %s: %w", f.rel, err)
		}
		if err != nil || !bytes.Equal(have, f.data) {
			drifted = append(drifted, f.rel)
		}
	}
	return drifted, nil
}

// Kata writes the kata's stubs and its record of given files, and returns the paths (relative to the root) that changed.
// A file that differs is kept under .kata/backup first: it may be a learner's work.
func Kata(k workbook.Kata, now time.Time) (changed []string, kept []string, err error) {
	changed, kept, err = Reset(k, now)
	if err != nil {
		return nil, nil, err
	}
	record, err := sums(k)
	if err != nil {
		return nil, nil, err
	}
	have, err := os.ReadFile(record.path)
	if err == nil && bytes.Equal(have, record.data) {
		return changed, kept, nil
	}
	if err := writeFile(record.path, record.data); err != nil {
		return nil, nil, err
	}
	return append(changed, record.rel), kept, nil
}

// Reset puts the learner's files of a kata back to the stub. Files that differ are first copied to a dated folder under
// .kata/backup; kept holds the copies' paths, relative to the root.
func Reset(k workbook.Kata, now time.Time) (changed []string, kept []string, err error) {
	files, err := stubs(k)
	if err != nil {
		return nil, nil, err
	}
	for _, f := range files {
		have, err := os.ReadFile(f.path)
		switch {
		case err == nil && bytes.Equal(have, f.data):
			continue
		case err == nil:
			copied, err := Backup(k.Root, f.rel, have, now)
			if err != nil {
				return nil, nil, err
			}
			kept = append(kept, copied)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, nil, fmt.Errorf("read %s: %w", f.rel, err)
		}
		if err := writeFile(f.path, f.data); err != nil {
			return nil, nil, err
		}
		changed = append(changed, f.rel)
	}
	return changed, kept, nil
}

// Backup copies a file's content to .kata/backup/<date-time>/<rel> and returns that path, relative to the root. It never
// overwrites: a second backup within a second gets a number.
func Backup(root, rel string, data []byte, now time.Time) (string, error) {
	stamp := now.Format("2006-01-02-150405")
	for i := 1; ; i++ {
		dir := stamp
		if i > 1 {
			dir = fmt.Sprintf("%s-%d", stamp, i)
		}
		to := ".kata/backup/" + dir + "/" + rel
		path := filepath.Join(root, filepath.FromSlash(to))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return "", fmt.Errorf("keep %s: %w", rel, err)
		}
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err == nil {
			_, err = f.Write(data)
			if closeErr := f.Close(); err == nil {
				err = closeErr
			}
		}
		if err != nil {
			return "", fmt.Errorf("keep %s: %w", rel, err)
		}
		return to, nil
	}
}

// writeFile replaces a file by renaming, so that an interrupted run never leaves half of one.
func writeFile(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".kata-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer os.Remove(tmp.Name()) // gone after the rename
	if _, err = tmp.Write(data); err == nil {
		err = tmp.Chmod(0o644)
	}
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
