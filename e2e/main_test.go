package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"sigs.k8s.io/e2e-framework/pkg/env"
	"sigs.k8s.io/e2e-framework/pkg/envconf"
	"sigs.k8s.io/e2e-framework/pkg/envfuncs"

	"github.com/kubekata/kubekata/e2e/lab"
	"github.com/kubekata/kubekata/e2e/process"
	"github.com/kubekata/kubekata/harness/binaries"
	"github.com/kubekata/kubekata/harness/ephemeral"
	"github.com/kubekata/kubekata/harness/workbook"
)

// What the journeys share.
var (
	testenv  env.Environment
	provider *lab.Provider
	book     *workbook.Workbook
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
	if p := os.Getenv("PROVIDER"); p != "" && p != "lab" {
		return 1, fmt.Errorf("PROVIDER is %q, and there is only lab", p)
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

	provider = lab.New(book.Root)
	testenv = env.NewWithConfig(config)
	testenv.Setup(envfuncs.CreateCluster(provider, "lab"))
	var left error // the framework logs what a Finish returns, and is green
	testenv.Finish(func(ctx context.Context, _ *envconf.Config) (context.Context, error) {
		left = errors.Join(gone(ctx), provider.Destroy(ctx))
		return ctx, left
	})
	testenv.BeforeEachFeature(begin)
	exit = testenv.Run(m)
	return exit, left
}
