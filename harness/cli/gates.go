package cli

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync/atomic"

	"github.com/spf13/cobra"

	"github.com/kubekata/kubekata/harness/catches"
	"github.com/kubekata/kubekata/harness/check"
	"github.com/kubekata/kubekata/harness/generate"
	"github.com/kubekata/kubekata/harness/mutant"
	"github.com/kubekata/kubekata/harness/verify"
	"github.com/kubekata/kubekata/harness/workbook"
)

func (a *App) generateCommand() *cobra.Command {
	var s selection
	var checkOnly bool
	c := &cobra.Command{
		Use:   "generate",
		Short: "Write the stubs in katas/ from solutions/",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return a.generate(s, checkOnly) },
	}
	s.flags(c)
	c.Flags().BoolVar(&checkOnly, "check", false, "write nothing; fail when a stub is not what its solution generates")
	return c
}

func (a *App) generate(s selection, checkOnly bool) error {
	_, katas, err := a.choose(s)
	if err != nil {
		return err
	}
	drifted, done := 0, 0
	for _, k := range katas {
		if !k.HasSolution() {
			continue
		}
		done++
		if checkOnly {
			files, err := generate.Drift(k)
			if err != nil {
				return err
			}
			for _, f := range files {
				a.ui.line("%s: not what its solution generates", f)
			}
			drifted += len(files)
			continue
		}
		changed, kept, err := generate.Kata(k, a.Now())
		if err != nil {
			return err
		}
		for _, f := range changed {
			a.ui.line("wrote %s", f)
		}
		for _, f := range kept {
			a.ui.line("the old file is kept as %s", f)
		}
	}
	if drifted > 0 {
		return withHint(fmt.Errorf("%d generated files have drifted", drifted), "make generate, and commit what it writes")
	}
	if checkOnly {
		a.ui.line("generate: %d katas, no drift", done)
	}
	return nil
}

func (a *App) verifyCommand() *cobra.Command {
	var s selection
	var asJSON, race bool
	var rounds int
	c := &cobra.Command{
		Use:   "verify",
		Short: "Prove that every stub is red for the right reason and every solution green",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return a.verify(c.Context(), s, race, rounds, asJSON) },
	}
	s.flags(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print the verdicts as JSON")
	c.Flags().BoolVar(&race, "race", false, "run the solutions under the race detector")
	c.Flags().IntVar(&rounds, "rounds", 0, "run the solutions so many times more, without go's cache, until one is red")
	return c
}

func (a *App) verify(ctx context.Context, s selection, race bool, rounds int, asJSON bool) error {
	w, katas, err := a.choose(s)
	if err != nil {
		return err
	}
	if s.stage == 0 && s.kata == "" {
		if katas, err = a.leaveOutLab(katas); err != nil {
			return err
		}
	}
	if err := a.prepare(ctx, w, katas); err != nil {
		return err
	}
	var phase atomic.Value
	phase.Store("stubs")
	_, clear := a.ui.status(func() string { return fmt.Sprintf("verifying %d katas: %s", len(katas), phase.Load()) })
	verdicts, err := verify.Run(ctx, verify.Options{
		Workbook: w, Katas: katas, Dir: scratch(w, "verify"), Race: race, Rounds: rounds, Phase: func(name string) { phase.Store(name) },
	})
	clear()
	if err != nil {
		return explainGo(err)
	}
	specs, wrong := 0, 0
	for _, v := range verdicts {
		specs += v.Specs
		if len(v.Problems) > 0 {
			wrong++
		}
	}
	if asJSON {
		err = a.printJSON(map[string]any{"katas": verdicts, "specs": specs, "wrong": wrong})
	} else {
		a.showVerdicts(verdicts)
		if len(verdicts) > 0 && verdicts[0].Rounds > 0 {
			a.ui.line("%d of %d rounds more", verdicts[0].Rounds, rounds)
		}
		if wrong == 0 {
			a.ui.line("verify: %d katas, %d specs: stubs red, solutions green", len(verdicts), specs)
		} else {
			a.ui.line("verify: %d of %d katas are not as they must be", wrong, len(verdicts))
		}
	}
	if err == nil && wrong > 0 {
		return errRed
	}
	return err
}

// tierEnv is cluster.TierEnv, of a package that would bring the specs' libraries along.
const tierEnv = "KUBEKATA_API"

// leaveOutLab leaves out, and names, the katas that run on the lab whatever KUBEKATA_API says: where it asks for another tier, they would start the lab, and be
// verified there a second time.
func (a *App) leaveOutLab(katas []workbook.Kata) (kept []workbook.Kata, err error) {
	tier := os.Getenv(tierEnv)
	if tier == "" || tier == "lab" {
		return katas, nil
	}
	var left []string
	for _, k := range katas {
		_, onLab, err := needs([]workbook.Kata{k})
		if err != nil {
			return nil, err
		}
		if onLab {
			left = append(left, k.ID())
		} else {
			kept = append(kept, k)
		}
	}
	if len(left) > 0 {
		a.ui.line("%d katas run on the lab, also with %s=%s, and are left out: %s", len(left), tierEnv, tier, strings.Join(left, ", "))
	}
	return kept, nil
}

