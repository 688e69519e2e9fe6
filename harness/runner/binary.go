package runner

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"time"

	"github.com/kubekata/kubekata/harness/ephemeral"
)

// BuildError says that a kata's test binary could not be built; its text is what go printed.
type BuildError struct{ Output string }

func (e *BuildError) Error() string { return e.Output }

// Build compiles the specs of the only kata of o, and links them into a test binary, which [Exec] runs as often as is
// wanted. The caller removes it. What does not compile is a *BuildError.
func Build(ctx context.Context, o Options, file string) error {
	k := o.Katas[0]
	args := []string{"test", "-c", "-vet=off", "-ldflags=-s -w", "-o", file}
	if o.Overlay != "" {
		args = append(args, "-overlay="+o.Overlay)
	}
	cmd := exec.Command("go", append(args, "./"+k.Rel())...)
	cmd.Dir = o.Workbook.Root
	tmp, done, err := ephemeral.New()
	if err != nil {
		return err
	}
	defer func() { _ = done() }() // the next run sweeps what is left
	cmd.Env = append(o.environ(), "GOTMPDIR="+tmp)
	var out tail
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run go test -c: %w", err)
	}
	stop := endGroup(ctx, cmd.Process.Pid)
	err = cmd.Wait()
	stop()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return &BuildError{Output: out.String()}
	}
	return nil
}

// Exec runs a test binary of [Build] in the kata's folder and judges the kata by it, as [Run] does.
func Exec(ctx context.Context, o Options, file string) (Result, error) {
	k := o.Katas[0]
	// As go test calls it: os.Exit(0) in a test is not a pass.
	cmd := exec.Command(file, "-test.paniconexit0", "-test.timeout="+testTimeout.String())
	cmd.Dir = k.Dir()
	cmd.Env = append(o.environ(), "PWD="+k.Dir())
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return Result{}, fmt.Errorf("run the specs of %s: %w", k.ID(), err)
	}
	cmd.Stderr = cmd.Stdout // one stream, as go test makes of them
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		return Result{}, fmt.Errorf("run the specs of %s: %w", k.ID(), err)
	}
	stop := endGroup(ctx, cmd.Process.Pid)
	out := &output{action: "pass"}
	readErr := out.readAll(stdout)
	err = cmd.Wait()
	stop()
	out.seconds = time.Since(begun).Seconds()
	var exit *exec.ExitError
	switch {
	case readErr != nil:
		return Result{}, fmt.Errorf("read the output of %s: %w", k.ID(), readErr)
	case err != nil && !errors.As(err, &exit):
		return Result{}, fmt.Errorf("run the specs of %s: %w", k.ID(), err)
	case err != nil:
		out.action = "fail"
	}
	if err := ephemeral.Sweep(); err != nil {
		return Result{}, err
	}
	return judge(k, out, nil, ctx.Err() != nil)
}
