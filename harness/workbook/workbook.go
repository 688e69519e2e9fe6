// Package workbook reads the folder tree that is the workbook's only manifest: katas/stageN/NN-name holds what the
// learner edits and the specs, solutions/stageN/NN-name the reference. Start with [Find], then [Workbook.Select].
//
// It reads; it never writes.
package workbook

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/modfile"
)

// Files in a solution's folder that are not part of the reference.
const (
	MutantsFile = "mutants.yaml" // the wrong solutions
	GivenFile   = "given.sum"    // checksums of the kata's files that are not the learner's
	CatchesFile = "catches.yaml" // which specs each mutant turns red
)

// Workbook is a checked-out workbook.
type Workbook struct {
	// Root is the absolute path of the folder that holds go.mod and katas/.
	Root string
	// Module is the module path that go.mod names.
	Module string
}

// Kata is one exercise.
type Kata struct {
	Stage  int
	Number string // "04"
	Name   string // "workqueue"
	// Title is the README's H1, or Slug where there is none.
	Title string
	// Root is the workbook's.
	Root string
}

var (
	stageDir = regexp.MustCompile(`^stage([1-9])$`)
	kataDir  = regexp.MustCompile(`^(\d\d)-([a-z0-9]+(?:-[a-z0-9]+)*)$`)
)

// Slug is the folder's name: "04-workqueue".
func (k Kata) Slug() string { return k.Number + "-" + k.Name }

// ID names the kata in the whole workbook: "stage2/04-workqueue".
func (k Kata) ID() string { return fmt.Sprintf("stage%d/%s", k.Stage, k.Slug()) }

// Rel is the kata's folder, relative to the root, with slashes.
func (k Kata) Rel() string { return path.Join("katas", k.ID()) }

// SolutionRel is the reference's folder, relative to the root, with slashes.
func (k Kata) SolutionRel() string { return path.Join("solutions", k.ID()) }

// Dir is the kata's folder as an absolute path.
func (k Kata) Dir() string { return filepath.Join(k.Root, filepath.FromSlash(k.Rel())) }

// SolutionDir is the reference's folder as an absolute path.
func (k Kata) SolutionDir() string { return filepath.Join(k.Root, filepath.FromSlash(k.SolutionRel())) }

// Find returns the workbook that dir lies in.
func Find(dir string) (*Workbook, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find the workbook from %s: %w", dir, err)
	}
	for d := abs; ; d = filepath.Dir(d) {
		if isDir(filepath.Join(d, "katas")) {
			data, err := os.ReadFile(filepath.Join(d, "go.mod"))
			if err == nil {
				return &Workbook{Root: d, Module: modfile.ModulePath(data)}, nil
			}
		}
		if filepath.Dir(d) == d {
			return nil, fmt.Errorf("%s is not inside a workbook: no folder above it holds go.mod and katas/", abs)
		}
	}
}

func isDir(p string) bool {
	st, err := os.Stat(p)
	return err == nil && st.IsDir()
}

// Katas returns every kata of the workbook in order. A folder that only solutions/ has is among them, because a
// learner who renames or deletes a kata's folder must be told, not congratulated on the rest.
func (w *Workbook) Katas() ([]Kata, error) {
	seen := map[string]Kata{}
	for _, top := range []string{"katas", "solutions"} {
		stages, err := readDir(filepath.Join(w.Root, top))
		if err != nil {
			return nil, err
		}
		for _, s := range stages {
			m := stageDir.FindStringSubmatch(s.Name())
			if m == nil || !s.IsDir() {
				continue
			}
			stage, _ := strconv.Atoi(m[1])
			dirs, err := readDir(filepath.Join(w.Root, top, s.Name()))
			if err != nil {
				return nil, err
			}
			for _, d := range dirs {
				km := kataDir.FindStringSubmatch(d.Name())
				if km == nil || !d.IsDir() {
					continue
				}
				k := Kata{Stage: stage, Number: km[1], Name: km[2], Root: w.Root}
				k.Title = title(filepath.Join(k.Dir(), "README.md"), k.Slug())
				seen[k.ID()] = k
			}
		}
	}
	katas := make([]Kata, 0, len(seen))
	for _, k := range seen {
		katas = append(katas, k)
	}
	slices.SortFunc(katas, func(a, b Kata) int { return strings.Compare(a.ID(), b.ID()) })
	return katas, nil
}

// readDir lists a folder; one that does not exist is empty.
func readDir(dir string) ([]os.DirEntry, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", dir, err)
	}
	return entries, nil
}

func title(readme, fallback string) string {
	data, err := os.ReadFile(readme)
	if err != nil {
		return fallback
	}
	for line := range strings.Lines(string(data)) {
		if t, ok := strings.CutPrefix(line, "# "); ok {
			return strings.TrimSpace(t)
		}
	}
	return fallback
}

// Missing reports whether the kata's folder is gone while its solution is still there.
func (k Kata) Missing() bool { return !isDir(k.Dir()) }

// HasSolution reports whether the workbook has a reference for the folder. A folder without one was added, or
// renamed, by the learner.
func (k Kata) HasSolution() bool { return isDir(k.SolutionDir()) }

// LearnerFiles returns the files that the learner edits, relative to the kata's folder, with slashes: those that the
// solution has.
func (k Kata) LearnerFiles() ([]string, error) {
	files, err := walk(k.SolutionDir())
	if err != nil {
		return nil, fmt.Errorf("list the solution of %s: %w", k.ID(), err)
	}
	return slices.DeleteFunc(files, func(f string) bool {
		return f == MutantsFile || f == GivenFile || f == CatchesFile
	}), nil
}

// Files returns all files of the kata's folder, relative to it, with slashes, without backups and hidden files.
func (k Kata) Files() ([]string, error) {
	files, err := walk(k.Dir())
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", k.Rel(), err)
	}
	return files, nil
}

func walk(dir string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if p != dir && strings.HasPrefix(d.Name(), ".") {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		if d.Type().IsRegular() {
			rel, err := filepath.Rel(dir, p)
			if err != nil {
				return err
			}
			files = append(files, filepath.ToSlash(rel))
		}
		return nil
	})
	slices.Sort(files)
	return files, err
}

// StageTitle is the H1 of the stage's README, or "Stage N".
func (w *Workbook) StageTitle(stage int) string {
	fallback := fmt.Sprintf("Stage %d", stage)
	return title(filepath.Join(w.Root, "katas", fmt.Sprintf("stage%d", stage), "README.md"), fallback)
}

// Read returns the text of one of the kata's files, by its path relative to the kata's folder.
func (k Kata) Read(rel string) (string, error) {
	data, err := os.ReadFile(filepath.Join(k.Dir(), filepath.FromSlash(rel)))
	if err != nil {
		return "", fmt.Errorf("read %s/%s: %w", k.Rel(), rel, err)
	}
	return string(data), nil
}
