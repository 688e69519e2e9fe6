// Package verify is the gate on the workbook itself: every stub compiles and every one of its specs is red for the right
// reason, every reference is green. It runs the committed specs by overlay, so that it neither sees nor touches what the
// learner has written.
package verify

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubekata/kubekata/harness/overlay"
	"github.com/kubekata/kubekata/harness/report"
	"github.com/kubekata/kubekata/harness/runner"
	"github.com/kubekata/kubekata/harness/stub"
	"github.com/kubekata/kubekata/harness/workbook"
)

// redBound is how long all specs of a kata may take on the stub, in seconds. Red must come at once: a stub that is only
// found out by a timeout teaches nothing. On a quiet
// machine no kata takes more than ten seconds; several suites that share two cores have been seen to take twice that. A
// spec that hangs takes thirty, and so is found.
const redBound = 25.0

// Verdict is the outcome for a kata.
type Verdict struct {
	Kata  string `json:"kata"`
	Specs int    `json:"specs"`
	Given int    `json:"given"`
	// StubSeconds is what the specs took on the stub.
	StubSeconds float64 `json:"stubSeconds"`
	// Rounds is how often the reference was run again, see Options.
	Rounds int `json:"rounds,omitempty"`
	// Problems is empty when the kata is as it must be.
	Problems []string `json:"problems,omitempty"`
}

// Options says what to verify.
type Options struct {
	Workbook *workbook.Workbook
	Katas    []workbook.Kata
	// Dir is where stubs and overlays are kept; a stable one serves go's cache.
	Dir string
	// Race runs the references under the race detector.
	Race bool
	// Rounds is how often the references are run once all is well, without go's cache. The first red round is the last.
	Rounds int
	// Phase is called as a phase begins ("stubs", "solutions", "round 3"). May be nil.
	Phase func(name string)
}

// Run verifies the katas and returns a verdict for each, in order. The error says that go could not run, or that a
// solution's markers are wrong.
func Run(ctx context.Context, o Options) ([]Verdict, error) {
	stubs, err := o.phase(ctx, "stubs", runner.Options{}, (*overlay.Overlay).Stub)
	if err != nil {
		return nil, err
	}
	solutions, err := o.phase(ctx, "solutions", runner.Options{Race: o.Race}, (*overlay.Overlay).Solution)
	if err != nil {
		return nil, err
	}
	verdicts := make([]Verdict, len(o.Katas))
	for i, k := range o.Katas {
		v := Verdict{Kata: k.ID(), Specs: solutions[i].Total, Given: solutions[i].Given}
		v.judgeStub(stubs[i])
		v.judgeSolution(solutions[i])
		if a, b := len(stubs[i].Specs), len(solutions[i].Specs); a != b && len(v.Problems) == 0 {
			v.Problems = append(v.Problems, fmt.Sprintf("%d specs ran on the stub, %d on the solution", a, b))
		}
		verdicts[i] = v
	}
	for round := 1; round <= o.Rounds && !wrong(verdicts); round++ {
		name := fmt.Sprintf("round %d", round)
		again, err := o.phase(ctx, name, runner.Options{Race: o.Race, Uncached: true}, (*overlay.Overlay).Solution)
		if err != nil {
			return nil, err
		}
		for i := range verdicts {
			verdicts[i].Rounds = round
			verdicts[i].judgeSolution(again[i])
		}
	}
	return verdicts, nil
}

func wrong(verdicts []Verdict) bool {
	return slices.ContainsFunc(verdicts, func(v Verdict) bool { return len(v.Problems) > 0 })
}

func (o Options) phase(ctx context.Context, name string, how runner.Options, add func(*overlay.Overlay, workbook.Kata) error) ([]runner.Result, error) {
	if o.Phase != nil {
		o.Phase(name)
	}
	over := overlay.New(filepath.Join(o.Dir, "verify"))
	for _, k := range o.Katas {
		if k.HasSolution() {
			if err := add(over, k); err != nil {
				return nil, err
			}
		}
	}
	file, err := over.File(strings.Fields(name)[0] + ".json")
	if err != nil {
		return nil, err
	}
	how.Workbook, how.Katas, how.Overlay = o.Workbook, o.Katas, file
	results, err := runner.Run(ctx, how)
	if err == nil {
		err = context.Cause(ctx)
	}
	return results, err
}

func (v *Verdict) judgeStub(r runner.Result) {
	if r.Problem != nil {
		v.add("stub: %s", strings.Join(append([]string{r.Problem.Summary}, r.Problem.Detail...), "\n    "))
		return
	}
	for _, s := range r.Specs {
		v.StubSeconds += s.Seconds
		switch {
		case s.IsGiven() && s.State != report.Passed:
			v.add("stub: %q has the label given, and is %s: %s", s.Text, s.State, message(s))
		case s.IsGiven():
		case s.State == report.Passed:
			v.add("stub: %q is green without any work", s.Text)
		case s.State == report.Panicked && !strings.Contains(s.Failure.Panic, stub.NotImplemented):
			v.add("stub: %q panics, and not with the stub's own panic: %s", s.Text, s.Failure.Panic)
		case s.State == report.Failed, s.State == report.Panicked:
		default:
			v.add("stub: %q is %s, not failed: %s", s.Text, s.State, message(s))
		}
	}
	if v.StubSeconds > redBound {
		v.add("stub: its specs take %.1f s to turn red; the bound is %.0f s", v.StubSeconds, redBound)
	}
}

func (v *Verdict) judgeSolution(r runner.Result) {
	if r.Problem != nil {
		v.add("solution: %s", strings.Join(append([]string{r.Problem.Summary}, r.Problem.Detail...), "\n    "))
	}
	if len(r.Changed) > 0 {
		v.add("%s: changed since make generate recorded it", strings.Join(r.Changed, ", "))
	}
	for _, s := range r.Specs {
		if s.State != report.Passed {
			v.add("solution: %q is %s: %s", s.Text, s.State, message(s))
		}
	}
	if r.State != runner.Green && len(v.Problems) == 0 {
		v.add("solution: the verdict is %s", r.State)
	}
}

func message(s report.Spec) string {
	if s.Failure == nil {
		return "no failure recorded"
	}
	text := s.Failure.Message
	if s.Failure.Panic != "" {
		text += ": " + s.Failure.Panic
	}
	return fmt.Sprintf("%s (%s:%d)", strings.ReplaceAll(text, "\n", "\n    "), s.Failure.File, s.Failure.Line)
}

func (v *Verdict) add(format string, args ...any) {
	v.Problems = append(v.Problems, fmt.Sprintf(format, args...))
}
