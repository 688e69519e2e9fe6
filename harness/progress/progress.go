// Package progress keeps the learner's score in PROGRESS.md: a table a stage between two markers. What stands outside
// the markers is the learner's and is never touched.
//
// The file is its own memory: [Update] reads the table, merges the results of a run and writes it back atomically, so
// that the score travels with the learner's commits. A file whose table cannot be read is kept beside the new one.
package progress

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/kubekata/kubekata/harness/given"
	"github.com/kubekata/kubekata/harness/runner"
	"github.com/kubekata/kubekata/harness/workbook"
)

// File is the score's name in the workbook's root.
const File = "PROGRESS.md"

// The markers between which the table stands, each on a line of its own.
const (
	Begin = "<!-- kata:progress begin · written by make kata, notes outside the markers are yours -->"
	End   = "<!-- kata:progress end -->"
)

// The states of a kata in the table.
const (
	NotRun   = "not run"
	Red      = "red"
	Green    = "green"
	RedAgain = "red again" // it has been green before
)

// Entry is a kata's line.
type Entry struct {
	// Green and Total count specs; Total is 0 before the first run that could count them.
	Green, Total int
	State        string
	// FirstGreen is the day, as 2026-01-31, or empty.
	FirstGreen string
	// Edited says that the specs of the last run were not the workbook's.
	Edited bool
	// Specs names the workbook's specs with which the kata was last run: see [SpecsID]. Empty in an old file.
	Specs string
}

// Stale reports whether a green kata's specs have changed in the workbook since it was run.
func (e Entry) Stale(k workbook.Kata) bool {
	now := SpecsID(k)
	return e.State == Green && e.Specs != "" && now != "" && e.Specs != now
}

// SpecsID is a short name of the specs that the workbook has of a kata, whatever the learner has made of them; empty when they
// cannot be read.
func SpecsID(k workbook.Kata) string {
	sums, err := given.Read(k)
	if err != nil {
		return ""
	}
	specs := sums.Specs()
	if len(specs) == 0 {
		return ""
	}
	sum := sha256.Sum256(specs.Format())
	return hex.EncodeToString(sum[:])[:8]
}

// Score is the whole table, by the kata's ID.
type Score map[string]Entry

// Change is what a run did to a kata.
type Change struct {
	Kata       string
	Was, Is    string
	FirstGreen bool
}

// Updated is what Update did.
type Updated struct {
	Score   Score
	Changes []Change
	// Kept is the path of the old file when its table could not be read, else empty.
	Kept string
}

// Update merges the results into PROGRESS.md in root and writes it. Katas without a result keep their line; a result
// without a verdict (the run was stopped) changes nothing. Concurrent updates wait for each other.
func Update(w *workbook.Workbook, katas []workbook.Kata, results []runner.Result, now time.Time) (Updated, error) {
	dir := filepath.Join(w.Root, ".kata")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Updated{}, fmt.Errorf("update %s: %w", File, err)
	}
	lock := flock.New(filepath.Join(dir, "progress.lock"))
	if err := lock.Lock(); err != nil {
		return Updated{}, fmt.Errorf("lock %s: %w", File, err)
	}
	defer func() { _ = lock.Unlock() }() // the lock ends with the process at the latest

	path := filepath.Join(w.Root, File)
	before, score, after, err := read(path)
	var u Updated
	var unreadable *unreadableError
	switch {
	case errors.As(err, &unreadable):
		u.Kept, err = keep(path, now)
		if err != nil {
			return u, err
		}
		before, score, after = preamble, Score{}, ""
	case err != nil:
		return u, err
	}
	u.Score = score
	for _, r := range results {
		if c, ok := score.record(r, now); ok {
			u.Changes = append(u.Changes, c)
		}
	}
	if err := appendHistory(w, results, now); err != nil {
		return u, err
	}
	text := before + Begin + "\n" + render(w, katas, score) + End + "\n" + after
	if old, err := os.ReadFile(path); err == nil && string(old) == text {
		return u, nil // an unchanged score does not wake editors and file watchers
	}
	return u, writeFile(path, []byte(text))
}

// Read returns the score without writing. A missing file is an empty score.
func Read(w *workbook.Workbook) (Score, error) {
	_, score, _, err := read(filepath.Join(w.Root, File))
	var unreadable *unreadableError
	if errors.As(err, &unreadable) {
		return Score{}, nil // the next run rebuilds it
	}
	return score, err
}

const preamble = "# My progress\n\nThe table is written by `make kata`. Notes above and below the markers are yours.\n\n"

// verdict reports whether a result says something about the learner's code.
func verdict(r runner.Result) bool {
	return r.Problem == nil || r.Problem.Kind != runner.Stopped && r.Problem.Kind != runner.Stray && r.Problem.Kind != runner.Suite
}