func (a *App) showVerdicts(verdicts []verify.Verdict) {
	for _, v := range verdicts {
		if len(v.Problems) == 0 {
			a.ui.line("%s %s  %d specs, red on the stub in %.1f s", a.ui.green.Render("✓"), v.Kata, v.Specs, v.StubSeconds)
			continue
		}
		a.ui.line("%s %s", a.ui.red.Render("✗"), v.Kata)
		for _, p := range v.Problems {
			a.ui.block("    ", strings.Split(p, "\n"))
		}
	}
}

func (a *App) mutantsCommand() *cobra.Command {
	var s selection
	var asJSON, full bool
	workers := 3 * runtime.NumCPU() // most of a mutant's time is a spec that waits for what does not come
	c := &cobra.Command{
		Use:   "mutants",
		Short: "Prove that the specs catch every wrong solution of mutants.yaml",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return a.mutants(c.Context(), s, full, workers, asJSON) },
	}
	s.flags(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print the verdicts as JSON")
	c.Flags().BoolVar(&full, "full", false, "run every spec on each mutant, list all that turn red, and record them in catches.yaml")
	c.Flags().IntVar(&workers, "workers", workers, "mutants to test at once")
	return c
}

func (a *App) mutants(ctx context.Context, s selection, full bool, workers int, asJSON bool) error {
	w, katas, err := a.choose(s)
	if err != nil {
		return err
	}
	if err := a.prepare(ctx, w, katas); err != nil {
		return err
	}
	o := mutant.Options{Workbook: w, Katas: katas, Dir: scratch(w, "mutants"), Full: full, Workers: workers}
	done := 0
	pause, clear := a.ui.status(func() string { return fmt.Sprintf("%d mutants tested", done) })
	if !asJSON {
		o.Done = func(v mutant.Verdict) { pause(func() { done++; a.showMutant(v) }) }
	}
	if full {
		o.Kata = catches.Write
	}
	o.Note = func(text string) { pause(func() { fmt.Fprintln(a.Err, text) }) }
	verdicts, err := mutant.Run(ctx, o)
	clear()
	if err != nil {
		return explainGo(err)
	}
	caught := 0
	var lucky, survivors []mutant.Verdict
	for _, v := range verdicts {
		switch {
		case !v.Caught:
			survivors = append(survivors, v)
			continue
		case v.Tries > 1:
			lucky = append(lucky, v)
		}
		caught++
	}
	if asJSON {
		err = a.printJSON(map[string]any{"mutants": verdicts, "caught": caught, "total": len(verdicts)})
	} else {
		if len(survivors) > 0 && len(verdicts) > 10 { // the others have pushed them off the screen
			a.ui.line("\nnot caught:")
			for _, v := range survivors {
				a.showMutant(v)
			}
		}
		if len(lucky) > 0 {
			a.ui.line("\ncaught by chance, tighten their specs:")
			for _, v := range lucky {
				a.showMutant(v)
			}
		}
		a.ui.line("mutants: %d of %d caught", caught, len(verdicts))
	}
	if err == nil && caught < len(verdicts) {
		return errRed
	}
	if err == nil && len(verdicts) == 0 {
		return fmt.Errorf("no mutants at all: nothing has been proved")
	}
	return err
}

func (a *App) showMutant(v mutant.Verdict) {
	if v.Caught {
		try := ""
		if v.Tries > 1 {
			try = fmt.Sprintf(", at try %d", v.Tries)
		}
		a.ui.line("%s %s  %s%s", a.ui.green.Render("✓"), v.Kata, v.Mutant, try)
		for _, red := range v.Red {
			if red != v.Spec {
				a.ui.line("    also %q", red)
			}
		}
		return
	}
	a.ui.line("%s %s  %s: %s", a.ui.red.Render("✗"), v.Kata, v.Mutant, v.Mistake)
	a.ui.block("    ", strings.Split(v.Reason, "\n"))
}

func (a *App) checkCommand() *cobra.Command {
	var s selection
	c := &cobra.Command{
		Use:   "check",
		Short: "Check that every kata has what a kata must have",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return a.check(s) },
	}
	s.flags(c)
	return c
}

func (a *App) check(s selection) error {
	_, katas, err := a.choose(s)
	if err != nil {
		return err
	}
	total := 0
	for _, k := range katas {
		for _, f := range check.Kata(k) {
			a.ui.block("", strings.Split(f, "\n"))
			total++
		}
	}
	if total > 0 {
		return fmt.Errorf("%d findings in %d katas", total, len(katas))
	}
	a.ui.line("check: %d katas, no findings", len(katas))
	return nil
}
