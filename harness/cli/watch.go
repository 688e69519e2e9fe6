package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/kubekata/kubekata/harness/progress"
	"github.com/kubekata/kubekata/harness/runner"
	"github.com/kubekata/kubekata/harness/watch"
	"github.com/kubekata/kubekata/harness/workbook"
)

func (a *App) watchCommand() *cobra.Command {
	var s selection
	var race bool
	c := &cobra.Command{
		Use:   "watch",
		Short: "Run what you save, as soon as you save it (make watch)",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return a.watch(c.Context(), s, race) },
	}
	s.flags(c)
	c.Flags().BoolVar(&race, "race", false, "with Go's race detector")
	return c
}

// watch runs the katas, and again what is saved, until it is ended: with q on a terminal, else with Ctrl-C. Both are its
// normal end.
func (a *App) watch(ctx context.Context, s selection, race bool) error {
	w, katas, err := a.choose(s)
	if err != nil {
		return err
	}
	if err := a.prepare(ctx, w, katas); err != nil {
		return err
	}
	run := func(ctx context.Context, katas []workbook.Kata, begun func(workbook.Kata), done func(runner.Result)) ([]runner.Result, error) {
		return runner.Run(ctx, runner.Options{Workbook: w, Katas: katas, Race: race, Begun: begun, Done: done})
	}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	quiet := watch.Quiet
	if d, err := time.ParseDuration(os.Getenv(watch.QuietEnv)); err == nil && d > 0 {
		quiet = d
	}
	saved := make(chan []workbook.Kata)
	watch.Files(watching, katas, quiet, saved)
	if !a.interactive() {
		plain := &plainWatch{app: a, w: w}
		watch.Loop(watching, katas, saved, run, plain.tell)
		return nil
	}
	return a.watchScreen(watching, stop, w, katas, saved, run)
}

// interactive reports whether there is somebody to press keys, and a terminal to draw on.
func (a *App) interactive() bool {
	in, ok := a.In.(*os.File)
	out, ok2 := a.Out.(*os.File)
	return ok && ok2 && term.IsTerminal(int(in.Fd())) && term.IsTerminal(int(out.Fd())) && os.Getenv("TERM") != "dumb"
}

// score keeps the score after a run.
func (a *App) score(w *workbook.Workbook, results []runner.Result) (progress.Updated, error) {
	all, err := w.Katas()
	if err != nil {
		return progress.Updated{}, err
	}
	return progress.Update(w, all, results, a.Now())
}

// plainWatch prints lines, for a log or a screen reader: what runs, the verdicts, the first thing that is wrong.
type plainWatch struct {
	app   *App
	w     *workbook.Workbook
	board *board
}

func (p *plainWatch) tell(m watch.Msg) {
	u := p.app.ui
	switch m := m.(type) {
	case watch.Started:
		u.line("%s  running %s", p.app.Now().Format(time.TimeOnly), slugs(m.Katas))
		p.board = newBoard(u, p.w, m.Katas)
	case watch.Verdict:
		p.board.add(m.Result)
	case watch.Finished:
		updated, err := p.app.score(p.w, m.Results)
		switch {
		case err != nil:
			p.app.printError(err)
		case m.Err != nil:
			p.app.printError(explainGo(m.Err))
		case m.Cancelled:
			u.line("%s  saved: that run is over", p.app.Now().Format(time.TimeOnly))
		case len(m.Results) > 0:
			p.board.finish(m.Results, updated, summarise(m.Results))
		}
		if !m.Cancelled {
			u.line("%s  waiting for a save; Ctrl-C ends it", p.app.Now().Format(time.TimeOnly))
		}
	}
}

// watchScreen is watch on a terminal.
func (a *App) watchScreen(ctx context.Context, stop func(), w *workbook.Workbook, katas []workbook.Kata, saved chan []workbook.Kata, run watch.Runner) error {
	screen := newScreen(a, w, katas, func(k workbook.Kata) {
		go func() {
			select {
			case saved <- []workbook.Kata{k}:
			case <-ctx.Done():
			}
		}()
	})
	program := tea.NewProgram(screen, tea.WithInput(a.In), tea.WithOutput(a.Out), tea.WithContext(ctx), tea.WithoutSignalHandler())
	var looping sync.WaitGroup
	looping.Go(func() {
		watch.Loop(ctx, katas, saved, run, func(m watch.Msg) {
			if f, ok := m.(watch.Finished); ok {
				updated, err := a.score(w, f.Results)
				m = scored{f, updated, err}
			}
			program.Send(m)
		})
	})
	_, err := program.Run()
	stop()
	looping.Wait() // ends the run, and with it the processes that it has started
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("draw on the terminal: %w", err)
	}
	return nil
}

// captured runs a command of the App with its output in a text.
func (a *App) captured(command func(*App) error) string {
	var out bytes.Buffer
	sub := &App{In: strings.NewReader(""), Out: &out, Err: &out, Now: a.Now, Dir: a.Dir}
	sub.ui = newUI(&out, &out)
	if err := command(sub); err != nil {
		sub.printError(err)
	}
	return strings.TrimRight(out.String(), "\n")
}
