package runner

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubekata/kubekata/harness/given"
	"github.com/kubekata/kubekata/harness/report"
	"github.com/kubekata/kubekata/harness/workbook"
)

// judge turns what go test said of a package into a verdict. out is nil for a folder that was not run.
func judge(k workbook.Kata, out *output, builds map[string][]string, stopped bool) (Result, error) {
	r := Result{Kata: k.ID(), Stage: k.Stage, Name: k.Name, Title: k.Title, State: Broken, K: k, Specs: []report.Spec{}}
	switch {
	case k.Missing():
		r.Problem = &Problem{Kind: MissingKata, Summary: k.Rel() + " is gone: was the folder renamed or deleted?",
			Hint: "rename it back, or: git checkout -- " + k.Rel()}
		return r, nil
	case !k.HasSolution():
		r.Problem = &Problem{Kind: Stray, Summary: k.Rel() + " is not a kata of this workbook: " + k.SolutionRel() + " does not exist",
			Hint: "was a kata's folder renamed? give it its old name (git status shows it)"}
		return r, nil
	}
	drift, err := given.Check(k)
	if err != nil {
		return r, err
	}
	for _, f := range drift.Changed {
		if strings.HasSuffix(f, "_test.go") {
			r.Changed = append(r.Changed, f)
		}
	}
	r.Seconds, r.Cached = out.seconds, out.cached
	if out.cached {
		r.Seconds = 0
	}
	r.Specs = specs(out)
	for _, s := range r.Specs {
		if s.IsGiven() {
			r.Given++
			continue
		}
		r.Total++
		if s.State == report.Passed {
			r.Green++
		}
	}
	r.Problem = problem(k, &r, out, builds, drift, stopped)
	switch {
	case r.Problem != nil && (r.Total == 0 || r.Problem.Kind != Race && r.Problem.Kind != NotRun):
		r.State = Broken
	case r.Problem != nil || r.FirstRed() != nil:
		r.State = Red
	default:
		r.State = Green
	}
	return r, nil
}

