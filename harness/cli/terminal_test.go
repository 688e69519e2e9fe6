package cli_test

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/creack/pty"
)

// TestTerminal runs the real command in a pseudo-terminal of 60 columns: there is colour and a status line, and no line of
// the board is wider than the terminal. NO_COLOR takes the colour away.
func TestTerminal(t *testing.T) {
	dir := t.TempDir()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if err := newBook(dir, root); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		env    string
		colour bool
	}{{"KUBEKATA_X=", true}, {"NO_COLOR=1", false}} {
		out := inTerminal(t, dir, []string{c.env, "TERM=xterm-256color"}, "run", "--stage=1")
		if got := strings.Contains(out, "\x1b[31m✗"); got != c.colour {
			t.Errorf("%s: colour is %v:\n%q", c.env, got, out)
		}
		if !strings.Contains(out, "running 01-greet, 02-sum") {
			t.Errorf("%s: no status line:\n%q", c.env, out)
		}
		plain := ansi.Strip(out)
		if !strings.Contains(plain, "✗ 01-greet    0/2    red     Greeting") {
			t.Errorf("%s: no board:\n%s", c.env, plain)
		}
		for line := range strings.SplitSeq(plain, "\n") {
			line = line[strings.LastIndexByte(strings.TrimRight(line, "\r"), '\r')+1:]
			if w := ansi.StringWidth(strings.TrimRight(line, "\r")); w > 60 {
				t.Errorf("%s: %d columns: %q", c.env, w, line)
			}
		}
	}
}

// inTerminal runs the command line in a pseudo-terminal and returns what it printed there, both streams as they come.
func inTerminal(t *testing.T, dir string, env []string, args ...string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PWD="+dir, mainEnv+"=1")
	cmd.Env = append(cmd.Env, env...)
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 40, Cols: 60})
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	var out bytes.Buffer
	_, _ = io.Copy(&out, terminal) // on Linux, the end of a terminal reads as an error
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 1 {
		t.Fatalf("exit: %v\n%s", err, out.String())
	}
	return out.String()
}
