package progress_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kubekata/kubekata/harness/progress"
	"github.com/kubekata/kubekata/harness/runner"
	"github.com/kubekata/kubekata/harness/workbook"
)

var day = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// book makes a workbook with the katas 01-a … of stage 1.
func book(t *testing.T, names ...string) (*workbook.Workbook, []workbook.Kata) {
	t.Helper()
	root := t.TempDir()
	for i, name := range names {
		for _, top := range []string{"katas", "solutions"} {
			if err := os.MkdirAll(filepath.Join(root, top, "stage1", fmt.Sprintf("%02d-%s", i+1, name)), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	w := &workbook.Workbook{Root: root}
	katas, err := w.Katas()
	if err != nil {
		t.Fatal(err)
	}
	return w, katas
}

func result(k workbook.Kata, state runner.State, green, total int) runner.Result {
	return runner.Result{Kata: k.ID(), K: k, State: state, Green: green, Total: total}
}

func read(t *testing.T, w *workbook.Workbook) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(w.Root, progress.File))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestFirstGreenDayStays(t *testing.T) {
	w, katas := book(t, "a")
	states := []struct {
		state runner.State
		green int
		want  string
	}{
		{runner.Red, 1, "| 1/3 | red |  |"},
		{runner.Green, 3, "| 3/3 | green | 2026-03-04 |"},
		{runner.Red, 2, "| 2/3 | red again | 2026-03-04 |"},
		{runner.Green, 3, "| 3/3 | green | 2026-03-04 |"},
	}
	for i, s := range states {
		// Each run is a day later; the kata was green first on the second day.
		if _, err := progress.Update(w, katas, []runner.Result{result(katas[0], s.state, s.green, 3)}, day.AddDate(0, 0, i-1)); err != nil {
			t.Fatal(err)
		}
		if text := read(t, w); !strings.Contains(text, s.want) {
			t.Errorf("after run %d, want %s:\n%s", i+1, s.want, text)
		}
	}
	score, err := progress.Read(w)
	if err != nil || score[katas[0].ID()].FirstGreen != "2026-03-04" {
		t.Errorf("%+v, %v", score, err)
	}
}

func TestNoVerdictChangesNothing(t *testing.T) {
	w, katas := book(t, "a")
	if _, err := progress.Update(w, katas, []runner.Result{result(katas[0], runner.Green, 3, 3)}, day); err != nil {
		t.Fatal(err)
	}
	before := read(t, w)
	for _, kind := range []runner.Kind{runner.Stopped, runner.Suite} {
		r := result(katas[0], runner.Broken, 0, 0)
		r.Problem = &runner.Problem{Kind: kind}
		u, err := progress.Update(w, katas, []runner.Result{r}, day)
		if err != nil || len(u.Changes) > 0 || read(t, w) != before {
			t.Errorf("%s: %v, %v\n%s", kind, u.Changes, err, read(t, w))
		}
	}
	// A compile error is a verdict: none of its specs is green.
	r := result(katas[0], runner.Broken, 0, 0)
	r.Problem = &runner.Problem{Kind: runner.Compile}
	if _, err := progress.Update(w, katas, []runner.Result{r}, day); err != nil || !strings.Contains(read(t, w), "| 0/3 | red again | 2026-03-04 |") {
		t.Errorf("%v\n%s", err, read(t, w))
	}
}

// TestTwoRunsAtOnce has several runs write at the same time: none loses what another wrote.
func TestTwoRunsAtOnce(t *testing.T) {
	w, katas := book(t, "a", "b", "c", "d", "e", "f")
	var group sync.WaitGroup
	for _, k := range katas {
		group.Go(func() {
			if _, err := progress.Update(w, katas, []runner.Result{result(k, runner.Green, 2, 2)}, day); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if text := read(t, w); strings.Count(text, "| 2/2 | green | 2026-03-04 |") != 6 || !strings.Contains(text, "6 of 6 katas green · 12 of 12 specs") {
		t.Errorf("%s", text)
	}
}

func TestNotesStay(t *testing.T) {
	w, katas := book(t, "a")
	notes := "my notes\r\nwith two lines\r\n\r\n" + progress.Begin + "\r\nold\r\n" + progress.End + "\r\n\r\nand an end"
	if err := os.WriteFile(filepath.Join(w.Root, progress.File), []byte(notes), 0o644); err != nil {
		t.Fatal(err)
	}
	u, err := progress.Update(w, katas, nil, day)
	if err != nil || u.Kept != "" {
		t.Fatalf("%v, kept %s", err, u.Kept)
	}
	text := read(t, w)
	if !strings.HasPrefix(text, "my notes\nwith two lines\n\n"+progress.Begin) || !strings.HasSuffix(text, progress.End+"\n\nand an end") {
		t.Errorf("%s", text)
	}
}

func TestLinkedFileStaysALink(t *testing.T) {
	w, katas := book(t, "a")
	target := filepath.Join(t.TempDir(), "score.md")
	if err := os.WriteFile(target, []byte(progress.Begin+"\n"+progress.End+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(w.Root, progress.File)
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	if _, err := progress.Update(w, katas, []runner.Result{result(katas[0], runner.Green, 1, 1)}, day); err != nil {
		t.Fatal(err)
	}
	if to, err := os.Readlink(link); err != nil || to != target || !strings.Contains(read(t, w), "| 1/1 | green |") {
		t.Errorf("%s, %v", to, err)
	}
}

func TestBar(t *testing.T) {
	for _, c := range []struct {
		n, total int
		want     string
	}{{0, 10, "░░░░"}, {1, 100, "█░░░"}, {5, 10, "██░░"}, {9, 10, "███░"}, {10, 10, "████"}, {0, 0, "░░░░"}} {
		if got := progress.Bar(c.n, c.total, 4); got != c.want {
			t.Errorf("Bar(%d, %d) = %s, want %s", c.n, c.total, got, c.want)
		}
	}
}

func TestHistory(t *testing.T) {
	w, katas := book(t, "a", "b")
	at := func(day time.Time, results ...runner.Result) {
		t.Helper()
		if _, err := progress.Update(w, katas, results, day); err != nil {
			t.Fatal(err)
		}
	}
	a, b := katas[0], katas[1]
	at(day, result(a, runner.Red, 0, 2))
	at(day.Add(10*time.Minute), result(a, runner.Red, 1, 2))
	at(day.Add(20*time.Minute), result(a, runner.Green, 2, 2))
	// A pause of an hour is nobody's time; a run of the whole stage is about what is red.
	at(day.Add(80*time.Minute), result(b, runner.Red, 0, 2))
	at(day.Add(85*time.Minute), result(a, runner.Green, 2, 2), result(b, runner.Red, 1, 2))
	// A run that was stopped is no attempt.
	at(day.Add(90*time.Minute), runner.Result{Kata: b.ID(), K: b, Problem: &runner.Problem{Kind: runner.Stopped}})
	at(day.AddDate(0, 0, 1), result(b, runner.Red, 1, 2))
	at(day.AddDate(0, 0, 3), result(b, runner.Red, 1, 2))

	f, err := os.OpenFile(filepath.Join(w.Root, ".kata", "history.jsonl"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"time":"2026-`); err != nil { // a crash
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}

	h, err := progress.ReadHistory(w)
	if err != nil {
		t.Fatal(err)
	}
	spent, runs := h.Spent()
	if spent[a.ID()] != 20*time.Minute || spent[b.ID()] != 5*time.Minute {
		t.Errorf("spent %v, want 20 min and 5 min", spent)
	}
	if runs[a.ID()] != 4 || runs[b.ID()] != 4 {
		t.Errorf("runs %v, want 4 and 4", runs)
	}
	for _, c := range []struct {
		days             int
		current, longest int
	}{{0, 1, 2}, {1, 2, 2}, {2, 2, 2}, {3, 1, 2}, {4, 1, 2}, {5, 0, 2}} {
		if current, longest := h.Streak(day.AddDate(0, 0, c.days)); current != c.current || longest != c.longest {
			t.Errorf("streak %d days later: %d, longest %d; want %d, %d", c.days, current, longest, c.current, c.longest)
		}
	}
}
