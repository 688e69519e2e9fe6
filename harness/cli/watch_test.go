package cli_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"

	"github.com/kubekata/kubekata/harness/binaries"
	"github.com/kubekata/kubekata/harness/procs"
	"github.com/kubekata/kubekata/harness/watch"
)

// watched is the real command's watch in a pseudo-terminal, on a workbook of its own.
type watched struct {
	t        *testing.T
	dir      string
	cmd      *exec.Cmd
	terminal *os.File
	screen   *vt.SafeEmulator
	ended    chan error
}

func watchBook(t *testing.T, args ...string) *watched {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if err := newBook(dir, root); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	programs, err := binaries.Dir(root)
	if err != nil {
		t.Fatal(err)
	}
	cache, err := ownCache(dir, programs)
	if err != nil {
		t.Fatal(err)
	}
	w := &watched{t: t, dir: dir, screen: vt.NewSafeEmulator(100, 40), ended: make(chan error, 1)}
	w.write("editor", "#!/bin/sh\necho \"$@\" >>\""+dir+"/opened\"\n")
	if err := os.Chmod(filepath.Join(dir, "editor"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.cmd = exec.Command(self, append([]string{"watch"}, args...)...)
	w.cmd.Dir = dir
	w.cmd.Env = append(os.Environ(), "PWD="+dir, mainEnv+"=1", binaries.CacheEnv+"="+cache, watch.QuietEnv+"=1s", "TERM=xterm-256color", "VISUAL="+dir+"/editor", "EDITOR=")
	if w.terminal, err = pty.StartWithSize(w.cmd, &pty.Winsize{Rows: 40, Cols: 100}); err != nil {
		t.Fatal(err)
	}
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := w.terminal.Read(buf)
			_, _ = w.screen.Write(buf[:n])
			if err != nil {
				w.ended <- w.cmd.Wait()
				return
			}
		}
	}()
	go func() { // what the terminal answers when it is asked what it can do
		buf := make([]byte, 4096)
		for {
			n, err := w.screen.Read(buf)
			if err != nil {
				return
			}
			_, _ = w.terminal.Write(buf[:n])
		}
	}()
	t.Cleanup(func() {
		_ = w.cmd.Process.Signal(syscall.SIGTERM) // it has ended in a test that passes
		_ = w.terminal.Close()
	})
	return w
}

func (w *watched) write(rel, content string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, rel), []byte(content), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

func (w *watched) solve(kata, file string) {
	w.t.Helper()
	data, err := os.ReadFile(filepath.Join(w.dir, "solutions", "stage1", kata, file))
	if err != nil {
		w.t.Fatal(err)
	}
	w.write("katas/stage1/"+kata+"/"+file, string(data))
}

func (w *watched) shows() string { return ansi.Strip(w.screen.Render()) }

