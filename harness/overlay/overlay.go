// Package overlay builds the files that `go test -overlay` takes: which implementation the specs of a kata run against.
//
// An overlay never touches the learner's folder. It maps each of the learner's files to another one (the reference, the
// generated stub, a mutant) and masks files that the learner has added, with an empty path.
package overlay

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/kubekata/kubekata/harness/given"
	"github.com/kubekata/kubekata/harness/stub"
	"github.com/kubekata/kubekata/harness/workbook"
)

// Overlay collects replacements: absolute path → absolute path, or "" to remove.
type Overlay struct {
	replace map[string]string
	dir     string
}

// New returns an empty overlay that keeps what it generates in dir. The caller makes and removes dir. Paths of generated
// files are part of what the compiler sees: a stable dir lets Go's cache answer an unchanged run.
func New(dir string) *Overlay { return &Overlay{replace: map[string]string{}, dir: dir} }

// Solution maps the kata's learner files to the reference.
func (o *Overlay) Solution(k workbook.Kata) error {
	return o.add(k, func(rel string) (string, error) {
		return filepath.Join(k.SolutionDir(), filepath.FromSlash(rel)), nil
	})
}

// Stub maps the kata's learner files to stubs, generated anew from the reference.
func (o *Overlay) Stub(k workbook.Kata) error {
	return o.add(k, func(rel string) (string, error) {
		src, err := os.ReadFile(filepath.Join(k.SolutionDir(), filepath.FromSlash(rel)))
		if err != nil {
			return "", err
		}
		out, err := stub.Generate(filepath.Join(k.Dir(), filepath.FromSlash(rel)), src)
		if err != nil {
			return "", err
		}
		return o.write(k, "stub", rel, out)
	})
}

// Mutant maps the kata's learner files to the reference, except those of the given contents.
func (o *Overlay) Mutant(k workbook.Kata, name string, contents map[string][]byte) error {
	return o.add(k, func(rel string) (string, error) {
		if data, ok := contents[rel]; ok {
			return o.write(k, name, rel, data)
		}
		return filepath.Join(k.SolutionDir(), filepath.FromSlash(rel)), nil
	})
}

// Extra adds files to the kata's folder that it does not have.
func (o *Overlay) Extra(k workbook.Kata, name string, contents map[string][]byte) error {
	for rel, data := range contents {
		file, err := o.write(k, name, rel, data)
		if err != nil {
			return err
		}
		o.replace[filepath.Join(k.Dir(), filepath.FromSlash(rel))] = file
	}
	return nil
}

func (o *Overlay) add(k workbook.Kata, source func(rel string) (string, error)) error {
	files, err := k.LearnerFiles()
	if err != nil {
		return err
	}
	for _, rel := range files {
		src, err := source(rel)
		if err != nil {
			return fmt.Errorf("overlay %s of %s: %w", rel, k.ID(), err)
		}
		o.replace[filepath.Join(k.Dir(), filepath.FromSlash(rel))] = src
	}
	return o.mask(k, files)
}

// mask removes what the learner has added to the folder: it is part of their solution, not of the reference.
func (o *Overlay) mask(k workbook.Kata, learners []string) error {
	if k.Missing() {
		return nil
	}
	present, err := k.Files()
	if err != nil {
		return err
	}
	known, err := given.Read(k)
	if err != nil {
		return err
	}
	if len(known) == 0 {
		return nil // not generated yet: nothing tells the specs from additions
	}
	for _, rel := range present {
		if filepath.Ext(rel) == ".go" && !slices.Contains(learners, rel) && !known.Has(rel) {
			o.replace[filepath.Join(k.Dir(), filepath.FromSlash(rel))] = ""
		}
	}
	return nil
}

// write keeps a generated file, under a path that ends as the original's does, so that a stack trace reads well.
func (o *Overlay) write(k workbook.Kata, kind, rel string, data []byte) (string, error) {
	file := filepath.Join(o.dir, kind, filepath.FromSlash(k.Rel()), filepath.FromSlash(rel))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return "", err
	}
	return file, os.WriteFile(file, data, 0o644)
}

// File writes the overlay as the JSON file that -overlay names, and returns its path.
func (o *Overlay) File(name string) (string, error) {
	data, err := json.MarshalIndent(map[string]any{"Replace": o.replace}, "", "\t")
	if err != nil {
		return "", fmt.Errorf("encode overlay: %w", err)
	}
	if err := os.MkdirAll(o.dir, 0o755); err != nil {
		return "", fmt.Errorf("write overlay: %w", err)
	}
	path := filepath.Join(o.dir, name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		return "", fmt.Errorf("write overlay: %w", err)
	}
	return path, nil
}
