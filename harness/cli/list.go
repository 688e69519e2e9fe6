package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/kubekata/kubekata/harness/progress"
	"github.com/kubekata/kubekata/harness/workbook"
)

func (a *App) listCommand() *cobra.Command {
	var s selection
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List the katas and their state, as of the last run",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return a.list(s, asJSON) },
	}
	s.flags(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print the list as JSON")
	return c
}

// listed is a kata of `kata list --json`.
type listed struct {
	Kata       string `json:"kata"`
	Stage      int    `json:"stage"`
	Name       string `json:"name"`
	Title      string `json:"title"`
	State      string `json:"state"`
	Green      int    `json:"green"`
	Total      int    `json:"total"`
	FirstGreen string `json:"firstGreen,omitempty"`
	// Stale: the workbook's specs have changed since the kata was green. SpecsChanged: the last run's were not the workbook's.
	Stale        bool `json:"stale,omitempty"`
	SpecsChanged bool `json:"specsChanged,omitempty"`
}

func (a *App) list(s selection, asJSON bool) error {
	w, katas, err := a.choose(s)
	if err != nil {
		return err
	}
	score, err := progress.Read(w)
	if err != nil {
		return err
	}
	entries := []listed{}
	for _, k := range katas {
		e := score[k.ID()]
		if e.State == "" {
			e.State = progress.NotRun
		}
		entries = append(entries, listed{k.ID(), k.Stage, k.Name, k.Title, e.State, e.Green, e.Total, e.FirstGreen, e.Stale(k), e.Edited})
	}
	if asJSON {
		return a.printJSON(map[string]any{"katas": entries})
	}
	b := newBoard(a.ui, w, katas)
	for i, e := range entries {
		if i == 0 || entries[i-1].Stage != e.Stage {
			if i > 0 {
				a.ui.line("")
			}
			a.ui.line("%s", a.ui.bold.Render(w.StageTitle(e.Stage)))
		}
		note := e.Title
		if e.Stale {
			note += a.ui.yellow.Render(" · stale: the specs are newer")
		}
		if e.SpecsChanged {
			note += a.ui.yellow.Render(" · specs changed")
		}
		a.ui.line("  %s %-*s  %s  %-9s  %s", a.mark(e.State), b.name, katas[i].Slug(), specCount(e.Green, e.Total), e.State, note)
	}
	return nil
}

func (a *App) mark(state string) string {
	switch state {
	case progress.Green:
		return a.ui.green.Render("✓")
	case progress.Red:
		return a.ui.red.Render("✗")
	case progress.RedAgain:
		return a.ui.yellow.Render("↓")
	}
	return "·"
}

func specCount(green, total int) string {
	if total == 0 {
		return "   –   "
	}
	return fmt.Sprintf("%3d/%-3d", green, total)
}

func (a *App) progressCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "progress",
		Short: "Show the score: a bar for each stage and the whole",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return a.progress() },
	}
}

func (a *App) progress() error {
	w, katas, err := a.choose(selection{})
	if err != nil {
		return err
	}
	score, err := progress.Read(w)
	if err != nil {
		return err
	}
	show := func(name string, katas []workbook.Kata) {
		green, specsGreen, specsTotal := score.Count(katas)
		specs := ""
		if specsTotal > 0 {
			specs = fmt.Sprintf(" · %d of %d specs", specsGreen, specsTotal)
		}
		a.ui.line("%s  %2d of %-2d  %s%s", a.ui.green.Render(progress.Bar(green, len(katas), 20)), green, len(katas), name, a.ui.faint.Render(specs))
	}
	for start := 0; start < len(katas); {
		end := start
		for end < len(katas) && katas[end].Stage == katas[start].Stage {
			end++
		}
		show(w.StageTitle(katas[start].Stage), katas[start:end])
		start = end
	}
	show(a.ui.bold.Render("all"), katas)
	history, err := progress.ReadHistory(w)
	if err != nil {
		return err
	}
	a.time(history, katas)
	a.attention(score, katas)
	for _, k := range katas {
		if score[k.ID()].State != progress.Green {
			a.ui.line("")
			a.ui.line("next  %s · %s", k.ID(), k.Title)
			a.ui.line("      %s", a.ui.bold.Render(fmt.Sprintf("make kata STAGE=%d KATA=%s", k.Stage, k.Name)))
			break
		}
	}
	return nil
}

// time shows what the learner's history on this machine says: days in a row, hours in all, and for each kata.
func (a *App) time(history progress.History, katas []workbook.Kata) {
	if len(history) == 0 {
		return
	}
	spent, runs := history.Spent()
	var all time.Duration
	for _, d := range spent {
		all += d
	}
	current, longest := history.Streak(a.Now())
	a.ui.line("")
	a.ui.line("streak  %s in a row, the longest was %s · %s at it in all, on this machine", days(current), days(longest), duration(all))
	for _, k := range katas {
		if n := runs[k.ID()]; n > 0 {
			a.ui.line("  %8s  %3d runs  %s", duration(spent[k.ID()]), n, k.ID())
		}
	}
}

func days(n int) string {
	if n == 1 {
		return "1 day"
	}
	return fmt.Sprintf("%d days", n)
}

// duration is a time that somebody has spent, to the minute.
func duration(d time.Duration) string {
	if d < time.Hour {
		return fmt.Sprintf("%.0f min", d.Minutes())
	}
	return fmt.Sprintf("%d h %02d", int(d.Hours()), int(d.Minutes())%60)
}

// attention names the katas whose score is not what it looks like.
func (a *App) attention(score progress.Score, katas []workbook.Kata) {
	first := true
	say := func(mark, format string, args ...any) {
		if first {
			a.ui.line("")
			first = false
		}
		a.ui.line("%s %s", a.ui.yellow.Render(mark), fmt.Sprintf(format, args...))
	}
	for _, k := range katas {
		e := score[k.ID()]
		again := fmt.Sprintf("make kata STAGE=%d KATA=%s", k.Stage, k.Name)
		switch {
		case e.State == progress.RedAgain:
			say("↓", "%s was green and is red again: %s", k.ID(), again)
		case e.Stale(k):
			say("~", "%s is stale, its specs are newer than its green: %s", k.ID(), again)
		}
		if e.Edited {
			say("!", "%s was run with specs that are not the workbook's: git diff -- %s shows what was edited", k.ID(), k.Rel())
		}
	}
}
