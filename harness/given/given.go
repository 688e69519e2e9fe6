// Package given knows which files of a kata are the workbook's and not the learner's: the specs, the lesson, programs.
// `kata generate` records them with their checksums in solutions/…/given.sum, so that a run can tell a spec file that
// was deleted or edited, and verification can tell files that the learner added.
package given

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubekata/kubekata/harness/workbook"
)

// Sums holds the checksum of each given file, by its path relative to the kata's folder, with slashes.
type Sums map[string]string

// Has reports whether the file is given.
func (s Sums) Has(rel string) bool { _, ok := s[rel]; return ok }

// Read returns what given.sum records. A kata without one has an empty record.
func Read(k workbook.Kata) (Sums, error) {
	data, err := os.ReadFile(filepath.Join(k.SolutionDir(), workbook.GivenFile))
	if errors.Is(err, fs.ErrNotExist) {
		return Sums{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the given files of %s: %w", k.ID(), err)
	}
	sums := Sums{}
	for line := range strings.Lines(string(data)) {
		sum, rel, ok := strings.Cut(strings.TrimSpace(line), "  ")
		if ok {
			sums[rel] = sum
		}
	}
	return sums, nil
}

// Compute returns the checksums of the given files that the kata's folder holds now.
func Compute(k workbook.Kata) (Sums, error) {
	learners, err := k.LearnerFiles()
	if err != nil {
		return nil, err
	}
	files, err := k.Files()
	if err != nil {
		return nil, err
	}
	sums := Sums{}
	for _, rel := range files {
		// The lesson is left out: a corrected typo must not make every learner's score "changed".
		if slices.Contains(learners, rel) || rel == "README.md" {
			continue
		}
		sum, err := Sum(filepath.Join(k.Dir(), filepath.FromSlash(rel)))
		if err != nil {
			return nil, err
		}
		sums[rel] = sum
	}
	return sums, nil
}

// Sum is the SHA-256 of a file, in hexadecimal.
func Sum(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}

// Specs returns those of the files that hold specs.
func (s Sums) Specs() Sums {
	specs := Sums{}
	for rel, sum := range s {
		if strings.HasSuffix(rel, "_test.go") {
			specs[rel] = sum
		}
	}
	return specs
}

// Format is the content of given.sum: a line a file, as sha256sum prints it.
func (s Sums) Format() []byte {
	var b strings.Builder
	for _, rel := range s.files() {
		fmt.Fprintf(&b, "%s  %s\n", s[rel], rel)
	}
	return []byte(b.String())
}

func (s Sums) files() []string {
	files := make([]string, 0, len(s))
	for f := range s {
		files = append(files, f)
	}
	slices.Sort(files)
	return files
}

// Drift is how a kata's given files differ from the record.
type Drift struct {
	// Missing are recorded files that are gone.
	Missing []string
	// Changed are recorded files with another content.
	Changed []string
}

// Check compares the kata's folder with the record.
func Check(k workbook.Kata) (Drift, error) {
	sums, err := Read(k)
	if err != nil {
		return Drift{}, err
	}
	var d Drift
	for _, rel := range sums.files() {
		sum, err := Sum(filepath.Join(k.Dir(), filepath.FromSlash(rel)))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			d.Missing = append(d.Missing, rel)
		case err != nil:
			return Drift{}, fmt.Errorf("check %s of %s: %w", rel, k.ID(), err)
		case sum != sums[rel]:
			d.Changed = append(d.Changed, rel)
		}
	}
	return d, nil
}
