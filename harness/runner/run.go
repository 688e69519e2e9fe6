// Package runner runs the specs of katas with `go test -json` and judges what came of it.
//
// Start with [Run]. A verdict is [Green] only when go's own result, the list of specs that the suite announced, each
// spec's report and the suite's end all agree; everything else is [Red] or [Broken], with a [Problem] that names the
// cause. The package prints nothing.
package runner

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/kubekata/kubekata/harness/ephemeral"
	"github.com/kubekata/kubekata/harness/report"
	"github.com/kubekata/kubekata/harness/workbook"
)

// Options says what to run and how.
type Options struct {
	Workbook *workbook.Workbook
	Katas    []workbook.Kata
	// Overlay is a file for -overlay, or empty for the learner's own code.
	Overlay string
	// Race turns the race detector on, which needs a C compiler on Linux.
	Race bool
	// Focus is the full text of the only spec to run, or empty.
	Focus string
	// Uncached runs the specs although go has the answer for the same code.
	Uncached bool
	// Parallel is how many packages go test runs at once; 0 leaves it to go.
	Parallel int
	// Env is added to the environment. What a test reads from it is part of go's cache key: keep it constant.
	Env []string
	// Begun is called when a kata's specs are compiled and start to run, also when go's cache has the answer. May be nil.
	Begun func(workbook.Kata)
	// Done is called with each verdict as soon as it is there, from one goroutine at a time. May be nil.
	Done func(Result)
}

// testTimeout ends a test process that even the harness could not end. It is above the bounds of package harness.
const testTimeout = 5 * time.Minute

// stopGrace is how long test processes have to clean up after an interrupt: envtest stops its servers in a second or two.
const stopGrace = 8 * time.Second

// Run judges the katas, in their order. The error says that go itself could not run; what a learner's code does
// wrong is in the results. When ctx ends, everything that was started is ended, and the katas that were not judged
// have the problem [Stopped].
func Run(ctx context.Context, o Options) ([]Result, error) {
	packages := map[string]*output{}
	var args []string
	for _, k := range o.Katas {
		if !k.Missing() && k.HasSolution() {
			packages[o.Workbook.Module+"/"+k.Rel()] = &output{}
			args = append(args, "./"+k.Rel())
		}
	}
	var runErr error
	collect := &collector{packages: packages, builds: map[string][]string{}, o: o}
	if len(args) > 0 {
		runErr = collect.goTest(ctx, args)
		// A test process that died has left its API server.
		if err := ephemeral.Sweep(); err != nil {
			return nil, err
		}
	}
	results := make([]Result, len(o.Katas))
	for i, k := range o.Katas {
		if r, ok := collect.judged[k.ID()]; ok {
			results[i] = r
			continue
		}
		out := packages[o.Workbook.Module+"/"+k.Rel()]
		if runErr != nil && out != nil && ctx.Err() == nil {
			return nil, runErr
		}
		r, err := judge(k, out, collect.builds, ctx.Err() != nil)
		if err != nil {
			return nil, err
		}
		if o.Done != nil {
			o.Done(r)
		}
		results[i] = r
	}
	return results, nil
}

// output is what go test said of one package.
type output struct {
	events      []report.Event
	broken      error    // an event that could not be decoded
	lines       []string // everything else that was printed
	partial     string
	action      string // pass, fail, skip, or empty while it runs
	failedBuild string
	seconds     float64
	cached      bool
}

// maxLines bounds what is kept of a test's own output: an endless loop prints faster than we read.
const maxLines = 4000

func (p *output) add(text string) {
	text = p.partial + text
	p.partial = ""
	for text != "" {
		line, rest, whole := strings.Cut(text, "\n")
		if !whole {
			p.partial = line
			return
		}
		p.line(line)
		text = rest
	}
}

