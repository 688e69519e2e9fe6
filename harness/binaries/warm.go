package binaries

import (
	"context"
	"os"
	"strings"
	"time"
)

// fewPackages is up to how many stale packages compile without a bar: those of the workbook itself.
const fewPackages = 25

// Warm compiles what the test packages of the workbook import, with progress, when much of it has not been compiled
// yet. Nothing that the workbook's own module holds is compiled here: a learner's compile error belongs on the board.
func Warm(ctx context.Context, root string, packages []string, p Progress) error {
	// Not in the folder of the control plane, where the next build sweeps: go list leaves nothing behind.
	listing, err := os.MkdirTemp("", "kubekata-list-")
	if err != nil {
		return explain(err.Error(), err)
	}
	defer os.RemoveAll(listing)
	g := goCommand{dir: root, name: "the specs' libraries", tmp: listing, progress: p}
	// The template leaves out main packages, test variants ("p [q.test]") and the workbook's own module.
	format := `{{if and .Stale (not .ForTest) (ne .Name "main") .Module}}{{if not .Module.Main}}{{.ImportPath}}{{end}}{{end}}`
	downloads := 0
	cmd := g.command(ctx, append([]string{"list", "-e", "-deps", "-test", "-f", format}, packages...)...)
	var out strings.Builder
	cmd.Stdout = &out
	if err := g.run(cmd, func(line string) {
		if strings.HasPrefix(line, "go: downloading ") {
			downloads++
			p.Step(g.name, "modules downloaded", downloads, 0)
		}
	}); err != nil {
		return err
	}
	stale := strings.Fields(out.String())
	if len(stale) <= fewPackages {
		return nil
	}
	// Two that compile the same at once help nobody. Whoever has nothing to compile does not wait.
	dir, err := Dir(root)
	if err != nil {
		return err
	}
	unlock, err := lockDir(ctx, dir, p)
	if err != nil {
		return err
	}
	defer unlock()
	if err := sweepTemporary(dir); err != nil {
		return err
	}
	if g.tmp, err = os.MkdirTemp(dir, ".build-"); err != nil {
		return explain(err.Error(), err)
	}
	defer os.RemoveAll(g.tmp) // nothing of value is left in it
	defer p.End()
	start, compiled := time.Now(), 0
	// Staleness spreads upwards: what go build -v names is a part of the list, and the list is the total.
	cmd = g.command(ctx, append([]string{"build", "-v"}, stale...)...)
	err = g.run(cmd, func(line string) {
		if !strings.ContainsAny(line, " \t:") {
			compiled++
			p.Step(g.name, "packages", min(compiled, len(stale)), len(stale))
		}
	})
	if err == nil {
		p.Built(g.name, time.Since(start))
	}
	return err
}
