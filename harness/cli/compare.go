package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubekata/kubekata/harness/generate"
	"github.com/kubekata/kubekata/harness/progress"
	"github.com/kubekata/kubekata/harness/stub"
	"github.com/kubekata/kubekata/harness/workbook"
)

func (a *App) compareCommand() *cobra.Command {
	var s selection
	var force, stat bool
	c := &cobra.Command{
		Use:   "compare",
		Short: "Show the difference between your code and the reference",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return a.compare(c.Context(), s, force, stat) },
	}
	s.flags(c)
	c.Flags().BoolVar(&force, "force", false, "also before the kata is green")
	c.Flags().BoolVar(&stat, "stat", false, "how many lines differ, and not which: it gives nothing away, and needs no --force")
	return c
}

func (a *App) compare(ctx context.Context, s selection, force, stat bool) error {
	w, k, err := a.one(s)
	if err != nil {
		return err
	}
	score, err := progress.Read(w)
	if err != nil {
		return err
	}
	if e := score[k.ID()]; e.State != progress.Green && e.FirstGreen == "" && !force && !stat {
		return withHint(fmt.Errorf("%s is not green yet, and the reference is best read after one's own solution", k.ID()),
			fmt.Sprintf("make hint STAGE=%d KATA=%s\nmake compare STAGE=%d KATA=%s FORCE=1 shows it all the same", k.Stage, k.Name, k.Stage, k.Name))
	}
	files, err := k.LearnerFiles()
	if err != nil {
		return err
	}
	same := true
	for _, rel := range files {
		differs, err := a.diff(ctx, w, k, rel, stat)
		if err != nil {
			return err
		}
		same = same && !differs
	}
	if same {
		a.ui.line("%s: your code is the reference, word for word", k.ID())
	}
	return nil
}

// diff shows the difference in one file with git, from the learner's to the reference without its markers.
func (a *App) diff(ctx context.Context, w *workbook.Workbook, k workbook.Kata, rel string, stat bool) (differs bool, err error) {
	src, err := os.ReadFile(filepath.Join(k.SolutionDir(), filepath.FromSlash(rel)))
	if err != nil {
		return false, fmt.Errorf("read the reference: %w", err)
	}
	reference := filepath.ToSlash(filepath.Join(".kata", "reference", filepath.FromSlash(k.ID()), filepath.FromSlash(rel)))
	path := filepath.Join(w.Root, filepath.FromSlash(reference))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return false, fmt.Errorf("write the reference: %w", err)
	}
	if err := os.WriteFile(path, stub.Clean(src), 0o644); err != nil {
		return false, fmt.Errorf("write the reference: %w", err)
	}
	mine := k.Rel() + "/" + rel
	if _, err := os.Stat(filepath.Join(w.Root, filepath.FromSlash(mine))); err != nil {
		return false, withHint(fmt.Errorf("%s is gone", mine), fmt.Sprintf("make reset STAGE=%d KATA=%s brings the stub back", k.Stage, k.Name))
	}
	args := []string{"diff", "--no-index", "--src-prefix=yours/", "--dst-prefix=reference/"}
	if stat {
		args = append(args, "--stat")
	}
	if a.ui.width == 0 {
		args = append(args, "--no-color")
	}
	cmd := exec.CommandContext(ctx, "git", append(args, "--", mine, reference)...)
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = w.Root, a.In, a.Out, a.Err
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return false, nil
	case errors.As(err, &exit) && exit.ExitCode() == 1:
		return true, nil
	case errors.Is(err, exec.ErrNotFound):
		return false, withHint(errors.New("git is not on PATH"), "install git, or open "+k.SolutionRel()+"/"+rel)
	}
	return false, fmt.Errorf("git diff: %w", err)
}

func (a *App) resetCommand() *cobra.Command {
	var s selection
	c := &cobra.Command{
		Use:   "reset",
		Short: "Put a kata back to its stub; your files are kept under .kata/backup",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return a.reset(s) },
	}
	s.flags(c)
	return c
}

func (a *App) reset(s selection) error {
	_, k, err := a.one(s)
	if err != nil {
		return err
	}
	if !k.HasSolution() {
		return fmt.Errorf("%s is not a kata of this workbook: it has no reference to make a stub from", k.Rel())
	}
	changed, kept, err := generate.Reset(k, a.Now())
	if err != nil {
		return err
	}
	if len(changed) == 0 {
		a.ui.line("%s is the stub already", k.ID())
		return nil
	}
	for _, f := range changed {
		a.ui.line("reset %s", f)
	}
	for _, f := range kept {
		a.ui.line("your file is kept as %s", f)
	}
	return nil
}

// relTo shortens a path below root.
func relTo(root, path string) string {
	if rel, err := filepath.Rel(root, path); err == nil && !strings.HasPrefix(rel, "..") {
		return filepath.ToSlash(rel)
	}
	return path
}
