package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubekata/kubekata/harness/binaries"
	"github.com/kubekata/kubekata/harness/lab"
	"github.com/kubekata/kubekata/harness/workbook"
)

func (a *App) setupCommand() *cobra.Command {
	var s selection
	c := &cobra.Command{
		Use:   "setup",
		Short: "Build what the specs need: the whole control plane, or what one stage or kata uses",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return a.setup(c.Context(), s) },
	}
	s.flags(c)
	return c
}

func (a *App) setup(ctx context.Context, s selection) error {
	w, katas, err := a.choose(s)
	if err != nil {
		return err
	}
	set := binaries.Lab()
	if s.stage != 0 || s.kata != "" {
		if set, _, err = needs(katas); err != nil {
			return err
		}
	}
	paths, err := a.ensure(ctx, w, set)
	if err != nil {
		return err
	}
	for _, p := range set {
		version, err := binaries.VersionOf(ctx, paths[p.Name])
		if err != nil {
			return withHint(err, "remove "+paths[p.Name]+" and run make setup again")
		}
		a.ui.line("%s %-24s %s", a.ui.green.Render("✓"), p.Name, version)
	}
	return a.warm(ctx, w, katas)
}

func (a *App) ensure(ctx context.Context, w *workbook.Workbook, set binaries.Set) (binaries.Paths, error) {
	return binaries.Ensure(ctx, w.Root, set, a.meter())
}

func (a *App) meter() binaries.Progress {
	return binaries.NewProgress(a.ui.err, a.ui.live, a.ui.width, a.Now)
}

// warm compiles what the katas' specs import, with a bar: the first time it takes a minute or two, in which go test
// would be silent.
func (a *App) warm(ctx context.Context, w *workbook.Workbook, katas []workbook.Kata) error {
	var packages []string
	for _, k := range katas {
		if !k.Missing() && k.HasSolution() {
			packages = append(packages, "./"+k.Rel())
		}
	}
	if len(packages) == 0 {
		return nil
	}
	// Asking go what is stale takes most of a second, so the answer is remembered until the versions change.
	stamp, err := warmStamp(w, packages)
	if err != nil {
		return err
	}
	if _, err := os.Stat(stamp); err == nil {
		return nil
	}
	if err := binaries.Warm(ctx, w.Root, packages, a.meter()); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(stamp), 0o755); err != nil {
		return fmt.Errorf("remember what is compiled: %w", err)
	}
	return os.WriteFile(stamp, nil, 0o644)
}

// warmStamp names a file that exists when the packages' imports have been compiled in these versions.
func warmStamp(w *workbook.Workbook, packages []string) (string, error) {
	sum := sha256.New()
	fmt.Fprintln(sum, runtime.Version(), packages)
	data, err := os.ReadFile(filepath.Join(w.Root, "go.sum"))
	if err != nil {
		return "", withHint(fmt.Errorf("read the workbook's versions: %w", err), "git checkout -- go.sum")
	}
	sum.Write(data)
	return scratch(w, "warm", hex.EncodeToString(sum.Sum(nil))[:16]), nil
}

// prepare makes ready what the katas' specs need: the programs, compiled dependencies, the lab. It costs nothing when
// all is there.
func (a *App) prepare(ctx context.Context, w *workbook.Workbook, katas []workbook.Kata) error {
	set, wantLab, err := needs(katas)
	if err != nil {
		return err
	}
	if len(set) > 0 {
		if _, err := a.ensure(ctx, w, set); err != nil {
			return err
		}
	}
	if err := a.warm(ctx, w, katas); err != nil {
		return err
	}
	if wantLab {
		if _, err := a.labUp(ctx, w); err != nil {
			return err
		}
	}
	return lab.Sweep(ctx, w.Root)
}

// needs reads from the spec files which part of the control plane the katas use, and whether they use the lab.
func needs(katas []workbook.Kata) (binaries.Set, bool, error) {
	api, wantLab := false, false
	for _, k := range katas {
		if k.Missing() {
			continue
		}
		files, err := k.Files()
		if err != nil {
			return nil, false, err
		}
		for _, rel := range files {
			if !strings.HasSuffix(rel, "_test.go") {
				continue
			}
			text, err := k.Read(rel)
			if err != nil {
				return nil, false, err
			}
			api = api || strings.Contains(text, "cluster.API(")
			wantLab = wantLab || strings.Contains(text, "cluster.Lab(")
		}
	}
	switch {
	case wantLab:
		return binaries.Lab(), true, nil
	case api:
		return binaries.API(), false, nil
	}
	return nil, false, nil
}
