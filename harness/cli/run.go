package cli

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubekata/kubekata/harness/junit"
	"github.com/kubekata/kubekata/harness/progress"
	"github.com/kubekata/kubekata/harness/runner"
)

type runOptions struct {
	selection
	race        bool
	json        bool
	junit       string
	summary     string
	problems    bool
	regressions bool
}

func (a *App) runCommand() *cobra.Command {
	var o runOptions
	c := &cobra.Command{
		Use:   "run",
		Short: "Run the specs of a stage or a kata on your code, and keep the score (make kata)",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return a.runKatas(c.Context(), o) },
	}
	o.flags(c)
	c.Flags().BoolVar(&o.race, "race", false, "with Go's race detector")
	c.Flags().BoolVar(&o.json, "json", false, "print the results as JSON")
	c.Flags().StringVar(&o.junit, "junit", "", "write the results to this file as JUnit XML")
	c.Flags().StringVar(&o.summary, "summary", "", "add the board to this file as Markdown, as for a job's summary")
	c.Flags().BoolVar(&o.problems, "problems", false, "print a line for each red spec, file:line: error: text, as an editor reads them")
	c.Flags().BoolVar(&o.regressions, "regressions", false, "fail only for a kata that "+progress.File+" says was green")
	return c
}

// runReport is what --json prints.
type runReport struct {
	Katas      []runner.Result `json:"katas"`
	Green      int             `json:"green"`
	Total      int             `json:"total"`
	SpecsGreen int             `json:"specsGreen"`
	SpecsTotal int             `json:"specsTotal"`
}

func (a *App) runKatas(ctx context.Context, o runOptions) error {
	w, katas, err := a.choose(o.selection)
	if err != nil {
		return err
	}
	if err := a.prepare(ctx, w, katas); err != nil {
		return err
	}
	b := newBoard(a.ui, w, katas)
	if o.json {
		b = nil
	}
	results, err := a.judge(ctx, runner.Options{Workbook: w, Katas: katas, Race: o.race}, b)
	if err != nil {
		return explainGo(err)
	}
	if o.junit != "" {
		if err := junit.Write(o.junit, results); err != nil {
			return err
		}
	}
	if o.summary != "" {
		if err := addSummary(o.summary, w, results); err != nil {
			return err
		}
	}
	updated, err := a.score(w, results)
	if err != nil {
		return err
	}
	sum := summarise(results)
	if o.json {
		if err := a.printJSON(sum); err != nil {
			return err
		}
	} else {
		b.finish(results, updated, sum)
		if o.problems {
			a.problems(results)
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if o.regressions {
		return regressed(updated.Score, results)
	}
	if sum.Green != sum.Total || sum.Total == 0 {
		return errRed
	}
	return nil
}

// judge runs the specs while the board shows the verdicts as they come. b is nil for no board.
func (a *App) judge(ctx context.Context, o runner.Options, b *board) ([]runner.Result, error) {
	if b == nil {
		return runner.Run(ctx, o)
	}
	pause, clear := a.ui.status(b.waiting)
	o.Done = func(r runner.Result) { pause(func() { b.add(r) }) }
	results, err := runner.Run(ctx, o)
	clear()
	return results, err
}

func summarise(results []runner.Result) runReport {
	sum := runReport{Katas: results}
	for _, r := range results {
		if r.Problem == nil || r.Problem.Kind != runner.Stray {
			sum.Total++
		}
		if r.State == runner.Green {
			sum.Green++
		}
		sum.SpecsGreen += r.Green
		sum.SpecsTotal += r.Total
	}
	return sum
}

func (a *App) printJSON(v any) error {
	enc := json.NewEncoder(a.Out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// explainGo adds what to do to an error of the go command itself.
func explainGo(err error) error {
	var goErr *runner.GoError
	if !errors.As(err, &goErr) {
		return err
	}
	out := goErr.Output
	switch {
	case strings.Contains(out, "dial tcp"), strings.Contains(out, "no such host"), strings.Contains(out, "proxyconnect"), strings.Contains(out, "i/o timeout"):
		return withHint(err, "modules cannot be downloaded: check the network and `go env GOPROXY`, then run it again; what is there is kept")
	case strings.Contains(out, "no space left"):
		return withHint(err, "the disk is full: free some space (`go env GOCACHE GOMODCACHE` are the large folders)")
	case strings.Contains(out, "-race requires cgo"), strings.Contains(out, "C compiler"):
		return withHint(err, "the race detector needs a C compiler: install gcc or clang, or run without RACE=1")
	case strings.Contains(out, "go.mod"), strings.Contains(out, "go mod tidy"):
		return withHint(err, "git diff go.mod go.sum; git checkout -- go.mod go.sum brings them back")
	}
	return withHint(err, "make doctor")
}
