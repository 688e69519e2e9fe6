// Package report is the language between a kata's test process and the runner: one JSON event a line on
// standard output, where `go test` keeps it in its cache and replays it.
//
// The harness writes events with [Emit] only when [Env] is set, so that a plain `go test` prints nothing but
// Ginkgo's own report. The runner reads lines with [Parse].
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Env is the environment variable that turns events on. The runner sets it to "1".
const Env = "KUBEKATA_REPORT"

// FocusEnv names the one spec to run, by its full text. The mutation gate sets it. It is an environment variable
// and not a -ginkgo.focus flag because `go test` does not cache a run with flags that it does not know.
const FocusEnv = "KUBEKATA_FOCUS"

// Given is the Ginkgo label of a spec that is green on the stub, and therefore does not count in the score.
const Given = "given"

// prefix starts every event line. It is not something that a program prints by accident.
const prefix = "::kubekata::"

// Kinds of events, in the order in which a run emits them.
const (
	KindSuite = "suite" // how many specs there are, before the first runs
	KindStart = "start" // a spec begins
	KindSpec  = "spec"  // a spec has ended
	KindEnd   = "end"   // the suite has ended: without it the process died
)

// State is how a spec ended, in Ginkgo's words.
type State string

// The states that a spec can end in. Only Passed is green.
const (
	Passed      State = "passed"
	Failed      State = "failed"
	Panicked    State = "panicked"
	TimedOut    State = "timedout"
	Skipped     State = "skipped"
	Pending     State = "pending"
	Interrupted State = "interrupted"
	Aborted     State = "aborted"
	// NotRun is set by the runner for a spec that the suite counted and never reported.
	NotRun State = "notrun"
)

// Event is one line. Which fields are set depends on Kind.
type Event struct {
	Kind  string `json:"kind"`
	Suite string `json:"suite,omitempty"`
	// Count is set for KindSuite: how many specs the package defines.
	Count int `json:"count,omitempty"`
	// Specs is set for KindEnd: every spec that the package defines with its state, also those that did not run.
	Specs []Spec `json:"specs,omitempty"`
	// Spec is set for KindStart (text only) and KindSpec.
	Spec *Spec `json:"spec,omitempty"`
	// Passed and Message are set for KindEnd. Message holds a failure outside the specs: of BeforeSuite, say.
	Passed  bool   `json:"passed,omitempty"`
	Message string `json:"message,omitempty"`
}

// Spec is one It.
type Spec struct {
	// Text is the full text: containers and It, joined by spaces. It identifies the spec within its kata.
	Text string `json:"text"`
	// Path is the same text in its parts.
	Path   []string `json:"path,omitempty"`
	Labels []string `json:"labels,omitempty"`
	File   string   `json:"file,omitempty"`
	Line   int      `json:"line,omitempty"`

	State   State   `json:"state,omitempty"`
	Seconds float64 `json:"seconds,omitempty"`
	// Failure is set when State is neither passed, skipped nor pending.
	Failure *Failure `json:"failure,omitempty"`
	// Transcript is what the learner's clients asked the API server for. Only set on a red spec.
	Transcript []string `json:"transcript,omitempty"`
	// Output is what the spec wrote to GinkgoWriter. Only set on a red spec.
	Output string `json:"output,omitempty"`
}

// Failure says what was expected, and where.
type Failure struct {
	Message string `json:"message"`
	// File and Line are where the failed expectation stands, or the innermost frame of the workbook for a panic.
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
	// Panic is the panic's value.
	Panic string `json:"panic,omitempty"`
	// Stack holds "file:line function" of the frames that belong to the workbook, innermost first.
	Stack []string `json:"stack,omitempty"`
}

// IsGiven reports whether the spec is green on the stub by design and does not count in the score.
func (s Spec) IsGiven() bool {
	for _, l := range s.Labels {
		if l == Given {
			return true
		}
	}
	return false
}

// Emit writes the event as a line of its own. It begins with a newline, because the learner's code may have
// printed half a line before it.
func Emit(w io.Writer, e Event) error {
	data, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode %s event: %w", e.Kind, err)
	}
	_, err = fmt.Fprintf(w, "\n%s%s\n", prefix, data)
	return err
}

// Parse returns the event that a line of output holds; false when it holds none. A line that starts as an event
// and does not decode is an error: the runner must not guess at a verdict.
func Parse(line string) (Event, bool, error) {
	rest, ok := strings.CutPrefix(strings.TrimRight(line, "\r\n"), prefix)
	if !ok {
		return Event{}, false, nil
	}
	var e Event
	if err := json.Unmarshal([]byte(rest), &e); err != nil {
		return Event{}, true, fmt.Errorf("decode event %.60q: %w", rest, err)
	}
	return e, true, nil
}
