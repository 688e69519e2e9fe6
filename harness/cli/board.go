package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubekata/kubekata/harness/catches"
	"github.com/kubekata/kubekata/harness/progress"
	"github.com/kubekata/kubekata/harness/report"
	"github.com/kubekata/kubekata/harness/runner"
	"github.com/kubekata/kubekata/harness/stub"
	"github.com/kubekata/kubekata/harness/workbook"
)

// board prints one line a kata, in the workbook's order, as soon as the verdicts before it are there.
type board struct {
	ui      *ui
	w       *workbook.Workbook
	katas   []workbook.Kata
	name    int // the width of the longest name
	pending map[string]runner.Result
	next    int
}

func newBoard(u *ui, w *workbook.Workbook, katas []workbook.Kata) *board {
	return &board{ui: u, w: w, katas: katas, name: nameWidth(katas), pending: map[string]runner.Result{}}
}

func nameWidth(katas []workbook.Kata) int {
	width := 0
	for _, k := range katas {
		width = max(width, len(k.Slug()))
	}
	return width
}

// waiting says what has no verdict yet.
func (b *board) waiting() string {
	return "running " + slugs(slices.DeleteFunc(slices.Clone(b.katas[b.next:]), func(k workbook.Kata) bool {
		_, ok := b.pending[k.ID()]
		return ok
	}))
}

func (b *board) add(r runner.Result) {
	b.pending[r.Kata] = r
	for b.next < len(b.katas) {
		k := b.katas[b.next]
		r, ok := b.pending[k.ID()]
		if !ok {
			return
		}
		if b.next == 0 || b.katas[b.next-1].Stage != k.Stage {
			if b.next > 0 {
				b.ui.line("")
			}
			b.ui.line("%s", b.ui.bold.Render(b.w.StageTitle(k.Stage)))
		}
		b.row(r)
		b.next++
	}
}

func (b *board) row(r runner.Result) {
	u := b.ui
	word := u.red.Render("red   ")
	switch r.State {
	case runner.Green:
		word = u.green.Render("green ")
	case runner.Broken:
		word = u.yellow.Render("broken")
	}
	u.line("  %s %-*s  %s  %s  %s", u.verdict(r.State), b.name, r.K.Slug(), specCount(r.Green, r.Total), word, u.note(r))
}

// verdict is a kata's mark.
func (u *ui) verdict(state runner.State) string {
	switch state {
	case runner.Green:
		return u.green.Render("✓")
	case runner.Broken:
		return u.yellow.Render("!")
	}
	return u.red.Render("✗")
}

// note is what a kata's line ends with: its title, or what keeps it from being judged.
func (u *ui) note(r runner.Result) string {
	note := r.Title
	if r.Problem != nil {
		note = r.Problem.Summary
	}
	if len(r.Changed) > 0 {
		note += u.yellow.Render(" · specs changed")
	}
	return note
}

func slugs(katas []workbook.Kata) string {
	var names []string
	for _, k := range katas {
		names = append(names, k.Slug())
	}
	return strings.Join(names, ", ")
}

// finish prints what follows the lines: the first red spec opened, the score, the next command.
func (b *board) finish(results []runner.Result, updated progress.Updated, sum runReport) {
	u := b.ui
	if updated.Kept != "" {
		u.line("")
		u.line("%s could not be read and was rebuilt; the old one is %s", progress.File, relTo(b.w.Root, updated.Kept))
	}
	for i := range results {
		if results[i].State != runner.Green && (results[i].Problem == nil || results[i].Problem.Kind != runner.Stray) {
			b.open(&results[i])
			break
		}
	}
	u.line("")
	for _, c := range updated.Changes {
		switch {
		case c.FirstGreen:
			u.line("%s %s is green for the first time: make compare KATA=%s shows the reference", u.green.Render("★"), c.Kata, nameOf(c.Kata))
		case c.Is == progress.RedAgain:
			u.line("%s %s was green and is red again: git diff shows what changed", u.yellow.Render("↓"), c.Kata)
		}
	}
	verdict := fmt.Sprintf("%d of %d katas green, %d of %d specs", sum.Green, sum.Total, sum.SpecsGreen, sum.SpecsTotal)
	if sum.Green == sum.Total {
		verdict = u.green.Render(verdict)
	}
	u.line("%s", u.bold.Render(verdict))
}

