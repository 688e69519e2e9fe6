package runner

import (
	"github.com/kubekata/kubekata/harness/report"
	"github.com/kubekata/kubekata/harness/workbook"
)

// State is a kata's verdict.
type State string

const (
	// Green: every spec has run and passed, and nothing else went wrong.
	Green State = "green"
	// Red: specs failed.
	Red State = "red"
	// Broken: the specs could not be judged; Problem says why.
	Broken State = "broken"
)

// Kind classifies a problem.
type Kind string

// The problems that keep a kata from being green, other than a failed spec.
const (
	Compile     Kind = "compile"       // the compiler or vet refused the package
	Setup       Kind = "setup"         // go could not load the package
	Panic       Kind = "panic"         // a panic on a goroutine that no spec can recover
	Exit        Kind = "exit"          // os.Exit or log.Fatal
	Hung        Kind = "hung"          // an endless loop or a deadlock
	Race        Kind = "race"          // the race detector spoke
	NoSpecs     Kind = "no-specs"      // nothing ran
	NotRun      Kind = "not-run"       // specs were skipped, pending or focused away
	MissingKata Kind = "missing-kata"  // the folder is gone
	MissingSpec Kind = "missing-specs" // a spec file is gone
	Stray       Kind = "stray"         // a folder that the workbook does not know
	Suite       Kind = "suite"         // a failure outside the specs: the control plane did not start, say
	Failed      Kind = "failed"        // go test failed and the specs do not say why
	Stopped     Kind = "stopped"       // Ctrl-C
)

// Problem says why a kata could not be judged, or what went wrong beside its specs.
type Problem struct {
	Kind Kind `json:"kind"`
	// Summary is one line.
	Summary string `json:"summary"`
	// Detail holds further lines: the compiler's, a stack's.
	Detail []string `json:"detail,omitempty"`
	// Hint is what to do, often a command.
	Hint string `json:"hint,omitempty"`
}

// Result is the verdict on one kata.
type Result struct {
	Kata   string `json:"kata"`
	Stage  int    `json:"stage"`
	Name   string `json:"name"`
	Title  string `json:"title"`
	State  State  `json:"state"`
	Green  int    `json:"green"`
	Total  int    `json:"total"`
	Given  int    `json:"given"`
	Cached bool   `json:"cached"`
	// Seconds is how long the test process took, 0 when go answered from its cache.
	Seconds float64 `json:"seconds"`
	// Changed are given files (specs) whose content differs from the workbook's.
	Changed []string      `json:"changed,omitempty"`
	Problem *Problem      `json:"problem,omitempty"`
	Specs   []report.Spec `json:"specs"`

	K workbook.Kata `json:"-"`
}

// FirstRed returns the first spec that is not green, nil when there is none.
func (r *Result) FirstRed() *report.Spec {
	for i := range r.Specs {
		if r.Specs[i].State != report.Passed {
			return &r.Specs[i]
		}
	}
	return nil
}