// specs merges what the suite reported: each spec's own event, the complete list of the suite's end, and, when the
// process died before that, placeholders up to the number that the suite announced. A spec without a report of its own
// is never taken for green.
func specs(out *output) []report.Spec {
	merged := []report.Spec{}
	at := map[string]int{}
	put := func(s report.Spec) {
		if i, ok := at[s.Text]; ok {
			merged[i] = s
			return
		}
		at[s.Text] = len(merged)
		merged = append(merged, s)
	}
	count := 0
	for _, e := range out.events {
		switch e.Kind {
		case report.KindSuite:
			count = e.Count
		case report.KindStart:
			s := *e.Spec
			s.State = report.Interrupted // until it ends
			put(s)
		case report.KindSpec:
			put(*e.Spec)
		case report.KindEnd:
			for _, s := range e.Specs {
				if _, reported := at[s.Text]; !reported {
					if s.State == report.Passed {
						s.State = report.NotRun
					}
					put(s)
				}
			}
		}
	}
	// Ginkgo shuffles; the learner reads from the top.
	slices.SortStableFunc(merged, func(a, b report.Spec) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	for len(merged) < count {
		merged = append(merged, report.Spec{State: report.NotRun})
	}
	return merged
}

// problem finds what is wrong beside red specs, the most telling cause first. Its last cases are nets: nothing that go
// calls a failure, and no suite that did not report its end, leaves here without a problem.
func problem(k workbook.Kata, r *Result, out *output, builds map[string][]string, drift given.Drift, stopped bool) *Problem {
	end := ended(out)
	switch {
	case stopped && out.action == "":
		return &Problem{Kind: Stopped, Summary: "stopped before the verdict", Hint: again(k)}
	case len(drift.Missing) > 0:
		rel := k.Rel() + "/" + drift.Missing[0]
		return &Problem{Kind: MissingSpec, Summary: rel + " is gone, and specs with it", Hint: "git checkout -- " + rel}
	case out.failedBuild != "":
		return compile(k, buildLines(out.failedBuild, builds))
	case contains(out.lines, "[setup failed]"):
		return setup(k, out, builds)
	case out.broken != nil:
		return &Problem{Kind: Failed, Summary: "the test process's report could not be read: " + out.broken.Error(), Hint: goTest(k)}
	case end == nil:
		return died(k, r, out)
	case aborted(r) != nil:
		return hung(k, aborted(r))
	case end.Message != "" && !end.Passed && !anyFailed(r): // the specs would tell it better
		return outside(end.Message)
	case r.Total == 0:
		return &Problem{Kind: NoSpecs, Summary: "no specs ran: " + k.Rel() + " has no spec file that go test sees", Hint: "git checkout -- " + k.Rel() + "/*_test.go"}
	case hasRace(out.lines):
		return race(out.lines)
	}
	if n := notRun(r); n > 0 && r.FirstRed() != nil && !anyFailed(r) {
		return &Problem{Kind: NotRun, Summary: fmt.Sprintf("%d of %d specs did not run: a spec is focused, pending or skipped", n, len(r.Specs)),
			Hint: "look for FIt, FDescribe, PIt, XIt, Pending and Skip in " + k.Rel()}
	}
	if r.FirstRed() == nil && (out.action != "pass" || !end.Passed) {
		return &Problem{Kind: Failed, Summary: "every spec passed, and yet go test failed", Detail: last(out.lines, 15), Hint: goTest(k)}
	}
	return nil
}

// ended returns the suite's end event; nil when the process died before it.
func ended(out *output) *report.Event {
	for i := range out.events {
		if out.events[i].Kind == report.KindEnd {
			return &out.events[i]
		}
	}
	return nil
}

func notRun(r *Result) int {
	n := 0
	for _, s := range r.Specs {
		if s.State == report.Skipped || s.State == report.Pending || s.State == report.NotRun {
			n++
		}
	}
	return n
}

func anyFailed(r *Result) bool {
	for _, s := range r.Specs {
		if s.Failure != nil {
			return true
		}
	}
	return false
}

// aborted returns the spec with which the harness gave the suite up: it did not return.
func aborted(r *Result) *report.Spec {
	for i, s := range r.Specs {
		if s.State == report.Aborted && s.Failure != nil {
			return &r.Specs[i]
		}
	}
	return nil
}

func hung(k workbook.Kata, s *report.Spec) *Problem {
	lines := strings.Split(s.Failure.Message, "\n")
	return &Problem{Kind: Hung, Summary: fmt.Sprintf("%q: %s", s.Text, lines[0]), Detail: lines[1:],
		Hint: "the specs after it did not run; mend this one, then: " + again(k)}
}

// outside is a failure that no single spec has: BeforeSuite's, mostly. A "hint:" line in it becomes the hint.
func outside(message string) *Problem {
	p := &Problem{Kind: Suite}
	for line := range strings.SplitSeq(strings.TrimSpace(message), "\n") {
		hint, isHint := strings.CutPrefix(strings.TrimSpace(line), "hint: ")
		switch {
		case isHint && p.Hint == "":
			p.Hint = hint
		case p.Summary == "":
			p.Summary = line
		default:
			p.Detail = append(p.Detail, line)
		}
	}
	return p
}

func compile(k workbook.Kata, lines []string) *Problem {
	p := &Problem{Kind: Compile, Summary: "does not compile", Detail: lines, Hint: again(k)}
	if len(lines) > 0 {
		p.Summary = "does not compile: " + lines[0]
		p.Detail = lines[1:]
	}
	return p
}

// buildLines are the compiler's lines for a failed build, without go's "# package" headings.
func buildLines(build string, builds map[string][]string) []string {
	var lines []string
	for _, l := range builds[build] {
		if !strings.HasPrefix(l, "# ") && strings.TrimSpace(l) != "" {
			lines = append(lines, filepath.ToSlash(l))
		}
	}
	return lines
}

func setup(k workbook.Kata, out *output, builds map[string][]string) *Problem {
	var lines []string
	for name, build := range builds {
		if strings.Contains(name, k.Rel()) {
			lines = append(lines, build...)
		}
	}
	for _, l := range out.lines {
		if !strings.HasPrefix(l, "FAIL") {
			lines = append(lines, l)
		}
	}
	var kept []string
	for _, l := range lines {
		if strings.TrimSpace(l) != "" && !strings.HasPrefix(l, "# ") {
			kept = append(kept, l)
		}
	}
	p := compile(k, kept)
	p.Kind = Setup
	return p
}

func again(k workbook.Kata) string {
	return fmt.Sprintf("make kata STAGE=%d KATA=%s", k.Stage, k.Name)
}

func goTest(k workbook.Kata) string { return "go test -v ./" + k.Rel() }

func contains(lines []string, part string) bool {
	for _, l := range lines {
		if strings.Contains(l, part) {
			return true
		}
	}
	return false
}

func last(lines []string, n int) []string { return lines[max(0, len(lines)-n):] }