// readAll takes all of a stream in.
func (p *output) readAll(r io.Reader) error {
	in := bufio.NewReaderSize(r, 1<<20)
	for {
		line, err := in.ReadString('\n')
		p.add(line)
		if errors.Is(err, io.EOF) {
			if p.partial != "" {
				p.add("\n")
			}
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (p *output) line(line string) {
	e, ok, err := report.Parse(line)
	switch {
	case err != nil:
		p.broken = err
	case ok:
		p.events = append(p.events, e)
	default:
		if strings.HasPrefix(line, "ok  ") && strings.HasSuffix(line, "(cached)") {
			p.cached = true
		}
		if len(p.lines) >= maxLines {
			p.lines = append(p.lines[:maxLines/4], p.lines[maxLines/2:]...)
		}
		p.lines = append(p.lines, line)
	}
}

// testEvent is a line of `go test -json`: see `go doc test2json` and `go help buildjson`.
type testEvent struct {
	Action      string
	Package     string
	ImportPath  string
	Test        string
	Elapsed     float64
	Output      string
	FailedBuild string
}

type collector struct {
	packages map[string]*output
	builds   map[string][]string // build-output by import path
	judged   map[string]Result
	o        Options
}

func (c *collector) goTest(ctx context.Context, packages []string) error {
	// Without vet, which takes a third of a second of each verdict; make lint runs it.
	args := []string{"test", "-json", "-vet=off", "-timeout=" + testTimeout.String()}
	if c.o.Race {
		args = append(args, "-race")
	}
	if c.o.Uncached {
		args = append(args, "-count=1")
	}
	if c.o.Overlay != "" {
		args = append(args, "-overlay="+c.o.Overlay)
	}
	if c.o.Parallel > 0 {
		args = append(args, fmt.Sprintf("-p=%d", c.o.Parallel))
	}
	cmd := exec.Command("go", append(args, packages...)...)
	cmd.Dir = c.o.Workbook.Root
	// go removes its temporary folder when it is interrupted, not when it is killed: ours is swept.
	tmp, done, err := ephemeral.New()
	if err != nil {
		return err
	}
	defer func() { _ = done() }() // the next run sweeps what is left
	cmd.Env = append(c.o.environ(), "GOTMPDIR="+tmp)
	var stderr tail
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("run go test: %w", err)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run go test: %w", err)
	}
	stop := endGroup(ctx, cmd.Process.Pid)
	readErr := c.read(stdout)
	err = cmd.Wait()
	stop()
	if readErr != nil {
		return fmt.Errorf("read go test's output: %w", readErr)
	}
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || !c.spoke()) {
		return &GoError{Output: stderr.String(), Err: err}
	}
	return nil
}

func (o Options) environ() []string {
	return append(append(os.Environ(), report.Env+"=1", report.FocusEnv+"="+o.Focus), o.Env...)
}

// spoke reports whether go said something of any package; else its error is not about a package.
func (c *collector) spoke() bool {
	for _, p := range c.packages {
		if p.action != "" || len(p.lines)+len(p.events) > 0 {
			return true
		}
	}
	return false
}

// GoError is a failure of the go command itself: a broken go.mod, modules that cannot be downloaded.
type GoError struct {
	Output string
	Err    error
}

func (e *GoError) Error() string {
	lines := strings.Split(strings.TrimSpace(e.Output), "\n")
	last := lines[len(lines)-1]
	if last == "" {
		return "go test: " + e.Err.Error()
	}
	return "go test: " + strings.TrimPrefix(last, "go: ")
}

func (e *GoError) Unwrap() error { return e.Err }

func (c *collector) read(r io.Reader) error {
	c.judged = map[string]Result{}
	in := bufio.NewReaderSize(r, 1<<20)
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 0 {
			c.event(line)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (c *collector) event(line []byte) {
	var e testEvent
	if !bytes.HasPrefix(line, []byte("{")) || json.Unmarshal(line, &e) != nil {
		return // go prints a few plain lines on some failures; stderr and the exit code tell the rest
	}
	if e.Action == "build-output" {
		c.builds[e.ImportPath] = append(c.builds[e.ImportPath], strings.TrimRight(e.Output, "\n"))
		return
	}
	p := c.packages[e.Package]
	if p == nil {
		return
	}
	switch e.Action {
	case "start":
		c.begun(e.Package)
	case "output":
		p.add(e.Output)
	case "pass", "fail", "skip":
		if e.Test != "" {
			return
		}
		if p.partial != "" {
			p.add("\n")
		}
		p.action, p.seconds, p.failedBuild = e.Action, e.Elapsed, e.FailedBuild
		c.finish(e.Package, p)
	}
}

// begun tells that a package's specs run.
func (c *collector) begun(pkg string) {
	if k, ok := c.kata(pkg); ok && c.o.Begun != nil {
		c.o.Begun(k)
	}
}

// finish judges a package as soon as its last event is there.
func (c *collector) finish(pkg string, p *output) {
	k, ok := c.kata(pkg)
	if !ok {
		return
	}
	r, err := judge(k, p, c.builds, false)
	if err != nil {
		return // Run judges again and returns the error
	}
	c.judged[k.ID()] = r
	if c.o.Done != nil {
		c.o.Done(r)
	}
}

// kata returns the kata whose specs are the package.
func (c *collector) kata(pkg string) (workbook.Kata, bool) {
	for _, k := range c.o.Katas {
		if c.o.Workbook.Module+"/"+k.Rel() == pkg {
			return k, true
		}
	}
	return workbook.Kata{}, false
}

// endGroup ends the process group when ctx ends: an interrupt first, as Ctrl-C is, so that Ginkgo stops the control
// plane that a suite has started; a kill after stopGrace. The returned function ends the watch.
func endGroup(ctx context.Context, pid int) (stop func()) {
	done := make(chan struct{})
	var once sync.WaitGroup
	once.Go(func() {
		select {
		case <-done:
			return
		case <-ctx.Done():
		}
		_ = syscall.Kill(-pid, syscall.SIGINT) // an error means that the group is gone
		select {
		case <-done:
		case <-time.After(stopGrace):
			_ = syscall.Kill(-pid, syscall.SIGKILL)
		}
	})
	return func() { close(done); once.Wait() }
}

// tail keeps the end of what is written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - 64<<10; over > 0 {
		t.buf = t.buf[over:]
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf)
}
