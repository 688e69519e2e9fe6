package cli

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubekata/kubekata/harness/binaries"
	"github.com/kubekata/kubekata/harness/lab"
	"github.com/kubekata/kubekata/harness/workbook"
)

func (a *App) doctorCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Say what is missing on this machine, and the command that mends it",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return a.doctor(c.Context(), asJSON) },
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the findings as JSON")
	return c
}

// symptom is one line of the doctor's. A warning does not make the doctor fail.
type symptom struct {
	ok   bool
	warn bool
	text string
	mend string
}

// finding is a symptom of `kata doctor --json`.
type finding struct {
	Check string `json:"check"`
	// State is "ok", "warning" or "bad".
	State string `json:"state"`
	Text  string `json:"text"`
	Mend  string `json:"mend,omitempty"`
}

func (a *App) doctor(ctx context.Context, asJSON bool) error {
	w, err := a.workbook()
	if err != nil {
		return err
	}
	var findings []finding
	bad := 0
	for _, look := range []struct {
		check string
		at    func(context.Context, *workbook.Workbook) symptom
	}{
		{"go", goSymptom}, {"git", gitSymptom}, {"flags", flagsSymptom}, {"modules", modulesSymptom}, {"cache", cacheSymptom},
		{"control plane", programsSymptom}, {"lab", labSymptom}, {"ports", portsSymptom}, {"files", filesSymptom},
		{"clock", a.clockSymptom}, {"race", raceSymptom}, {"kubeconfig", kubeconfigSymptom}, {"docker", dockerSymptom},
	} {
		s := look.at(ctx, w)
		f := finding{Check: look.check, State: "ok", Text: s.text}
		mark := a.ui.green.Render("✓")
		switch {
		case s.ok:
		case s.warn:
			f.State, f.Mend = "warning", s.mend
			mark = a.ui.yellow.Render("!")
		default:
			f.State, f.Mend = "bad", s.mend
			mark = a.ui.red.Render("✗")
			bad++
		}
		findings = append(findings, f)
		if asJSON {
			continue
		}
		a.ui.line("%s %s", mark, f.Text)
		if f.Mend != "" {
			a.ui.block("    → ", []string{f.Mend})
		}
	}
	if asJSON {
		if err := a.printJSON(map[string]any{"findings": findings, "bad": bad}); err != nil {
			return err
		}
	}
	if bad > 0 {
		return errRed
	}
	return nil
}

// fromError makes a symptom of an error, with its own hint when it has one.
func fromError(err error, mend string) symptom {
	return symptom{text: err.Error(), mend: cmp.Or(hintOf(err), mend)}
}

func goSymptom(ctx context.Context, w *workbook.Workbook) symptom {
	version, err := binaries.CheckGo(ctx, w.Root)
	if err != nil {
		return fromError(err, "install Go from https://go.dev/dl")
	}
	return symptom{ok: true, text: "go " + version}
}

func gitSymptom(ctx context.Context, _ *workbook.Workbook) symptom {
	out, err := exec.CommandContext(ctx, "git", "--version").Output()
	if err != nil {
		return symptom{text: "git is not on PATH: compare and the way back from a lost file need it", mend: "install git"}
	}
	return symptom{ok: true, text: strings.TrimSpace(string(out))}
}

func flagsSymptom(ctx context.Context, _ *workbook.Workbook) symptom {
	out, err := exec.CommandContext(ctx, "go", "env", "GOFLAGS", "GOPROXY").Output()
	if err != nil {
		return fromError(fmt.Errorf("go env: %w", err), "make doctor again, when go runs")
	}
	flags, proxy, _ := strings.Cut(strings.TrimRight(string(out), "\n"), "\n")
	if strings.Contains(flags, "-mod=vendor") {
		return symptom{text: "GOFLAGS holds -mod=vendor, and the workbook has no vendor folder", mend: "go env -u GOFLAGS, or unset it in your shell"}
	}
	if proxy == "off" {
		return symptom{warn: true, text: "GOPROXY is off: modules that are not there yet cannot be downloaded", mend: "go env -u GOPROXY"}
	}
	return symptom{ok: true, text: "modules come from the proxies that go env GOPROXY names"}
}

func cacheSymptom(_ context.Context, _ *workbook.Workbook) symptom {
	dir, err := binaries.CacheDir()
	if err != nil {
		return fromError(err, "set HOME")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return symptom{text: "the cache folder cannot be made: " + err.Error(), mend: "set " + binaries.CacheEnv + " to a folder that you may write to"}
	}
	probe, err := os.CreateTemp(dir, ".probe-*")
	if err != nil {
		return symptom{text: "the cache folder cannot be written to: " + err.Error(), mend: "set " + binaries.CacheEnv + " to a folder that you may write to"}
	}
	_ = probe.Close()
	if err := os.Remove(probe.Name()); err != nil {
		return fromError(err, "look at "+dir)
	}
	free, err := binaries.Free(dir)
	if err != nil {
		return fromError(err, "look at "+dir)
	}
	text := fmt.Sprintf("%s, %.0f GB free", dir, float64(free)/(1<<30))
	if free < 2<<30 {
		return symptom{text: text, mend: "free some space, or set " + binaries.CacheEnv + ", GOCACHE and GOMODCACHE to a larger disk"}
	}
	return symptom{ok: true, text: text}
}

func programsSymptom(ctx context.Context, w *workbook.Workbook) symptom {
	paths, err := binaries.Find(w.Root, binaries.Lab())
	if err != nil {
		return fromError(err, "make setup")
	}
	version, err := binaries.VersionOf(ctx, paths[binaries.APIServer.Name])
	if err != nil {
		return fromError(err, "remove "+filepath.Dir(paths[binaries.APIServer.Name])+" and run make setup")
	}
	return symptom{ok: true, text: "the control plane is built: " + version}
}

func labSymptom(ctx context.Context, _ *workbook.Workbook) symptom {
	r, err := lab.Look(ctx)
	switch {
	case err != nil:
		return fromError(err, "make lab-down")
	case r.Up:
		return symptom{ok: true, text: "the lab is up"}
	case len(r.Processes) > 0:
		return symptom{warn: true, text: "the lab is not whole: " + r.Reason, mend: "make lab replaces it, make lab-down ends it"}
	}
	return symptom{ok: true, text: "the lab is down; it starts when a kata needs it"}
}

func raceSymptom(ctx context.Context, _ *workbook.Workbook) symptom {
	out, err := exec.CommandContext(ctx, "go", "env", "GOOS", "CC").Output()
	if err != nil {
		return fromError(fmt.Errorf("go env: %w", err), "make doctor again, when go runs")
	}
	goos, cc, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if _, err := exec.LookPath(cc); err != nil && goos != "darwin" {
		return symptom{warn: true, text: "no C compiler: RACE=1 will not work, all else does", mend: "install gcc or clang"}
	}
	return symptom{ok: true, text: "RACE=1 works"}
}

func kubeconfigSymptom(context.Context, *workbook.Workbook) symptom {
	return symptom{ok: true, text: "your own kubeconfig is neither read nor written: the lab has one of its own"}
}
