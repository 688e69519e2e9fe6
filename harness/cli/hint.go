package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubekata/kubekata/harness/check"
	"github.com/kubekata/kubekata/harness/workbook"
)

func (a *App) hintCommand() *cobra.Command {
	var s selection
	var again bool
	c := &cobra.Command{
		Use:   "hint",
		Short: "Show a kata's next hint; called again, the one after",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return a.hint(s, again) },
	}
	s.flags(c)
	c.Flags().BoolVar(&again, "restart", false, "begin with the first hint again")
	return c
}

func (a *App) hint(s selection, restart bool) error {
	w, k, err := a.one(s)
	if err != nil {
		return err
	}
	hints, err := check.Hints(k)
	if err != nil {
		return withHint(err, "git checkout -- "+k.Rel()+"/README.md")
	}
	if len(hints) == 0 {
		return fmt.Errorf("the lesson of %s has no hints", k.ID())
	}
	seen := readHints(w)
	if restart {
		seen[k.ID()] = 0
	}
	n := min(seen[k.ID()], len(hints)-1)
	h := hints[n]
	a.ui.line("%s", a.ui.bold.Render(fmt.Sprintf("%s · %s", k.ID(), h.Title)))
	a.ui.line("")
	a.ui.block("  ", strings.Split(h.Body, "\n"))
	a.ui.line("")
	if n == len(hints)-1 {
		a.ui.line("%s", a.ui.faint.Render(fmt.Sprintf("that was the last of %d hints; the reference: make compare STAGE=%d KATA=%s FORCE=1", len(hints), k.Stage, k.Name)))
	} else {
		a.ui.line("%s", a.ui.faint.Render(fmt.Sprintf("hint %d of %d; again for the next", n+1, len(hints))))
	}
	seen[k.ID()] = n + 1
	return writeHints(w, seen)
}

// readHints returns how many hints of each kata have been shown. A file that is missing or damaged means none: the
// worst that comes of it is a hint that is shown twice.
func readHints(w *workbook.Workbook) map[string]int {
	seen := map[string]int{}
	data, err := os.ReadFile(scratch(w, "hints.json"))
	if err != nil || json.Unmarshal(data, &seen) != nil || seen == nil {
		return map[string]int{}
	}
	return seen
}

func writeHints(w *workbook.Workbook, seen map[string]int) error {
	data, err := json.Marshal(seen)
	if err != nil {
		return fmt.Errorf("remember the hint: %w", err)
	}
	if err := os.Mkdir(scratch(w), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("remember the hint: %w", err)
	}
	if err := os.WriteFile(scratch(w, "hints.json"), data, 0o644); err != nil {
		return fmt.Errorf("remember the hint: %w", err)
	}
	return nil
}
