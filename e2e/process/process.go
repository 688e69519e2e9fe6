// Package process runs a kata's program as an operating-system process, built of the reference or of the learner's own code, so that
// it can be watched, killed and started again.
package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/kubekata/kubekata/harness/overlay"
	"github.com/kubekata/kubekata/harness/workbook"
)

// Code says whose code a program is built of.
type Code string

// The two that there are.
const (
	Solutions Code = "solutions"
	Katas     Code = "katas"
)

// Build builds a program of a kata, which is the package pkg below it, into a folder, which is there, and returns its path. The folder is also the place for what
// the build needs. env is added to the environment: GOOS and GOARCH are for a program that runs elsewhere.
func Build(ctx context.Context, k workbook.Kata, code Code, pkg, dir string, env ...string) (string, error) {
	bin, flags := filepath.Join(dir, k.Slug()), []string{}
	switch code {
	case Katas:
	case Solutions:
		o := overlay.New(filepath.Join(dir, "overlay"))
		if err := o.Solution(k); err != nil {
			return "", err
		}
		file, err := o.File(k.Slug() + ".json")
		if err != nil {
			return "", err
		}
		flags = append(flags, "-overlay="+file)
	default:
		return "", fmt.Errorf("CODE is %q, and must be %s or %s", code, Solutions, Katas)
	}
	if err := goBuild(ctx, k.Root, dir, bin, "./"+k.Rel()+"/"+pkg, env, flags...); err != nil {
		return "", fmt.Errorf("build the program of %s from %s: %w", k.ID(), code, err)
	}
	return bin, nil
}

// GoBuild builds the program in pkg, a path like ./kind/web in the module at root, as the file bin; dir is a folder for what the build needs.
func GoBuild(ctx context.Context, root, dir, bin, pkg string, env ...string) error {
	if err := goBuild(ctx, root, dir, bin, pkg, env); err != nil {
		return fmt.Errorf("build %s: %w", pkg, err)
	}
	return nil
}

func goBuild(ctx context.Context, root, dir, bin, pkg string, env []string, flags ...string) error {
	cmd := exec.CommandContext(ctx, "go", append(append([]string{"build", "-o", bin}, flags...), pkg)...)
	cmd.Dir = root
	cmd.Env = append(append(os.Environ(), "GOTMPDIR="+dir), env...) // what a killed build leaves goes with the folder
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

// Process is a program that runs, or has run.
type Process struct {
	// Name tells it from others in messages.
	Name string
	cmd  *exec.Cmd
	done chan struct{}
	err  error

	mu    sync.Mutex
	told  bool // to end
	lines []Line
	rest  []byte
}

// Line is one of those that a process has written, to either of its outputs.
type Line struct {
	At   time.Time
	Text string
}

// Start starts a program, with more in its environment than ours. The caller calls Stop or Kill in the end.
func Start(name, bin string, env []string, args ...string) (*Process, error) {
	p := &Process{Name: name, cmd: exec.Command(bin, args...), done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = p, p
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		defer close(p.done)
		p.err = p.cmd.Wait()
	}()
	return p, nil
}

// Write takes what the process writes, and keeps it by lines.
func (p *Process) Write(data []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.rest = append(p.rest, data...)
	for {
		line, rest, ok := bytes.Cut(p.rest, []byte("\n"))
		if !ok {
			return len(data), nil
		}
		p.lines = append(p.lines, Line{now, string(line)})
		p.rest = rest
	}
}

// Lines are what the process has written so far.
func (p *Process) Lines() []Line {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Line(nil), p.lines...)
}

// Wrote says whether there is a line with a text in it.
func (p *Process) Wrote(text string) bool {
	for _, line := range p.Lines() {
		if strings.Contains(line.Text, text) {
			return true
		}
	}
	return false
}

// Tail is the last of what it has written, for messages.
func (p *Process) Tail() string {
	lines := p.Lines()
	var tail strings.Builder
	for _, line := range lines[max(0, len(lines)-20):] {
		fmt.Fprintf(&tail, "    %s\n", line.Text)
	}
	return fmt.Sprintf("the last that %s has written:\n%s", p.Name, tail.String())
}

// Wait waits until the process has ended, and returns how: nil for the exit code 0.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return fmt.Errorf("%s has not ended: %w\n%s", p.Name, context.Cause(ctx), p.Tail())
	}
}

// Ended says whether it has.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Died says whether it has ended with an error, although nobody has told it to, or expects it.
func (p *Process) Died() bool {
	if !p.Ended() || p.err == nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.told
}

// ExpectEnd says that from now on the process may end by itself: that is no death.
func (p *Process) ExpectEnd() { p.tell() }

func (p *Process) tell() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told = p.told || !p.Ended()
}

// Kill ends the process without a farewell, and waits for its end. One that has ended already is no error.
func (p *Process) Kill() error {
	p.tell()
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill %s: %w", p.Name, err)
	}
	<-p.done
	return nil
}

// Stop asks the process to end, with SIGTERM, and returns how it has: nil for the exit code 0. After ctx it is killed, which is an error.
func (p *Process) Stop(ctx context.Context) error {
	p.tell()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", p.Name, err)
	}
	err := p.Wait(ctx)
	if !p.Ended() {
		return errors.Join(err, p.Kill())
	}
	return err
}
