// Package catches knows which specs each mutant of a kata turns red. `kata mutants --full` finds it out and writes
// solutions/…/catches.yaml; a learner's run whose red specs are exactly a mutant's can then say what the code behaves as.
//
// Start with [Write] and [Diagnose]. [Stale] is for the linter.
package catches

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/kubekata/kubekata/harness/given"
	"github.com/kubekata/kubekata/harness/mutant"
	"github.com/kubekata/kubekata/harness/report"
	"github.com/kubekata/kubekata/harness/runner"
	"github.com/kubekata/kubekata/harness/workbook"
)

// Table is the content of a catches.yaml.
type Table struct {
	// Basis is a checksum of what the table was made from: see [Basis].
	Basis string `json:"basis"`
	// Specs are the texts of those specs that some mutant turns red.
	Specs []string `json:"specs"`
	// Red holds, by the mutant's name, the places of its red specs in Specs, in order. A mutant that ends the process is
	// not in it: what would have come after that is not known.
	Red map[string][]int `json:"red"`
}

// Basis is the checksum of the kata's specs, reference and mutants, without the mutants' sentences, which may be worded
// better without running anything.
func Basis(k workbook.Kata) (string, error) {
	h := sha256.New()
	sums, err := given.Compute(k)
	if err != nil {
		return "", err
	}
	h.Write(sums.Specs().Format())
	files, err := k.LearnerFiles()
	if err != nil {
		return "", err
	}
	for _, rel := range files {
		sum, err := given.Sum(filepath.Join(k.SolutionDir(), filepath.FromSlash(rel)))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s %s\n", rel, sum)
	}
	mutants, err := mutant.Load(k)
	if err != nil {
		return "", err
	}
	for _, m := range mutants {
		fmt.Fprintf(h, "%s %q %q\n", m.Name, m.Edit, m.Edits)
	}
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}

// file is the table's path.
func file(k workbook.Kata) string { return filepath.Join(k.SolutionDir(), workbook.CatchesFile) }

// Write writes the table of a kata from the verdicts of a full run, which may be those of other katas, too. Verdicts
// of mutants that were not caught are left out.
func Write(k workbook.Kata, verdicts []mutant.Verdict) error {
	basis, err := Basis(k)
	if err != nil {
		return err
	}
	t := Table{Basis: basis, Red: map[string][]int{}}
	place := map[string]int{}
	for _, v := range verdicts {
		if v.Kata != k.ID() || !v.Caught || v.Died {
			continue
		}
		for _, spec := range v.Red {
			if _, ok := place[spec]; !ok {
				place[spec] = len(t.Specs)
				t.Specs = append(t.Specs, spec)
			}
			t.Red[v.Mutant] = append(t.Red[v.Mutant], place[spec])
		}
		slices.Sort(t.Red[v.Mutant])
	}
	if err := os.WriteFile(file(k), t.format(), 0o644); err != nil {
		return fmt.Errorf("write the catches of %s: %w", k.ID(), err)
	}
	return nil
}

// format writes a mutant on one line, so that a change of one is a change of a line.
func (t Table) format() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# Which specs each mutant turns red. Written by make mutants FULL=1.\nbasis: %s\nspecs:\n", t.Basis)
	for i, spec := range t.Specs {
		fmt.Fprintf(&b, "- %q # %d\n", spec, i)
	}
	b.WriteString("red:\n")
	for _, name := range slices.Sorted(maps.Keys(t.Red)) {
		fmt.Fprintf(&b, "  %s: [%s]\n", name, strings.Trim(strings.ReplaceAll(fmt.Sprint(t.Red[name]), " ", ", "), "[]"))
	}
	return []byte(b.String())
}

// Read returns a kata's table, and nil when it has none.
func Read(k workbook.Kata) (*Table, error) {
	data, err := os.ReadFile(file(k))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the catches of %s: %w", k.ID(), err)
	}
	t := &Table{}
	where := k.SolutionRel() + "/" + workbook.CatchesFile
	if err := yaml.UnmarshalStrict(data, t); err != nil {
		return nil, fmt.Errorf("%s: %w", where, err)
	}
	for name, red := range t.Red {
		for _, i := range red {
			if i < 0 || i >= len(t.Specs) {
				return nil, fmt.Errorf("%s: %s: there is no spec %d", where, name, i)
			}
		}
	}
	return t, nil
}

// Stale says why a kata's table is not what a full run would make of it, and nothing when it is or when there is none.
func Stale(k workbook.Kata) (string, error) {
	t, err := Read(k)
	if t == nil || err != nil {
		return "", err
	}
	basis, err := Basis(k)
	if err != nil {
		return "", err
	}
	if t.Basis != basis {
		return fmt.Sprintf("%s/%s: specs, reference or mutants have changed since it was made: make mutants FULL=1 STAGE=%d KATA=%s",
			k.SolutionRel(), workbook.CatchesFile, k.Stage, k.Name), nil
	}
	return "", nil
}

// Diagnose returns the mistakes of the mutants that turn the same specs red as the learner's code does, in the order of
// mutants.yaml. There is no diagnosis, and no error, of a kata that is green, that could not be judged, whose specs
// are all red (a stub's are), or whose specs are not those that the table speaks of.
func Diagnose(r runner.Result) ([]string, error) {
	if r.State != runner.Red || r.Problem != nil || r.Green <= r.Given || len(r.Changed) > 0 {
		return nil, nil
	}
	t, err := Read(r.K)
	if t == nil || err != nil {
		return nil, err
	}
	var red []string
	for _, s := range r.Specs {
		if s.State != report.Passed {
			red = append(red, s.Text)
		}
	}
	mutants, err := mutant.Load(r.K)
	if err != nil {
		return nil, err
	}
	slices.Sort(red)
	var mistakes []string
	for _, m := range mutants {
		var theirs []string
		for _, i := range t.Red[m.Name] {
			theirs = append(theirs, t.Specs[i])
		}
		slices.Sort(theirs)
		if len(theirs) > 0 && slices.Equal(red, theirs) {
			mistakes = append(mistakes, m.Mistake)
		}
	}
	return mistakes, nil
}
