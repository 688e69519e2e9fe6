package cli

import (
	"context"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
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

// exec builds the kata's program from the learner's code and runs it, with the lab's kubeconfig when it speaks to a server.
func (a *App) exec(ctx context.Context, s selection, args []string) error {
	w, k, err := a.one(s)
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(k.Dir(), "cmd", "main.go")); err != nil {
		return withHint(fmt.Errorf("%s has no program to watch", k.ID()), fmt.Sprintf("make kata STAGE=%d KATA=%s runs its specs", k.Stage, k.Name))
	}
	env := []string{"KUBECONFIG=" + os.DevNull}
	server, err := speaksToServer(filepath.Join(k.Dir(), "cmd"))
	if err != nil {
		return err
	}
	if server {
		state, err := a.labUp(ctx, w)
		if err != nil {
			return err
		}
		env = state.KubectlEnv()
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
	return a.child(w.Root, env, bin, args...)
}

// speaksToServer reports whether a program takes its configuration from package loopback, as those do that need the lab.
func speaksToServer(dir string) (bool, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return false, err
	}
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return false, fmt.Errorf("read the program: %w", err)
		}
		for _, i := range file.Imports {
			if strings.HasSuffix(i.Path.Value, `/harness/loopback"`) {
				return true, nil
			}
		}
	}
	return false, nil
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