func nameOf(id string) string {
	slug := id[strings.LastIndexByte(id, '/')+1:]
	_, name, _ := strings.Cut(slug, "-")
	return name
}

// open shows the first thing that is wrong with a kata, and the commands to go on with.
func (b *board) open(r *runner.Result) {
	u := b.ui
	u.line("")
	if r.Problem != nil && (r.State == runner.Broken || r.Problem.Kind == runner.Race || r.Problem.Kind == runner.NotRun) {
		u.line("%s %s", u.red.Render("▌"), u.bold.Render(r.Kata))
		u.block("  ", []string{r.Problem.Summary})
		u.block("    ", r.Problem.Detail)
		if r.Problem.Hint != "" {
			u.block("  ", []string{"→ " + r.Problem.Hint})
		}
		return
	}
	s := r.FirstRed()
	if s == nil {
		return
	}
	u.line("%s %s · %s", u.red.Render("▌"), u.bold.Render(r.Kata), s.Text)
	b.failure(s)
	b.transcript(s)
	b.diagnosis(r)
	u.line("")
	u.line("next  edit %s, then:", strings.Join(learnerFiles(r.K), ", "))
	u.line("      %s", u.bold.Render(fmt.Sprintf("make kata STAGE=%d KATA=%s", r.Stage, r.Name)))
	u.line("      %s", u.faint.Render(fmt.Sprintf("lesson: %s/README.md · stuck? make hint STAGE=%d KATA=%s", r.K.Rel(), r.Stage, r.Name)))
}

func (b *board) failure(s *report.Spec) {
	u := b.ui
	if s.Failure == nil {
		u.line("    this spec did not run (%s)", s.State)
		return
	}
	f := s.Failure
	u.line("")
	if f.Panic != "" {
		u.block("    ", []string{"panic: " + f.Panic})
		for _, at := range f.Stack {
			u.line("      at %s", at)
		}
	} else {
		u.block("    ", strings.Split(strings.TrimRight(f.Message, "\n"), "\n"))
	}
	if f.File != "" {
		u.line("    %s", u.faint.Render(fmt.Sprintf("%s:%d", f.File, f.Line)))
	}
}

// loggedLines is how many lines of a spec's output are shown, the last ones.
const loggedLines = 8

func (b *board) transcript(s *report.Spec) {
	if output := strings.TrimSpace(s.Output); output != "" {
		lines := strings.Split(output, "\n")
		b.ui.line("")
		b.ui.line("    what was logged:")
		b.ui.block("      ", lines[max(0, len(lines)-loggedLines):])
	}
	if len(s.Transcript) > 0 {
		b.ui.line("")
		b.ui.line("    what your code asked the API server:")
		b.ui.block("      ", s.Transcript)
	}
}

// diagnosis says what the code behaves as, when its red specs are exactly those of a known mistake.
func (b *board) diagnosis(r *runner.Result) {
	mistakes, err := catches.Diagnose(*r)
	if err != nil || len(mistakes) == 0 {
		return // the linter reports a table that cannot be read; a learner can do nothing about it
	}
	b.ui.line("")
	if len(mistakes) == 1 {
		b.ui.line("    %s your code behaves like this one:", b.ui.yellow.Render("?"))
	} else {
		b.ui.line("    %s your code behaves like one of these:", b.ui.yellow.Render("?"))
	}
	for _, m := range mistakes {
		b.ui.block("      ", []string{m})
	}
}

// learnerFiles returns the paths of the files to edit, without those that a tool writes.
func learnerFiles(k workbook.Kata) []string {
	files, err := k.LearnerFiles()
	if err != nil {
		return []string{k.Rel()}
	}
	files = slices.DeleteFunc(files, func(rel string) bool {
		src, err := os.ReadFile(filepath.Join(k.SolutionDir(), filepath.FromSlash(rel)))
		return err == nil && stub.IsGenerated(src)
	})
	for i, f := range files {
		files[i] = k.Rel() + "/" + f
	}
	return files
}
