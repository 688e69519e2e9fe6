package runner

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/kubekata/kubekata/harness/report"
	"github.com/kubekata/kubekata/harness/workbook"
)

// died explains a test process that ended before its suite did.
func died(k workbook.Kata, r *Result, out *output) *Problem {
	during := ""
	for _, s := range r.Specs {
		if s.State == report.Interrupted {
			during = fmt.Sprintf(" while %q ran", s.Text)
		}
	}
	for i, l := range out.lines {
		what := ""
		switch {
		case strings.HasPrefix(l, "panic: test timed out"):
			return &Problem{Kind: Hung, Summary: "the test process hung" + during + ", and was ended after " + testTimeout.String(),
				Detail: stacks(out.lines[i:]), Hint: again(k)}
		case strings.HasPrefix(l, "panic: "), strings.HasPrefix(l, "fatal error: "):
			what = l
		default:
			continue
		}
		if strings.Contains(what, "unexpected call to os.Exit") {
			return exited(k, during, stacks(out.lines[i:]))
		}
		kind, hint := Panic, "a panic on a goroutine of your own ends the whole process: no spec can recover it"
		if strings.Contains(what, "all goroutines are asleep") {
			kind, hint = Hung, again(k)
		}
		return &Problem{Kind: kind, Summary: what + during, Detail: stacks(out.lines[i:]), Hint: hint}
	}
	if len(r.Specs) == 0 && (contains(out.lines, "[no test files]") || contains(out.lines, "no tests to run")) {
		return &Problem{Kind: NoSpecs, Summary: "no specs ran: " + k.Rel() + " has no spec file", Hint: "git checkout -- " + k.Rel()}
	}
	if hasRace(out.lines) {
		return race(out.lines)
	}
	if len(r.Specs) == 0 && out.action == "pass" {
		return &Problem{Kind: NoSpecs, Summary: "go test ended without running a spec: something called os.Exit, or no Test function calls harness.RunSpecs",
			Hint: "look for os.Exit in init and main code; the spec files: git diff " + k.Rel()}
	}
	return exited(k, during, last(printed(out.lines), 8))
}

// printed leaves out what the test framework says, and keeps what the code printed.
func printed(lines []string) []string {
	var kept []string
	for _, l := range lines {
		framework := strings.HasPrefix(l, "=== ") || strings.HasPrefix(l, "FAIL") || strings.HasPrefix(l, "--- ") || seedLine.MatchString(l)
		if !framework && strings.TrimSpace(l) != "" {
			kept = append(kept, l)
		}
	}
	return kept
}

// seedLine is Ginkgo's succinct heading: "[1795524632] Stage 1 · 01-greet - 2/2 specs".
var seedLine = regexp.MustCompile(`^\[\d+\] .* specs`)

func exited(k workbook.Kata, during string, detail []string) *Problem {
	return &Problem{Kind: Exit, Summary: "the test process ended" + during + " before its verdict: something called os.Exit or log.Fatal",
		Detail: detail, Hint: "return an error instead of exiting, then: " + again(k)}
}

// stacks returns the workbook's frames of the first goroutine that has some.
func stacks(lines []string) []string {
	for goroutine := range strings.SplitSeq(strings.Join(lines, "\n"), "\n\n") {
		var frames []string
		for _, f := range report.Frames(goroutine) {
			frames = append(frames, "at "+f)
		}
		if len(frames) > 0 {
			return frames
		}
	}
	return nil
}

func hasRace(lines []string) bool { return contains(lines, "WARNING: DATA RACE") }

// race shows the first report of the race detector, reduced to its sentences and the workbook's frames.
func race(lines []string) *Problem {
	p := &Problem{Kind: Race, Summary: "data race: two goroutines use the same memory and one of them writes",
		Hint: "guard it with a mutex, or hand it over through a channel"}
	inside := false
	for i, l := range lines {
		switch {
		case strings.Contains(l, "WARNING: DATA RACE"):
			inside = true
		case inside && strings.HasPrefix(l, "====="):
			return p
		case inside && strings.HasSuffix(l, ":") && !strings.HasPrefix(l, "   "):
			sentence, _, _ := strings.Cut(l, " at 0x")
			p.Detail = append(p.Detail, strings.TrimSpace(strings.TrimSuffix(sentence, ":")))
		case inside && i > 0:
			for _, f := range report.Frames(lines[i-1] + "\n" + l) {
				p.Detail = append(p.Detail, "  at "+f)
			}
		}
	}
	return p
}
