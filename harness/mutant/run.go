package mutant

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"

	"github.com/kubekata/kubekata/harness/overlay"
	"github.com/kubekata/kubekata/harness/report"
	"github.com/kubekata/kubekata/harness/runner"
	"github.com/kubekata/kubekata/harness/workbook"
)

// Verdict is what the specs made of a mutant.
type Verdict struct {
	Kata    string `json:"kata"`
	Mutant  string `json:"mutant"`
	Mistake string `json:"mistake"`
	Spec    string `json:"spec"`
	Caught  bool   `json:"caught"`
	// Reason says why it was not caught: it survived, does not compile, or names a spec that does not exist.
	Reason string `json:"reason,omitempty"`
	// Red are the specs that it turned red: all of them in a full run, else at most the one it names.
	Red []string `json:"red,omitempty"`
	// Died says that the mutant ended the process, or kept it from ending: specs that would have come after that are not in Red.
	Died    bool    `json:"died,omitempty"`
	Seconds float64 `json:"seconds"`
	// Tries is how often it was run. More than once means that the spec it names let it pass before, or could not tell.
	Tries int `json:"tries"`

	// settled says that another try would come to the same: it is caught, does not compile, or names no spec.
	settled bool
}

// MaxTries is how often a mutant is run until the spec that it names catches it. Some mistakes show by chance only: a data race, a
// goroutine that is late. One that needs more than one try is caught, and worth a look: [Verdict] says so.
const MaxTries = 3

// Options says which mutants to run and how.
type Options struct {
	Workbook *workbook.Workbook
	Katas    []workbook.Kata
	// Dir is where changed files are kept; a stable one serves go's cache.
	Dir string
	// Full runs every spec on each mutant, not just the one that it names.
	Full bool
	// Workers is how many mutants are tested at once.
	Workers int
	// Done is called with each verdict, from one goroutine at a time. May be nil.
	Done func(Verdict)
	// Kata is called when all mutants of a kata have their verdicts, with these, unless one of them was not caught. An error
	// of it ends the run. May be nil.
	Kata func(workbook.Kata, []Verdict) error
	// Note is called with what does not change a verdict and is worth knowing. May be nil.
	Note func(string)
}

type job struct {
	kata   workbook.Kata
	mutant Mutant
	slot   int
	// first and count are the slots of the kata's mutants.
	first, count int
	batch        *batch // nil for a mutant that is compiled by itself
	err          error  // of Apply
}

// Run tests the mutants of the katas and returns the verdicts in order. The error says that a list of mutants is
// wrong, or that go could not run; it is not a survivor's.
//
// The mutants of a kata that change nothing but functions are linked into one test binary, which is then run once for each.
func Run(ctx context.Context, o Options) ([]Verdict, error) {
	mutants := make([][]Mutant, len(o.Katas))
	total := 0
	for i, k := range o.Katas {
		var err error
		if mutants[i], err = Load(k); err != nil {
			return nil, err
		}
		total += len(mutants[i])
	}
	verdicts := make([]Verdict, total)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan job, 1024) // so that the next kata is built while the specs of one run
	var workers sync.WaitGroup
	var report sync.Mutex
	for range max(1, o.Workers) {
		workers.Go(func() {
			for j := range queue {
				v, err := o.test(ctx, j)
				j.batch.done()
				if err != nil {
					cancel(err)
					continue
				}
				report.Lock()
				verdicts[j.slot] = v
				if err := o.tell(verdicts, j, v); err != nil {
					cancel(err)
				}
				report.Unlock()
			}
		})
	}
	slot := 0
	for i, k := range o.Katas {
		jobs, err := o.prepare(ctx, k, mutants[i])
		if err != nil {
			cancel(err)
		}
		first := slot
		for _, j := range jobs {
			j.slot, j.first, j.count = slot, first, len(jobs)
			slot++
			queue <- j
		}
	}
	close(queue)
	workers.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return verdicts, nil
}

// tell tells of a verdict, and of the kata when it was its last.
func (o Options) tell(verdicts []Verdict, j job, v Verdict) error {
	if o.Done != nil {
		o.Done(v)
	}
	if o.Kata == nil {
		return nil
	}
	mine := verdicts[j.first : j.first+j.count]
	for _, v := range mine {
		if v.Mutant == "" || !v.Caught {
			return nil
		}
	}
	return o.Kata(j.kata, mine)
}

