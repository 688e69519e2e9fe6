package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/kubekata/kubekata/harness/binaries"
	"github.com/kubekata/kubekata/harness/lab"
	"github.com/kubekata/kubekata/harness/workbook"
)

func (a *App) labCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "lab",
		Short: "The lab: one cluster for all runs, without Docker",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return a.labStatus(c.Context()) },
	}
	c.AddCommand(
		&cobra.Command{Use: "up", Short: "Start it, or join it", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error { return a.labStart(c.Context()) }},
		&cobra.Command{Use: "down", Short: "Stop it", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error { return a.labDown(c.Context()) }},
		&cobra.Command{Use: "status", Short: "Say how it is", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error { return a.labStatus(c.Context()) }},
	)
	return c
}

// labUp returns the running lab, after building and starting what is missing.
func (a *App) labUp(ctx context.Context, w *workbook.Workbook) (lab.State, error) {
	if _, err := a.ensure(ctx, w, binaries.Lab()); err != nil {
		return lab.State{}, err
	}
	_, clear := a.ui.status(func() string { return "starting the lab" })
	defer clear()
	return lab.Up(ctx, w.Root, func(why string) { fmt.Fprintln(a.ui.err, why) })
}

func (a *App) labStart(ctx context.Context) error {
	w, err := a.workbook()
	if err != nil {
		return err
	}
	begun := a.Now()
	s, err := a.labUp(ctx, w)
	if err != nil {
		return err
	}
	if s.Started.Before(begun) {
		a.ui.line("the lab is up already: %s, %d nodes", s.Server, lab.Nodes)
	} else {
		a.ui.line("the lab is up: %s, %d nodes, in %.1f s", s.Server, lab.Nodes, a.Now().Sub(begun).Seconds())
	}
	a.ui.line("kubeconfig  %s", s.Kubeconfig)
	a.ui.line("try         make kubectl ARGS='get nodes'")
	return nil
}

func (a *App) labDown(ctx context.Context) error {
	found, err := lab.Down(ctx)
	if err != nil {
		return err
	}
	if found {
		a.ui.line("the lab is down")
	} else {
		a.ui.line("there is no lab")
	}
	return nil
}

func (a *App) labStatus(ctx context.Context) error {
	r, err := lab.Look(ctx)
	if err != nil {
		return err
	}
	switch {
	case r.Up:
		a.ui.line("%s the lab is up: %s, for %s, %d MB", a.ui.green.Render("✓"), r.State.Server, a.Now().Sub(r.State.Started).Round(time.Second), r.MemoryMB())
		a.ui.line("  kubeconfig  %s", r.State.Kubeconfig)
	case len(r.Processes) > 0:
		a.ui.line("%s the lab is not whole: %s", a.ui.yellow.Render("!"), r.Reason)
	default:
		a.ui.line("· the lab is down: %s", r.Reason)
	}
	for _, p := range r.Processes {
		a.ui.line("  %-24s pid %-7d %4d MB", p.Name, p.PID, p.ResidentKB/1024)
	}
	if !r.Up {
		return withHint(errors.New("the lab is not up"), "make lab starts or replaces it")
	}
	return nil
}

func (a *App) kubectlCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "kubectl -- args",
		Short: "kubectl on the lab",
		Args:  cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			w, err := a.workbook()
			if err != nil {
				return err
			}
			s, err := a.labUp(c.Context(), w)
			if err != nil {
				return err
			}
			paths, err := binaries.Find(w.Root, binaries.Lab())
			if err != nil {
				return err
			}
			return a.child(a.Dir, s.KubectlEnv(), paths[binaries.Kubectl.Name], args...)
		},
	}
}
