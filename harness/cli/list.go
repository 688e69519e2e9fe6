package cli

import (
	"fmt"

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
		entries = append(entries, listed{k.ID(), k.Stage, k.Name, k.Title, e.State, e.Green, e.Total, e.FirstGreen})
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
		a.ui.line("  %s %-*s  %s  %-9s  %s", a.mark(e.State), b.name, katas[i].Slug(), specCount(e.Green, e.Total), e.State, e.Title)
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
		return "  –  "
	}
	return fmt.Sprintf("%2d/%-2d", green, total)
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
