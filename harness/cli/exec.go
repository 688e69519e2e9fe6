package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/kubekata/kubekata/harness/ephemeral"
)

func (a *App) execCommand() *cobra.Command {
	var s selection
	c := &cobra.Command{
		Use:   "exec [-- args]",
		Short: "Run a kata's program against the lab (make run)",
		Args:  cobra.ArbitraryArgs,
		RunE:  func(c *cobra.Command, args []string) error { return a.exec(c.Context(), s, args) },
	}
	s.flags(c)
	return c
}

// exec builds the kata's program from the learner's code and runs it with the lab's kubeconfig.
func (a *App) exec(ctx context.Context, s selection, args []string) error {
	w, k, err := a.one(s)
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(k.Dir(), "cmd", "main.go")); err != nil {
		return withHint(fmt.Errorf("%s has no program to watch", k.ID()), fmt.Sprintf("make kata STAGE=%d KATA=%s runs its specs", k.Stage, k.Name))
	}
	state, err := a.labUp(ctx, w)
	if err != nil {
		return err
	}
	bin := scratch(w, "bin", k.Slug())
	build := exec.CommandContext(ctx, "go", "build", "-o", bin, "./"+k.Rel()+"/cmd")
	build.Dir, build.Stdout, build.Stderr = w.Root, a.Err, a.Err
	tmp, done, err := ephemeral.New()
	if err != nil {
		return err
	}
	build.Env = append(os.Environ(), "GOTMPDIR="+tmp)
	err = build.Run()
	_ = done() // the next run sweeps what is left
	if err != nil {
		return fmt.Errorf("build the program of %s: %w", k.ID(), err)
	}
	return a.child(w.Root, state.KubectlEnv(), bin, args...)
}

// child runs a program on the App's streams until it ends. Ctrl-C reaches it through the terminal; a termination is
// handed on. Its exit code becomes ours.
func (a *App) child(dir string, env []string, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = dir, a.In, a.Out, a.Err
	cmd.Env = append(os.Environ(), env...)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run %s: %w", filepath.Base(name), err)
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case s := <-signals:
				if s != syscall.SIGINT || !a.ui.live {
					_ = cmd.Process.Signal(s) // an error means that it has ended
				}
			case <-done:
				return
			}
		}
	}()
	err := cmd.Wait()
	signal.Stop(signals)
	close(done)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if exit.ExitCode() < 0 {
			return &exitCode{130}
		}
		return &exitCode{exit.ExitCode()}
	}
	return err
}
