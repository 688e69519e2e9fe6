package watch

import (
	"context"
	"slices"

	"github.com/kubekata/kubekata/harness/runner"
	"github.com/kubekata/kubekata/harness/workbook"
)

// Msg is what [Loop] tells: one of [Started], [Begun], [Verdict] and [Finished], in this order for each run.
type Msg any

// Started: a run has begun, and go compiles what has changed.
type Started struct{ Katas []workbook.Kata }

// Begun: the kata's specs are compiled, and run.
type Begun struct{ Kata workbook.Kata }

// Verdict: a kata has been judged.
type Verdict struct{ Result runner.Result }

// Finished: the run is over.
type Finished struct {
	// Results are those of the katas that were judged.
	Results []runner.Result
	// Cancelled says that a save has ended the run; the next one follows at once.
	Cancelled bool
	// Err is go's own, when it could not run: a module that cannot be downloaded, say.
	Err error
}

// Runner judges katas, as runner.Run does with the two callbacks. It returns soon after ctx has ended.
type Runner func(ctx context.Context, katas []workbook.Kata, begun func(workbook.Kata), done func(runner.Result)) ([]runner.Result, error)

// Loop runs all katas once, and then those that arrive, until ctx ends and the last run has. There is one run at a time. Katas that
// arrive during a run end it: the next one runs them, and those that had no verdict yet. Tell is called from one goroutine at a time, and not
// after Loop has returned.
func Loop(ctx context.Context, katas []workbook.Kata, saved <-chan []workbook.Kata, run Runner, tell func(Msg)) {
	pending := slices.Clone(katas)
	for ctx.Err() == nil {
		if len(pending) == 0 {
			select {
			case more := <-saved:
				pending = union(katas, nil, more)
			case <-ctx.Done():
				return
			}
			continue
		}
		pending = once(ctx, katas, pending, saved, run, tell)
	}
}

// once makes one run, and returns what is to be run after it.
func once(ctx context.Context, katas, now []workbook.Kata, saved <-chan []workbook.Kata, run Runner, tell func(Msg)) (next []workbook.Kata) {
	tell(Started{now})
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	msgs := make(chan Msg)
	over := make(chan Finished, 1)
	go func() {
		results, err := run(running, now,
			func(k workbook.Kata) { msgs <- Begun{k} },
			func(r runner.Result) { msgs <- Verdict{r} })
		over <- Finished{Results: results, Err: err}
	}()
	judged := map[string]bool{}
	var touched []workbook.Kata
	for {
		select {
		case m := <-msgs:
			if v, ok := m.(Verdict); ok {
				if stopped(v.Result) {
					continue
				}
				judged[v.Result.Kata] = true
			}
			tell(m)
		case more := <-saved:
			touched = append(touched, more...)
			cancel()
		case f := <-over:
			f.Results = slices.DeleteFunc(f.Results, stopped)
			f.Cancelled = len(touched) > 0
			if f.Cancelled || ctx.Err() != nil {
				f.Err = nil
			}
			tell(f)
			if !f.Cancelled {
				return nil
			}
			left := slices.DeleteFunc(slices.Clone(now), func(k workbook.Kata) bool { return judged[k.ID()] })
			return union(katas, left, touched)
		}
	}
}

func stopped(r runner.Result) bool { return r.Problem != nil && r.Problem.Kind == runner.Stopped }

// union returns those of the katas that are in one of two lists, in the workbook's order.
func union(katas, a, b []workbook.Kata) []workbook.Kata {
	has := func(list []workbook.Kata, k workbook.Kata) bool {
		return slices.ContainsFunc(list, func(other workbook.Kata) bool { return other.ID() == k.ID() })
	}
	return slices.DeleteFunc(slices.Clone(katas), func(k workbook.Kata) bool { return !has(a, k) && !has(b, k) })
}
