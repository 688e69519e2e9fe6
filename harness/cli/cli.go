// Package cli is the command line of the workbook: one file a command, each a short function that calls the package
// which does the work and prints what came of it. [Main] is the whole program.
//
// Exit codes: 0 when all is green, 1 when something is red or failed, 2 when the command line is wrong, 130 after
// Ctrl-C.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/kubekata/kubekata/harness/workbook"
)

// App holds what the commands share: streams, clock and the folder to start from.
type App struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer
	Now func() time.Time
	Dir string
	ui  *ui
}

// errRed ends a command whose output has said it all: exit code 1 and no further line.
var errRed = errors.New("red")

// mended is an error with a line that says what to do.
type mended struct {
	err  error
	hint string
}

func (e *mended) Error() string { return e.err.Error() }
func (e *mended) Unwrap() error { return e.err }
func (e *mended) Hint() string  { return e.hint }

func withHint(err error, hint string) error { return &mended{err, hint} }

// usageError is a wrong command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// Main runs the command line and returns the exit code.
func Main(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	dir, err := os.Getwd()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error: the current folder is gone: "+err.Error())
		return 1
	}
	app := &App{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Now: time.Now, Dir: dir}
	return app.Run(ctx, args)
}

// Run runs the command line with the App's streams and returns the exit code.
func (a *App) Run(ctx context.Context, args []string) int {
	a.ui = newUI(a.Out, a.Err)
	root := a.command()
	root.SetArgs(args)
	root.SetIn(a.In)
	root.SetOut(a.ui.out)
	root.SetErr(a.ui.err)
	err := root.ExecuteContext(ctx)
	var usage usageError
	var coded *exitCode
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil:
		fmt.Fprintln(a.ui.err, "stopped")
		return 130
	case errors.Is(err, errRed):
		return 1
	case errors.As(err, &coded):
		return coded.code
	}
	a.printError(err)
	if errors.As(err, &usage) {
		return 2
	}
	return 1
}

// exitCode hands a child's exit code on.
type exitCode struct{ code int }

func (e *exitCode) Error() string { return fmt.Sprintf("exit status %d", e.code) }

func (a *App) printError(err error) {
	fmt.Fprintf(a.ui.err, "%s %s\n", a.ui.red.Render("error:"), err)
	for line := range strings.Lines(hintOf(err)) {
		fmt.Fprintf(a.ui.err, "%s %s\n", a.ui.bold.Render("hint:"), strings.TrimRight(line, "\n"))
	}
}

// hintOf says what to do about an error, and nothing when it does not know.
func hintOf(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

func (a *App) command() *cobra.Command {
	root := &cobra.Command{
		Use:           "kata",
		Short:         "kata runs the workbook: specs, hints, references and the score",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError{withHint(err, "go tool kata "+c.Name()+" --help")}
	})
	root.AddCommand(
		a.runCommand(), a.watchCommand(), a.listCommand(), a.progressCommand(), a.hintCommand(), a.compareCommand(), a.resetCommand(),
		a.execCommand(), a.setupCommand(), a.doctorCommand(), a.labCommand(), a.kubectlCommand(),
		a.generateCommand(), a.verifyCommand(), a.mutantsCommand(), a.checkCommand(),
	)
	for _, c := range root.Commands() {
		a.complete(c)
		if c.Args != nil {
			args := c.Args
			c.Args = func(c *cobra.Command, got []string) error {
				if err := args(c, got); err != nil {
					return usageError{withHint(err, "go tool kata "+c.Name()+" --help")}
				}
				return nil
			}
		}
	}
	return root
}

// selection is the pair of flags that most commands take.
type selection struct {
	stage int
	kata  string
}

func (s *selection) flags(c *cobra.Command) {
	c.Flags().IntVar(&s.stage, "stage", 0, "the stage, 1 to 6")
	c.Flags().StringVar(&s.kata, "kata", "", "the kata: workqueue, 04-workqueue, or 04 with a stage")
}

func (a *App) workbook() (*workbook.Workbook, error) {
	w, err := workbook.Find(a.Dir)
	if err != nil {
		return nil, withHint(err, "run it in the folder that you cloned")
	}
	return w, nil
}

// choose returns the katas that the flags name.
func (a *App) choose(s selection) (*workbook.Workbook, []workbook.Kata, error) {
	w, err := a.workbook()
	if err != nil {
		return nil, nil, err
	}
	katas, err := w.Select(s.stage, s.kata)
	return w, katas, err
}

// one returns the only kata that the flags name.
func (a *App) one(s selection) (*workbook.Workbook, workbook.Kata, error) {
	w, err := a.workbook()
	if err != nil {
		return nil, workbook.Kata{}, err
	}
	k, err := w.One(s.stage, s.kata)
	return w, k, err
}

// scratch is the folder for what the CLI generates: ignored by git, invisible to go.
func scratch(w *workbook.Workbook, parts ...string) string {
	return filepath.Join(append([]string{w.Root, ".kata"}, parts...)...)
}
