// Command bench measures the learner's loop, as ratios between commands that run in turn on the same machine: make bench.
// It works on a copy of the workbook and on a lab of its own, and leaves nothing behind.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/kubekata/kubekata/harness/binaries"
	"github.com/kubekata/kubekata/harness/lab"
	"github.com/kubekata/kubekata/harness/workbook"
)

func main() {
	rounds := flag.Int("rounds", 5, "how often each command is timed; the median counts")
	only := flag.Bool("scheduler", false, "measure the scheduler alone")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *rounds, *only); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// bench is the copy that is measured.
type bench struct {
	ctx    context.Context
	source *workbook.Workbook
	root   string // the copy
	rounds int
	edits  int
}

func run(ctx context.Context, rounds int, only bool) (err error) {
	w, err := workbook.Find(".")
	if err != nil {
		return err
	}
	programs, err := binaries.Find(w.Root, binaries.Lab())
	if err != nil {
		return fmt.Errorf("%w (make setup)", err)
	}
	dir, err := os.MkdirTemp("", "kubekata-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	// The programs stay where they are; the lab is another than the learner's.
	cache := filepath.Join(dir, "cache")
	if err := linkPrograms(w.Root, cache); err != nil {
		return err
	}
	if err := os.Setenv(binaries.CacheEnv, cache); err != nil {
		return err
	}
	b := &bench{ctx: ctx, source: w, root: filepath.Join(dir, "book"), rounds: rounds}
	if err := b.copy(); err != nil {
		return err
	}
	defer func() {
		_, downErr := lab.Down(context.WithoutCancel(ctx))
		err = errors.Join(err, downErr)
	}()
	if !only {
		if err := b.loop(); err != nil {
			return err
		}
		if err := b.coldStart(programs); err != nil {
			return err
		}
	}
	return b.scheduler()
}

// linkPrograms makes the cache folder of the bench use the programs that are built.
func linkPrograms(root, cache string) error {
	dir, err := binaries.Dir(root)
	if err != nil {
		return err
	}
	to := filepath.Join(cache, "kubekata")
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	return os.Symlink(dir, filepath.Join(to, filepath.Base(dir)))
}

// copy lays out the committed and the new files of the workbook, with the reference of the kata that is measured, and
// beside it a package with the same imports whose only spec talks to nobody.
func (b *bench) copy() error {
	out, err := b.output(b.source.Root, nil, "git", "ls-files", "--cached", "--others", "--exclude-standard")
	if err != nil {
		return err
	}
	for _, rel := range strings.Fields(out) {
		data, err := os.ReadFile(filepath.Join(b.source.Root, rel))
		if errors.Is(err, os.ErrNotExist) {
			continue // deleted, and not committed yet
		}
		if err != nil {
			return err
		}
		if err := write(filepath.Join(b.root, rel), data); err != nil {
			return err
		}
	}
	solution, err := os.ReadFile(filepath.Join(b.root, "solutions/stage1/03-clientset/clientset.go"))
	if err != nil {
		return err
	}
	specs, err := os.ReadFile(filepath.Join(b.root, "katas/stage1/03-clientset/clientset_test.go"))
	if err != nil {
		return err
	}
	quiet, err := withoutServer(string(specs))
	if err != nil {
		return err
	}
	return errors.Join(
		write(b.file(), solution),
		write(b.baseline(), solution),
		write(filepath.Join(filepath.Dir(b.baseline()), "clientset_test.go"), []byte(quiet)),
	)
}

// withoutServer turns the kata's spec file into one that is compiled and linked alike, and runs a single empty spec.
func withoutServer(specs string) (string, error) {
	const api = "var api = cluster.API()"
	if !strings.Contains(specs, api) {
		return "", fmt.Errorf("the specs of 03-clientset do not hold %q", api)
	}
	specs = strings.Replace(specs, api, "var api = &cluster.Cluster{}\n\nvar _ = cluster.API", 1)
	specs = strings.ReplaceAll(specs, "katas/stage1/03-clientset", "bench/clientset")
	specs = strings.ReplaceAll(specs, "var _ = Describe(", "var _ = unused(")
	// The specs are kept where the linker cannot drop them.
	return specs + "\nvar kept []func()\n\nfunc unused(_ string, f func()) bool { kept = append(kept, f); return true }\n\nvar _ = Describe(\"nothing\", func() { It(\"talks to nobody\", func() {}) })\n", nil
}

func write(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}

func (b *bench) file() string {
	return filepath.Join(b.root, "katas/stage1/03-clientset/clientset.go")
}

func (b *bench) baseline() string { return filepath.Join(b.root, "bench/clientset/clientset.go") }

// save is what a learner's editor does: the package is another one afterwards. A change that the linker drops would be
// answered from go's cache.
func (b *bench) save(file string) error {
	b.edits++
	data, err := os.ReadFile(filepath.Join(b.root, "solutions/stage1/03-clientset/clientset.go"))
	if err != nil {
		return err
	}
	return os.WriteFile(file, fmt.Appendf(data, "\nvar edit string\n\nfunc init() { edit = \"%d\" }\n", b.edits), 0o644)
}

// loop measures save → verdict.
func (b *bench) loop() error {
	kata := func(env ...string) func() (time.Duration, error) {
		return func() (time.Duration, error) {
			return b.timed(b.file(), env, "go", "tool", "kata", "run", "--stage=1", "--kata=clientset")
		}
	}
	bare := func() (time.Duration, error) {
		return b.timed(b.baseline(), nil, "go", "test", "./bench/clientset")
	}
	if _, err := lab.Up(b.ctx, b.root, nil); err != nil {
		return err
	}
	ours, base, stock, err := b.three(kata("KUBEKATA_API=lab"), bare, kata("KUBEKATA_API=stock"))
	if err != nil {
		return err
	}
	fmt.Printf("(a) save → verdict, lab up: %.2f s; go test of the same imports without a server: %.2f s; ratio %.2f (bound 1.3)\n", ours, base, ours/base)
	fmt.Printf("(b) save → verdict, lab up: %.2f s; the same with stock envtest: %.2f s; ratio %.2f (bound 0.5)\n", ours, stock, ours/stock)
	report, err := lab.Look(b.ctx)
	if err != nil {
		return err
	}
	fmt.Printf("(d) memory of the lab: %d MB in %d processes\n", report.MemoryMB(), len(report.Processes))
	_, err = lab.Down(b.ctx)
	return err
}

// three times three commands in turn, after a round that warms the caches, and returns the medians in seconds.
func (b *bench) three(first, second, third func() (time.Duration, error)) (float64, float64, float64, error) {
	var times [3][]float64
	for round := range b.rounds + 1 {
		for i, f := range []func() (time.Duration, error){first, second, third} {
			took, err := f()
			if err != nil {
				return 0, 0, 0, err
			}
			if round > 0 {
				times[i] = append(times[i], took.Seconds())
			}
		}
	}
	return median(times[0]), median(times[1]), median(times[2]), nil
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// timed saves a file and times a command that must succeed.
func (b *bench) timed(file string, env []string, name string, args ...string) (time.Duration, error) {
	if err := b.save(file); err != nil {
		return 0, err
	}
	begun := time.Now()
	_, err := b.output(b.root, env, name, args...)
	return time.Since(begun), err
}

func (b *bench) output(dir string, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(b.ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	var out, both bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &both
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s%s", name, strings.Join(args, " "), err, out.String(), both.String())
	}
	return out.String(), nil
}

// coldStart measures from no cluster at all to a Deployment's pods Running.
func (b *bench) coldStart(programs binaries.Paths) error {
	ours := func() (time.Duration, error) {
		begun := time.Now()
		if _, err := b.output(b.root, nil, "go", "tool", "kata", "lab", "up"); err != nil {
			return 0, err
		}
		state, _ := lab.Join(b.ctx)
		err := b.deploy(programs, state.KubectlEnv())
		took := time.Since(begun)
		_, downErr := lab.Down(b.ctx)
		return took, errors.Join(err, downErr)
	}
	stock := func() (time.Duration, error) { return b.kwokctl(programs) }
	nothing := func() (time.Duration, error) { return 0, nil }
	a, c, _, err := b.three(ours, stock, nothing)
	if err != nil {
		return err
	}
	fmt.Printf("(c) make lab, cold, to running pods: %.2f s; kwokctl create cluster to running pods: %.2f s; ratio %.2f (bound 1.1)\n", a, c, a/c)
	return nil
}

// kwokctl makes a cluster as its documentation does, with the same programs.
func (b *bench) kwokctl(programs binaries.Paths) (took time.Duration, err error) {
	dir := filepath.Join(filepath.Dir(b.root), "kwokctl")
	env := []string{"KWOK_WORKDIR=" + filepath.Join(dir, "work"), "KUBECONFIG=" + filepath.Join(dir, "kubeconfig"), "KUBECACHEDIR=" + filepath.Join(dir, "cache")}
	ctl := programs[binaries.Kwokctl.Name]
	args := []string{"create", "cluster", "--runtime=binary", "--kube-authorization", "--wait=60s", "--kubeconfig=" + filepath.Join(dir, "kubeconfig"),
		"--etcd-binary=" + programs[binaries.Etcd.Name], "--kube-apiserver-binary=" + programs[binaries.APIServer.Name],
		"--kube-controller-manager-binary=" + programs[binaries.ControllerManager.Name], "--kube-scheduler-binary=" + programs[binaries.Scheduler.Name],
		"--kwok-controller-binary=" + programs[binaries.Kwok.Name]}
	config := filepath.Join(dir, "kwok.yaml")
	if err := write(config, []byte("kind: KwokctlConfiguration\napiVersion: config.kwok.x-k8s.io/v1alpha1\noptions:\n  bindAddress: 127.0.0.1\n  kubectlBinary: "+programs[binaries.Kubectl.Name]+"\n")); err != nil {
		return 0, err
	}
	defer func() {
		_, deleteErr := b.output(b.root, env, ctl, "delete", "cluster", "--kubeconfig="+filepath.Join(dir, "kubeconfig"))
		err = errors.Join(err, deleteErr, os.RemoveAll(dir))
	}()
	begun := time.Now()
	if _, err := b.output(b.root, env, ctl, append(args, "--config="+config)...); err != nil {
		return 0, err
	}
	if _, err := b.output(b.root, env, ctl, "scale", "node", "--replicas=2"); err != nil {
		return 0, err
	}
	err = b.deploy(programs, env)
	return time.Since(begun), err
}

// deploy makes a Deployment and waits for its pods to run.
func (b *bench) deploy(programs binaries.Paths, env []string) error {
	kubectl := programs[binaries.Kubectl.Name]
	if _, err := b.output(b.root, env, kubectl, "create", "deployment", "web", "--image=nginx", "--replicas=3"); err != nil {
		return err
	}
	_, err := b.output(b.root, env, kubectl, "wait", "--for=jsonpath={.status.readyReplicas}=3", "--timeout=60s", "deployment/web")
	return err
}
