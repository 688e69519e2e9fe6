// Package mutant tests the specs: each kata lists realistic wrong solutions in solutions/…/mutants.yaml, as small edits
// of the reference, and each must turn the spec that it names red. See [Load], [Mutant.Apply] and [Run].
package mutant

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/kubekata/kubekata/harness/workbook"
)

// Mutant is one wrong solution.
type Mutant struct {
	// Name identifies it within the kata.
	Name string `json:"name"`
	// Mistake is a sentence, which the learner who makes the mistake may read.
	Mistake string `json:"mistake"`
	// Spec is the full text of the spec that must catch it.
	Spec string `json:"spec"`
	// Edit is the only edit, or Edits holds several.
	Edit  `json:",inline"`
	Edits []Edit `json:"edits,omitempty"`
}

// Edit replaces text that occurs exactly once in a file of the reference. In Go, the indentation of each line does not
// matter: a tab is not allowed where YAML looks for indentation.
type Edit struct {
	// File may be left out when the reference has a single file.
	File    string `json:"file,omitempty"`
	Find    string `json:"find,omitempty"`
	Replace string `json:"replace,omitempty"`
}

var nameForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// Load reads and validates the kata's mutants. A kata without a mutants.yaml has none.
func Load(k workbook.Kata) ([]Mutant, error) {
	where := k.SolutionRel() + "/" + workbook.MutantsFile
	data, err := os.ReadFile(filepath.Join(k.SolutionDir(), workbook.MutantsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", where, err)
	}
	var mutants []Mutant
	if err := yaml.UnmarshalStrict(data, &mutants); err != nil {
		return nil, fmt.Errorf("%s: %w", where, err)
	}
	names, mistakes := map[string]bool{}, map[string]bool{}
	for i, m := range mutants {
		switch {
		case !nameForm.MatchString(m.Name):
			return nil, fmt.Errorf("%s: mutant %d: name %q is not kebab-case", where, i+1, m.Name)
		case names[m.Name]:
			return nil, fmt.Errorf("%s: two mutants are called %s", where, m.Name)
		case m.Mistake == "" || mistakes[m.Mistake]:
			return nil, fmt.Errorf("%s: %s: the mistake must be a sentence of its own", where, m.Name)
		case m.Spec == "":
			return nil, fmt.Errorf("%s: %s: spec must name the spec that catches it", where, m.Name)
		case (m.Find == "") == (len(m.Edits) == 0):
			return nil, fmt.Errorf("%s: %s: give either find and replace, or edits", where, m.Name)
		}
		names[m.Name], mistakes[m.Mistake] = true, true
	}
	return mutants, nil
}

// Apply returns the changed files by their path relative to the kata. It fails when a text to find is not there exactly
// once, or when an edit changes nothing: the mutant would be the reference.
func (m Mutant) Apply(k workbook.Kata) (map[string][]byte, error) {
	edits := m.Edits
	if len(edits) == 0 {
		edits = []Edit{m.Edit}
	}
	files, err := k.LearnerFiles()
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	for _, e := range edits {
		if e.File == "" {
			if len(files) != 1 {
				return nil, fmt.Errorf("mutant %s of %s: name the file, the reference has %d: %s", m.Name, k.ID(), len(files), strings.Join(files, ", "))
			}
			e.File = files[0]
		}
		src, ok := out[e.File]
		if !ok {
			if src, err = os.ReadFile(filepath.Join(k.SolutionDir(), filepath.FromSlash(e.File))); err != nil {
				return nil, fmt.Errorf("mutant %s of %s: %w", m.Name, k.ID(), err)
			}
		}
		// A YAML block scalar ends with a newline that the author did not think of.
		find, replacement := []byte(strings.TrimRight(e.Find, "\n")), []byte(strings.TrimRight(e.Replace, "\n"))
		start, end, n := locate(src, find, filepath.Ext(e.File) == ".go")
		switch {
		case n != 1:
			return nil, fmt.Errorf("mutant %s of %s: the text to find is %d times in %s, not once", m.Name, k.ID(), n, e.File)
		case bytes.Equal(find, replacement):
			return nil, fmt.Errorf("mutant %s of %s: it changes nothing", m.Name, k.ID())
		}
		out[e.File] = slices.Concat(src[:start], replacement, src[end:])
	}
	return out, nil
}

// locate returns where the only occurrence of find begins and ends in src, and how often it occurs.
func locate(src, find []byte, anyIndent bool) (start, end, n int) {
	if !anyIndent {
		start = bytes.Index(src, find)
		return start, start + len(find), bytes.Count(src, find)
	}
	flat, at := flatten(src)
	find, _ = flatten(find)
	n = bytes.Count(flat, find)
	if n != 1 {
		return 0, 0, n
	}
	i := bytes.Index(flat, find)
	return at[i], at[i+len(find)-1] + 1, 1
}

// flatten removes the indentation of each line; at holds where each remaining byte stood.
func flatten(src []byte) (flat []byte, at []int) {
	indent := true
	for i, b := range src {
		if indent && (b == ' ' || b == '\t') {
			continue
		}
		indent = b == '\n'
		flat = append(flat, b)
		at = append(at, i)
	}
	return flat, at
}
