package cli

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
)

// complete lets the shell complete --stage and --kata with what the workbook has.
func (a *App) complete(c *cobra.Command) {
	register := func(flag string, values func(*cobra.Command) []cobra.Completion) {
		if c.Flags().Lookup(flag) == nil {
			return
		}
		err := c.RegisterFlagCompletionFunc(flag, func(c *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return values(c), cobra.ShellCompDirectiveNoFileComp
		})
		if err != nil {
			panic(err) // the flag is there, and is completed once
		}
	}
	register("stage", func(*cobra.Command) []cobra.Completion { return a.stages() })
	register("kata", func(c *cobra.Command) []cobra.Completion {
		stage, err := c.Flags().GetInt("stage")
		if err != nil {
			return nil
		}
		return a.kataNames(stage)
	})
}

func (a *App) stages() []cobra.Completion {
	w, katas, err := a.choose(selection{})
	if err != nil {
		return nil // outside a workbook there is nothing to complete
	}
	var all []cobra.Completion
	last := 0
	for _, k := range katas {
		if k.Stage != last {
			last = k.Stage
			all = append(all, cobra.CompletionWithDesc(strconv.Itoa(last), w.StageTitle(last)))
		}
	}
	return all
}

// kataNames returns the katas of a stage, or of all for 0: by name, which is unique in most workbooks; else by stage and slug.
func (a *App) kataNames(stage int) []cobra.Completion {
	_, katas, err := a.choose(selection{stage: stage})
	if err != nil {
		return nil
	}
	times := map[string]int{}
	for _, k := range katas {
		times[k.Name]++
	}
	var all []cobra.Completion
	for _, k := range katas {
		name := k.Name
		if times[name] > 1 {
			name = k.ID()
		}
		all = append(all, cobra.CompletionWithDesc(name, fmt.Sprintf("%s: %s", k.ID(), k.Title)))
	}
	return all
}
