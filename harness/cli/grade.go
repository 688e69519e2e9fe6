package cli

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/kubekata/kubekata/harness/progress"
	"github.com/kubekata/kubekata/harness/report"
	"github.com/kubekata/kubekata/harness/runner"
	"github.com/kubekata/kubekata/harness/workbook"
)

// addSummary adds the board to a Markdown file, which another step of a job may have begun.
func addSummary(file string, w *workbook.Workbook, results []runner.Result) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("write the summary: %w", err)
	}
	_, err = f.WriteString(summaryText(w, results))
	return errors.Join(err, f.Close())
}

func summaryText(w *workbook.Workbook, results []runner.Result) string {
	sum := summarise(results)
	var b strings.Builder
	fmt.Fprintf(&b, "`%s` **%d of %d katas green** · %d of %d specs\n", progress.Bar(sum.Green, sum.Total, 30), sum.Green, sum.Total, sum.SpecsGreen, sum.SpecsTotal)
	stage := 0
	for _, r := range results {
		if r.Stage != stage {
			stage = r.Stage
			fmt.Fprintf(&b, "\n### %s\n\n| | kata | specs | |\n|---|---|---|---|\n", cell(w.StageTitle(stage)))
		}
		mark := map[runner.State]string{runner.Green: "✅", runner.Red: "❌"}[r.State]
		if mark == "" {
			mark = "⚠️"
		}
		note := r.Title
		switch red := r.FirstRed(); {
		case r.Problem != nil:
			note = r.Problem.Summary
		case red != nil:
			note = "first red: " + red.Text
		}
		if len(r.Changed) > 0 {
			note += " · specs changed"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", mark, r.K.Slug(), strings.TrimSpace(specCount(r.Green, r.Total)), cell(note))
	}
	b.WriteString("\n")
	return b.String()
}

// cell keeps a text on one line of a table.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;").Replace(text)
}

// regressed is errRed when one of the katas was green once and is not.
func regressed(score progress.Score, results []runner.Result) error {
	for _, r := range results {
		if score[r.Kata].FirstGreen != "" && r.State != runner.Green {
			return errRed
		}
	}
	return nil
}

// problems prints what is wrong, a line a spec, in the form that compilers have made usual.
func (a *App) problems(results []runner.Result) {
	for _, r := range results {
		if r.Problem != nil && r.State == runner.Broken {
			a.problem(r, r.Problem.Summary)
			continue
		}
		for _, s := range r.Specs {
			if s.State == report.Passed || s.Failure == nil || s.Failure.File == "" {
				continue
			}
			message := s.Failure.Message
			if s.Failure.Panic != "" {
				message = "panic: " + s.Failure.Panic
			}
			a.ui.line("%s:%d: error: %s: %s", s.Failure.File, s.Failure.Line, s.Text, strings.Join(strings.Fields(message), " "))
		}
	}
}

// place is where something is wrong, wherever it stands in a text: file, line, and, when it is the compiler's, what.
var place = regexp.MustCompile(`(katas/[^\s:]+):(\d+)(?:(:\d+)?: (.+))?`)

// problem prints what keeps a kata from being judged, where that is known; else it points to the learner's file.
func (a *App) problem(r runner.Result, summary string) {
	found := map[string]bool{}
	for _, l := range append([]string{summary}, r.Problem.Detail...) {
		if m := place.FindStringSubmatch(l); m != nil && m[4] != "" && !found[m[0]] {
			found[m[0]] = true
			a.ui.line("%s:%s%s: error: %s", m[1], m[2], m[3], m[4])
		}
	}
	if len(found) == 0 {
		a.ui.line("%s:1: error: %s", learnerFiles(r.K)[0], summary)
	}
}
