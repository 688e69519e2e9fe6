package watch_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kubekata/kubekata/harness/runner"
	"github.com/kubekata/kubekata/harness/watch"
	"github.com/kubekata/kubekata/harness/workbook"
)

// book makes a workbook with the katas 01-a … of stage 1.
func book(t *testing.T, names ...string) []workbook.Kata {
	t.Helper()
	root := t.TempDir()
	for i, name := range names {
		for _, top := range []string{"katas", "solutions"} {
			if err := os.MkdirAll(filepath.Join(root, top, "stage1", fmt.Sprintf("%02d-%s", i+1, name)), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	katas, err := (&workbook.Workbook{Root: root}).Katas()
	if err != nil {
		t.Fatal(err)
	}
	return katas
}

func save(t *testing.T, k workbook.Kata, name, content string) {
	t.Helper()
	// As most editors do: write aside, then rename.
	tmp := filepath.Join(k.Dir(), "."+name+".tmp")
	if err := os.WriteFile(tmp, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tmp, filepath.Join(k.Dir(), name)); err != nil {
		t.Fatal(err)
	}
}

func next[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(20 * time.Second):
		t.Fatal("nothing for 20 s")
	}
	panic("unreachable")
}

func TestFiles(t *testing.T) {
	for _, poll := range []string{"", "1"} {
		t.Run("poll="+poll, func(t *testing.T) {
			t.Setenv(watch.PollEnv, poll)
			katas := book(t, "a", "b", "c")
			saved := make(chan []workbook.Kata)
			watch.Files(t.Context(), katas, time.Second, saved)
			save(t, katas[2], "c.go", "package c")
			save(t, katas[0], "a.go", "package a")
			save(t, katas[2], "c.go", "package c // again")
			got := next(t, saved)
			if len(got) != 2 || got[0].Name != "a" || got[1].Name != "c" {
				t.Errorf("three saves in two katas: %v", got)
			}
			// A lesson and an editor's own files change no verdict.
			save(t, katas[1], "README.md", "# B")
			save(t, katas[1], "b.go~", "package b")
			save(t, katas[0], "a.go", "package a // again, and longer")
			if got := next(t, saved); len(got) != 1 || got[0].Name != "a" {
				t.Errorf("a lesson, an editor's file and one save: %v", got)
			}
			if err := os.Remove(filepath.Join(katas[2].Dir(), "c.go")); err != nil {
				t.Fatal(err)
			}
			if got := next(t, saved); len(got) != 1 || got[0].Name != "c" {
				t.Errorf("a file that is gone: %v", got)
			}
		})
	}
}

// fake is a runner whose verdicts the test gives.
type fake struct {
	runs    chan string   // the katas of each run that has begun
	verdict chan string   // the kata to judge next
	end     chan struct{} // ends the run
	over    chan struct{} // the run has ended
}

func newFake() *fake {
	return &fake{make(chan string, 10), make(chan string), make(chan struct{}), make(chan struct{}, 10)}
}

func (f *fake) run(ctx context.Context, katas []workbook.Kata, begun func(workbook.Kata), done func(runner.Result)) ([]runner.Result, error) {
	defer func() { f.over <- struct{}{} }()
	var results []runner.Result
	add := func(k workbook.Kata, problem *runner.Problem) {
		r := runner.Result{Kata: k.ID(), K: k, Problem: problem}
		done(r)
		results = append(results, r)
	}
	var names []string
	for _, k := range katas {
		names = append(names, k.Name)
	}
	f.runs <- strings.Join(names, " ")
	for {
		select {
		case name := <-f.verdict:
			for _, k := range katas {
				if k.Name == name {
					begun(k)
					add(k, nil)
				}
			}
		case <-f.end:
			return results, nil
		case <-ctx.Done():
			add(katas[len(katas)-1], &runner.Problem{Kind: runner.Stopped})
			return results, ctx.Err()
		}
	}
}

func TestLoop(t *testing.T) {
	katas := book(t, "a", "b", "c")
	f := newFake()
	saved := make(chan []workbook.Kata)
	told := make(chan string, 100)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		watch.Loop(ctx, katas, saved, f.run, func(m watch.Msg) {
			switch m := m.(type) {
			case watch.Started:
				told <- fmt.Sprint("started ", len(m.Katas))
			case watch.Begun:
				told <- "begun " + m.Kata.Name
			case watch.Verdict:
				told <- "verdict " + m.Result.K.Name
			case watch.Finished:
				told <- fmt.Sprint("finished ", len(m.Results), " cancelled ", m.Cancelled, " error ", m.Err)
			}
		})
	}()
	expect := func(lines ...string) {
		t.Helper()
		for _, want := range lines {
			if got := next(t, told); got != want {
				t.Errorf("told %q, want %q", got, want)
			}
		}
	}
	if got := next(t, f.runs); got != "a b c" {
		t.Errorf("the first run is of %s", got)
	}
	f.verdict <- "a"
	expect("started 3", "begun a", "verdict a")

	// A save of c ends the run. B had no verdict; a had one, and stays.
	saved <- []workbook.Kata{katas[2]}
	next(t, f.over)
	expect("finished 1 cancelled true error <nil>")
	if got := next(t, f.runs); got != "b c" {
		t.Errorf("after a save of c: %s", got)
	}
	f.verdict <- "b"
	f.verdict <- "c"
	f.end <- struct{}{}
	next(t, f.over)
	expect("started 2", "begun b", "verdict b", "begun c", "verdict c", "finished 2 cancelled false error <nil>")

	// A save between runs.
	saved <- []workbook.Kata{katas[1]}
	if got := next(t, f.runs); got != "b" {
		t.Errorf("after a save of b: %s", got)
	}
	expect("started 1")

	// The end of the context ends the run, and the loop waits for it.
	cancel()
	next(t, f.over)
	expect("finished 0 cancelled false error <nil>")
	next(t, ended)
}
