package mutant

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync/atomic"

	"github.com/kubekata/kubekata/harness/overlay"
	"github.com/kubekata/kubekata/harness/runner"
	"github.com/kubekata/kubekata/harness/workbook"
)

// batch is a test binary that holds several mutants of a kata.
type batch struct {
	binary string
	left   atomic.Int32 // mutants that are not tested yet
}

// done is called once for each mutant. The last one removes the binary.
func (b *batch) done() {
	if b != nil && b.left.Add(-1) == 0 {
		_ = os.Remove(b.binary) // it is written anew by the next run
	}
}

// prepare returns a job for each mutant, and builds the binary of those that can share one. A mutant that does not compile is
// left out of it, and says so in its own verdict.
func (o Options) prepare(ctx context.Context, k workbook.Kata, mutants []Mutant) ([]job, error) {
	jobs := make([]job, len(mutants))
	contents := make([]map[string][]byte, len(mutants))
	for i, m := range mutants {
		jobs[i] = job{kata: k, mutant: m}
		contents[i], jobs[i].err = m.Apply(k)
	}
	broken := map[string]bool{}
	for ctx.Err() == nil {
		files := map[string]*combined{}
		var together []int
		for i, m := range mutants {
			if jobs[i].err != nil || broken[m.Name] {
				continue
			}
			ok, err := join(k, files, m.Name, contents[i])
			if err != nil {
				return nil, err
			}
			if ok {
				together = append(together, i)
			}
		}
		if len(together) < 2 {
			return jobs, nil
		}
		b, err := o.build(ctx, k, files)
		var failed *runner.BuildError
		if errors.As(err, &failed) {
			found := culprits(failed.Output, files)
			if len(found) == 0 {
				o.note(fmt.Sprintf("%s: its mutants do not compile together, and are built one by one: %v", k.ID(), failed))
				return jobs, nil
			}
			for _, name := range found {
				broken[name] = true
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		b.left.Store(int32(len(together)))
		for _, i := range together {
			jobs[i].batch = b
		}
		return jobs, nil
	}
	return jobs, nil
}

func (o Options) note(text string) {
	if o.Note != nil {
		o.Note(text)
	}
}

// compileError is where the compiler found something: "dir/file.go:12:3: …".
var compileError = regexp.MustCompile(`(?m)([^/\s]+\.go):(\d+)(:\d+)?: `)

// culprits returns the mutants whose text the compiler's errors are in.
func culprits(output string, files map[string]*combined) []string {
	found := map[string]bool{}
	for _, m := range compileError.FindAllStringSubmatch(output, -1) {
		line, err := strconv.Atoi(m[2])
		if err != nil {
			continue
		}
		for rel, c := range files {
			if filepath.Base(rel) == m[1] {
				if name := c.mutantAt(line); name != "" {
					found[name] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// join adds a mutant to the combined files, or to none of them.
func join(k workbook.Kata, files map[string]*combined, name string, contents map[string][]byte) (bool, error) {
	plans := map[string]*change{}
	changed := 0
	for _, rel := range slices.Sorted(maps.Keys(contents)) {
		if filepath.Ext(rel) != ".go" {
			return false, nil
		}
		if files[rel] == nil {
			src, err := os.ReadFile(filepath.Join(k.SolutionDir(), filepath.FromSlash(rel)))
			if err != nil {
				return false, err
			}
			if files[rel], err = combine(rel, src); err != nil {
				return false, fmt.Errorf("%s of %s: %w", rel, k.SolutionRel(), err)
			}
		}
		plan, err := files[rel].plan(name, contents[rel])
		if errors.Is(err, errApart) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		plans[rel] = plan
		changed += len(plan.names)
	}
	if changed == 0 {
		return false, nil
	}
	for rel, plan := range plans {
		files[rel].apply(plan)
	}
	return true, nil
}

// build links the combined files and the specs.
func (o Options) build(ctx context.Context, k workbook.Kata, files map[string]*combined) (*batch, error) {
	dir := o.dir(k, "together")
	contents, extra := map[string][]byte{}, map[string][]byte{}
	for rel, c := range files {
		if len(c.variants) == 0 {
			continue
		}
		var err error
		if contents[rel], err = c.file(); err != nil {
			return nil, &runner.BuildError{Output: err.Error()}
		}
		extra[filepath.ToSlash(filepath.Join(filepath.Dir(rel), "zz_kata_mutant.go"))] = selectorFile(c.reference.Name.Name)
	}
	over := overlay.New(dir)
	if err := over.Mutant(k, "mutant", contents); err != nil {
		return nil, err
	}
	if err := over.Extra(k, "mutant", extra); err != nil {
		return nil, err
	}
	file, err := over.File("overlay.json")
	if err != nil {
		return nil, err
	}
	b := &batch{binary: filepath.Join(dir, "specs.test")}
	return b, runner.Build(ctx, runner.Options{Workbook: o.Workbook, Katas: []workbook.Kata{k}, Overlay: file}, b.binary)
}