func (s Score) record(r runner.Result, now time.Time) (Change, bool) {
	if !verdict(r) {
		return Change{}, false
	}
	old := s[r.Kata]
	if old.State == "" {
		old.State = NotRun
	}
	e := old
	if r.Total > 0 {
		e.Green, e.Total = r.Green, r.Total
	} else {
		e.Green = 0 // it does not compile: none is green, and the total is what it was
	}
	switch {
	case r.State == runner.Green:
		e.State = Green
		if e.FirstGreen == "" {
			e.FirstGreen = now.Format(time.DateOnly)
		}
	case old.FirstGreen != "":
		e.State = RedAgain
	default:
		e.State = Red
	}
	e.Edited, e.Specs = len(r.Changed) > 0, SpecsID(r.K)
	s[r.Kata] = e
	return Change{Kata: r.Kata, Was: old.State, Is: e.State, FirstGreen: old.FirstGreen == "" && e.FirstGreen != ""}, e.State != old.State
}

// Count returns how many of the katas are green, and the specs.
func (s Score) Count(katas []workbook.Kata) (green, specsGreen, specsTotal int) {
	for _, k := range katas {
		e := s[k.ID()]
		if e.State == Green {
			green++
		}
		specsGreen += e.Green
		specsTotal += e.Total
	}
	return green, specsGreen, specsTotal
}

// unreadableError says why the table cannot be read.
type unreadableError struct{ reason string }

func (e *unreadableError) Error() string { return e.reason }

// read splits the file at the markers and parses the table between them.
func read(path string) (before string, score Score, after string, err error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return preamble, Score{}, "", nil
	}
	if err != nil {
		return "", nil, "", fmt.Errorf("read %s: %w", File, err)
	}
	text := strings.ReplaceAll(string(data), "\r\n", "\n")
	if strings.Count(text, Begin) != 1 || strings.Count(text, End) != 1 {
		return "", nil, "", &unreadableError{"its markers are not there once each"}
	}
	before, rest, _ := strings.Cut(text, Begin)
	table, after, ok := strings.Cut(rest, End)
	if !ok {
		return "", nil, "", &unreadableError{"its markers are in the wrong order"}
	}
	score, err = parse(table)
	return before, score, strings.TrimPrefix(after, "\n"), err
}

// row is "| [01-kind-config](katas/stage1/01-kind-config) | 3/9 | red | 2026-01-31 <!-- 1a2b3c4d --> |".
var row = regexp.MustCompile(`^\| \[[^\]]+\]\(katas/(stage\d/[a-z0-9-]+)\) \| (?:(\d+)/(\d+)|–) \| (not run|red|green|red again)( · stale)?( · specs changed)? \| (\d{4}-\d\d-\d\d|)(?: ?<!-- ([0-9a-f]{8}) -->)? ?\|$`)

func parse(table string) (Score, error) {
	score := Score{}
	for line := range strings.Lines(table) {
		line = strings.TrimRight(line, " \n")
		if !strings.HasPrefix(line, "| [") {
			if strings.Contains(line, "](katas/") || strings.HasPrefix(line, "<<<<<<<") {
				return nil, &unreadableError{fmt.Sprintf("this line is not a kata's: %s", line)}
			}
			continue
		}
		m := row.FindStringSubmatch(line)
		if m == nil {
			return nil, &unreadableError{fmt.Sprintf("this line is not a kata's: %s", line)}
		}
		green, _ := strconv.Atoi(m[2])
		total, _ := strconv.Atoi(m[3])
		if green > total {
			return nil, &unreadableError{fmt.Sprintf("more specs green than there are: %s", line)}
		}
		score[m[1]] = Entry{Green: green, Total: total, State: m[4], Edited: m[6] != "", FirstGreen: m[7], Specs: m[8]}
	}
	return score, nil
}

// keep moves an unreadable file aside and returns its new path.
func keep(path string, now time.Time) (string, error) {
	base := path + "." + now.Format("2006-01-02-150405") + ".bak"
	kept := base
	for i := 2; ; i++ {
		if _, err := os.Lstat(kept); errors.Is(err, fs.ErrNotExist) {
			break
		}
		kept = fmt.Sprintf("%s.%d", base, i)
	}
	if err := os.Rename(path, kept); err != nil {
		return "", fmt.Errorf("keep the old %s: %w", File, err)
	}
	return kept, nil
}

func writeFile(path string, data []byte) error {
	// Editors' symbolic links (a dotfiles repository, say) survive: the file that they point to is replaced.
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".PROGRESS-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", File, err)
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
		return fmt.Errorf("write %s: %w", File, err)
	}
	return nil
}