// until waits until the screen shows all of the texts.
func (w *watched) until(texts ...string) {
	w.t.Helper()
	end := time.Now().Add(2 * time.Minute)
	for {
		shown := w.shows()
		missing := ""
		for _, text := range texts {
			if !strings.Contains(shown, text) {
				missing = text
			}
		}
		if missing == "" {
			return
		}
		if time.Now().After(end) {
			w.t.Fatalf("the screen does not show %q:\n%s", missing, shown)
		}
		select {
		case err := <-w.ended:
			w.t.Fatalf("it has ended (%v) before it showed %q:\n%s", err, missing, shown)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (w *watched) press(keys string) {
	w.t.Helper()
	if _, err := w.terminal.WriteString(keys); err != nil {
		w.t.Fatal(err)
	}
}

// quit presses q and waits for the end.
func (w *watched) quit() {
	w.t.Helper()
	w.press("q")
	select {
	case err := <-w.ended:
		if err != nil {
			w.t.Fatalf("after q: %v", err)
		}
	case <-time.After(20 * time.Second):
		w.t.Fatalf("it goes on 20 s after q:\n%s", w.shows())
	}
}

// attempts counts the runs of a kata that ended in a verdict.
func (w *watched) attempts(kata string) int {
	w.t.Helper()
	data, err := os.ReadFile(filepath.Join(w.dir, ".kata", "history.jsonl"))
	if err != nil {
		w.t.Fatal(err)
	}
	return bytes.Count(data, []byte(`"`+kata+`"`))
}

func TestWatch(t *testing.T) {
	w := watchBook(t, "--stage=1")
	w.until("▸ ✗ 01-greet    0/2    Greeting", "✗ 02-sum      0/2    Adding", "stage1/01-greet · Greet greets by name", "Greet is not implemented", "0 of 2 katas green, 0 of 4 specs · waiting for a save", "q quit")

	// A save runs its kata, and no other.
	w.solve("02-sum", "sum.go")
	w.until("▸ ✓ 02-sum      2/2    Adding", "stage1/02-sum is green", "1 of 2 katas green, 2 of 4 specs · waiting")
	if n := w.attempts("stage1/01-greet"); n != 1 {
		t.Errorf("01-greet was run %d times, and saved never", n)
	}

	// n goes to what is red; h shows a hint, and the next; t, c and esc.
	w.press("n")
	w.until("▸ ✗ 01-greet", "Greet is not implemented")
	w.press("h")
	w.until("Hint 1: think", "hint 1 of 3")
	w.press("h")
	w.until("Hint 2: look")
	w.press("t")
	w.until("nothing was asked of the API server")
	w.press("c")
	w.until("stage1/01-greet is not green yet")
	w.press("\x1b")
	w.until("Greet is not implemented")

	// o opens the editor where there is something to do; here at the stub's TODO.
	w.press("o")
	w.wrote("opened", "+10 "+w.dir+"/katas/stage1/01-greet/greet.go\n")
	w.write("katas/stage1/01-greet/greet.go", "package greet\n\nfunc Greet(name string) (string, error) {\n\treturn nowhere, nil\n}\n")
	w.until("! 01-greet     –     does not compile", "undefined: nowhere")
	w.press("o")
	w.wrote("opened", "+10 "+w.dir+"/katas/stage1/01-greet/greet.go\n+4 "+w.dir+"/katas/stage1/01-greet/greet.go\n")

	// Saves in quick succession are one run.
	before := w.attempts("stage1/01-greet")
	for range 5 {
		w.solve("01-greet", "greet.go")
	}
	w.until("▸ ✓ 01-greet    2/2", "2 of 2 katas green, 4 of 4 specs · waiting")
	// One, or two where the machine was so busy that a second went by between two saves.
	n := w.attempts("stage1/01-greet") - before
	if n < 1 || n > 2 {
		t.Errorf("five saves in a row made %d runs", n)
	}

	// r runs again what has not changed.
	w.press("r")
	w.attempted("stage1/01-greet", before+n+1)
	w.quit()
}

// wrote waits until a file has a content.
func (w *watched) wrote(rel, want string) {
	w.t.Helper()
	var got []byte
	for range 1000 {
		got, _ = os.ReadFile(filepath.Join(w.dir, rel)) // it may not be there yet
		if string(got) == want {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	w.t.Fatalf("%s holds %q, want %q\n%s", rel, got, want, w.shows())
}

// attempted waits until a kata was run a number of times.
func (w *watched) attempted(kata string, n int) {
	w.t.Helper()
	for range 1000 {
		if w.attempts(kata) == n {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	w.t.Fatalf("%s was run %d times, want %d\n%s", kata, w.attempts(kata), n, w.shows())
}

// running returns the command lines of the test processes that were started here.
func (w *watched) running() (all []string) {
	w.t.Helper()
	list, err := procs.List()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, p := range list {
		if strings.Contains(p.Args, "sum.test") && strings.Contains(p.Args, w.dir) {
			all = append(all, p.Args)
		}
	}
	return all
}

// A kata that hangs blocks nobody: a save ends its run, and so does q; no process is left.
func TestWatchHung(t *testing.T) {
	w := watchBook(t, "--kata=sum")
	w.until("▸ ✗ 02-sum    0/2")
	hung := "package sum\n\nfunc Sum(numbers ...int) int {\n\tfor {\n\t}\n}\n"
	w.write("katas/stage1/02-sum/sum.go", hung)
	w.until("s · running 02-sum")
	w.solve("02-sum", "sum.go")
	w.until("▸ ✓ 02-sum    2/2", "1 of 1 katas green")
	w.write("katas/stage1/02-sum/sum.go", hung+"\n// again\n")
	w.until("s · running 02-sum")
	if len(w.running()) == 0 {
		t.Error("a hung kata's process is not found: this test would not see one that is left")
	}
	w.quit()
	if left := w.running(); len(left) > 0 {
		t.Errorf("still running: %q", left)
	}
}
