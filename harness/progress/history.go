package progress

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/kubekata/kubekata/harness/runner"
	"github.com/kubekata/kubekata/harness/workbook"
)

// Pause is how long somebody may think, or read, between two runs and still count as being at it.
const Pause = 30 * time.Minute

// Attempt is a kata's part in a run, as .kata/history.jsonl keeps it: a line an attempt, on this machine alone.
type Attempt struct {
	Time  time.Time `json:"time"`
	Kata  string    `json:"kata"`
	State string    `json:"state"`
	Green int       `json:"green"`
	Total int       `json:"total"`
}

// History is the learner's attempts, oldest first.
type History []Attempt

func historyFile(w *workbook.Workbook) string { return filepath.Join(w.Root, ".kata", "history.jsonl") }

// appendHistory adds the results that are a verdict.
func appendHistory(w *workbook.Workbook, results []runner.Result, now time.Time) error {
	var lines []byte
	for _, r := range results {
		if !verdict(r) {
			continue
		}
		line, err := json.Marshal(Attempt{now.UTC(), r.Kata, string(r.State), r.Green, r.Total})
		if err != nil {
			return fmt.Errorf("write the history: %w", err)
		}
		lines = append(append(lines, line...), '\n')
	}
	if len(lines) == 0 {
		return nil
	}
	f, err := os.OpenFile(historyFile(w), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("write the history: %w", err)
	}
	_, err = f.Write(lines)
	return errors.Join(err, f.Close())
}

// ReadHistory returns the attempts on this machine; a missing file is none. A line that cannot be read, as after a crash, is
// left out.
func ReadHistory(w *workbook.Workbook) (History, error) {
	f, err := os.Open(historyFile(w))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the history: %w", err)
	}
	defer f.Close()
	var h History
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var a Attempt
		if json.Unmarshal(lines.Bytes(), &a) == nil && a.Kata != "" {
			h = append(h, a)
		}
	}
	slices.SortStableFunc(h, func(a, b Attempt) int { return a.Time.Compare(b.Time) })
	return h, nil
}

// Spent returns how long the learner has been at each kata, and how often it was run. The time between two runs is the later
// one's kata's, unless it is longer than [Pause]: then the learner was elsewhere, and so nobody knows when the work began. A
// run of several katas is shared by those that are not green, which it was about.
func (h History) Spent() (spent map[string]time.Duration, runs map[string]int) {
	spent, runs = map[string]time.Duration{}, map[string]int{}
	var before time.Time
	for start := 0; start < len(h); {
		end := start
		for end < len(h) && h[end].Time.Equal(h[start].Time) {
			runs[h[end].Kata]++
			end++
		}
		about := slices.Clone(h[start:end])
		if end-start > 1 {
			about = slices.DeleteFunc(about, func(a Attempt) bool { return a.State == string(runner.Green) })
		}
		if since := h[start].Time.Sub(before); since <= Pause {
			for _, a := range about {
				spent[a.Kata] += since / time.Duration(len(about))
			}
		}
		before, start = h[start].Time, end
	}
	return spent, runs
}

// Streak returns on how many days in a row something was run, up to today or yesterday, and the longest such row. Days are
// those of now's location.
func (h History) Streak(now time.Time) (current, longest int) {
	days := map[string]bool{}
	for _, a := range h {
		days[a.Time.In(now.Location()).Format(time.DateOnly)] = true
	}
	row := func(from time.Time) int {
		n := 0
		for days[from.AddDate(0, 0, -n).Format(time.DateOnly)] {
			n++
		}
		return n
	}
	noon := time.Date(now.Year(), now.Month(), now.Day(), 12, 0, 0, 0, now.Location()) // no day has two noons
	current = row(noon)
	if current == 0 {
		current = row(noon.AddDate(0, 0, -1))
	}
	for day := range days {
		d, err := time.ParseInLocation(time.DateOnly, day, now.Location())
		if err == nil {
			longest = max(longest, row(d.Add(12*time.Hour)))
		}
	}
	return current, longest
}
