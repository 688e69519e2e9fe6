package e2e

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"sigs.k8s.io/e2e-framework/pkg/env"
	"sigs.k8s.io/e2e-framework/pkg/envconf"
	"sigs.k8s.io/e2e-framework/pkg/envfuncs"
	"sigs.k8s.io/e2e-framework/pkg/types"

	"github.com/kubekata/kubekata/e2e/kind"
	"github.com/kubekata/kubekata/e2e/lab"
	"github.com/kubekata/kubekata/e2e/process"
	"github.com/kubekata/kubekata/harness/binaries"
	"github.com/kubekata/kubekata/harness/ephemeral"
	"github.com/kubekata/kubekata/harness/workbook"
)

// cluster is what the journeys run on.
type cluster interface {
	types.E2EClusterProvider
	// KubectlEnv binds a kubectl, or a program, to the cluster.
	KubectlEnv() []string
}

// What the journeys share.
var (
	testenv  env.Environment
	provider cluster
	// onKind is the provider if it is kind, and else nil.
	onKind *kind.Provider
	book   *workbook.Workbook
	// code is whose programs run.
	code = process.Solutions
	// programs is the folder of what is built. The processes that are started from it end with us, or are swept by the next run.
	programs string
	kubectl  string
)

func TestMain(m *testing.M) {
	exit, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		exit = 1
	}
	os.Exit(exit)
}

func run(m *testing.M) (exit int, err error) {
	name := cmp.Or(os.Getenv("PROVIDER"), "lab")
	if name != "lab" && name != "kind" {
		return 1, fmt.Errorf("PROVIDER is %q, and must be lab or kind", name)
	}
	if c := os.Getenv("CODE"); c != "" {
		code = process.Code(c)
	}
	config, err := envconf.NewFromFlags()
	if err != nil {
		return 1, err
	}
	if book, err = workbook.Find("."); err != nil {
		return 1, err
	}
	if err := ephemeral.Sweep(); err != nil {
		return 1, err
	}
	dir, done, err := ephemeral.New()
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, done()) }()
	programs = filepath.Join(dir, "programs")
	if err := os.Mkdir(programs, 0o700); err != nil {
		return 1, err
	}
	found, err := binaries.Find(book.Root, binaries.Lab())
	if err != nil {
		return 1, fmt.Errorf("the lab's programs are not built (make setup): %w", err)
	}
	kubectl = found[binaries.Kubectl.Name]

	if name == "kind" {
		if onKind, err = kind.New(context.Background(), book.Root, dir, kubectl); err != nil {
			return 1, err
		}
		provider = onKind
		config.WithSkipLabels(onlyOn(config.SkipLabels(), "lab"))
	} else {
		provider = lab.New(book.Root)
		config.WithSkipLabels(onlyOn(config.SkipLabels(), "kind"))
	}
	testenv = env.NewWithConfig(config)
	testenv.Setup(envfuncs.CreateCluster(provider, kind.Name))
	var left error // the framework logs what a Finish returns, and is green
	testenv.Finish(func(ctx context.Context, _ *envconf.Config) (context.Context, error) {
		left = errors.Join(gone(ctx), provider.Destroy(ctx))
		return ctx, left
	})
	testenv.BeforeEachFeature(begin)
	exit = testenv.Run(m)
	return exit, left
}

// onlyOn adds to labels that are skipped those of journeys for another provider.
func onlyOn(labels map[string][]string, other string) map[string][]string {
	if labels == nil {
		labels = map[string][]string{}
	}
	labels["provider"] = append(labels["provider"], other)
	return labels
}