// test runs the specs against one mutant.
func (o Options) test(ctx context.Context, j job) (Verdict, error) {
	v := Verdict{Kata: j.kata.ID(), Mutant: j.mutant.Name, Mistake: j.mutant.Mistake, Spec: j.mutant.Spec}
	if j.err != nil {
		v.Reason = j.err.Error()
		return v, nil
	}
	if ctx.Err() != nil {
		return v, context.Cause(ctx)
	}
	opts := runner.Options{Workbook: o.Workbook, Katas: []workbook.Kata{j.kata}}
	if !o.Full {
		opts.Focus = j.mutant.Spec
	}
	for try := 1; try <= MaxTries && !v.settled; try++ {
		opts.Uncached = try > 1
		result, err := o.specs(ctx, j, opts)
		if err != nil {
			return v, fmt.Errorf("mutant %s of %s: %w", j.mutant.Name, j.kata.ID(), err)
		}
		if ctx.Err() != nil {
			return v, context.Cause(ctx)
		}
		v.Tries = try
		v.judge(result)
	}
	if o.Full && !v.Caught && v.Died {
		// It ends the suite before the spec that it names has its turn, which is asked alone then.
		opts.Focus, opts.Uncached = j.mutant.Spec, true
		result, err := o.specs(ctx, j, opts)
		if err != nil {
			return v, fmt.Errorf("mutant %s of %s: %w", j.mutant.Name, j.kata.ID(), err)
		}
		v.judge(result)
		v.Died = true // which specs it turns red is not known
	}
	return v, nil
}

// specs runs the specs once against one mutant.
func (o Options) specs(ctx context.Context, j job, opts runner.Options) (runner.Result, error) {
	if j.batch == nil {
		return o.apart(ctx, j, opts)
	}
	opts.Env = []string{SelectEnv + "=" + j.mutant.Name}
	return runner.Exec(ctx, opts, j.batch.binary)
}

// apart compiles a mutant by itself.
func (o Options) apart(ctx context.Context, j job, opts runner.Options) (runner.Result, error) {
	contents, err := j.mutant.Apply(j.kata)
	if err != nil {
		return runner.Result{}, err
	}
	over := overlay.New(o.dir(j.kata, j.mutant.Name))
	if err := over.Mutant(j.kata, "mutant", contents); err != nil {
		return runner.Result{}, err
	}
	if opts.Overlay, err = over.File("overlay.json"); err != nil {
		return runner.Result{}, err
	}
	results, err := runner.Run(ctx, opts)
	if err != nil {
		return runner.Result{}, err
	}
	return results[0], nil
}

// dir is where the files of a mutant, or of a kata's batch, are kept.
func (o Options) dir(k workbook.Kata, name string) string {
	return filepath.Join(o.Dir, strings.ReplaceAll(k.ID(), "/", "-")+"-"+name)
}

// judge decides whether the spec that the mutant names has caught it. Only a spec that ran and failed counts: a mutant
// that does not compile, or that keeps the suite from starting, proves nothing about the specs.
func (v *Verdict) judge(r runner.Result) {
	v.Seconds += r.Seconds
	v.Red, v.Reason = nil, ""
	var named *report.Spec
	for i, s := range r.Specs {
		if s.State != report.Passed && s.State != report.Skipped && s.State != report.NotRun && s.State != report.Pending {
			v.Red = append(v.Red, s.Text)
		}
		if s.Text == v.Spec {
			named = &r.Specs[i]
		}
	}
	v.Died = r.Problem != nil && r.Problem.Kind != runner.NotRun
	died := r.Problem != nil && (r.Problem.Kind == runner.Panic || r.Problem.Kind == runner.Hung || r.Problem.Kind == runner.Exit)
	switch {
	case r.Problem != nil && (r.Problem.Kind == runner.Compile || r.Problem.Kind == runner.Setup):
		v.Reason = "it does not compile: " + strings.Join(append([]string{r.Problem.Summary}, r.Problem.Detail...), "\n")
		v.settled = r.Problem.Kind == runner.Compile
	case named == nil && r.Problem != nil && r.Problem.Kind != runner.NotRun:
		v.Reason = r.Problem.Summary
	case named == nil:
		v.Reason, v.settled = fmt.Sprintf("no spec has the text %q", v.Spec), true
	case named.State == report.Failed, named.State == report.Panicked, named.State == report.TimedOut, named.State == report.Aborted:
		v.Caught, v.settled = true, true
	case named.State == report.Interrupted && died:
		v.Caught, v.settled = true, true // it took the process down with it, and the runner says so to the learner
	case r.Problem != nil && r.Problem.Kind != runner.NotRun:
		v.Reason = r.Problem.Summary
	case len(v.Red) > 0:
		v.Reason = fmt.Sprintf("%q lets it pass (%q caught it)", v.Spec, v.Red[0])
	default:
		v.Reason = fmt.Sprintf("it survives: %q lets it pass", v.Spec)
	}
}
