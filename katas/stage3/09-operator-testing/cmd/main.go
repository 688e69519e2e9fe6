// Command operator-testing runs the learner's specs against the operator that was handed in, on the lab: make run KATA=operator-testing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubekata/kubekata/harness/loopback"
	operatortesting "github.com/kubekata/kubekata/katas/stage3/09-operator-testing"
	"github.com/kubekata/kubekata/katas/stage3/09-operator-testing/bench"
	"github.com/kubekata/kubekata/katas/stage3/09-operator-testing/operator"
	"github.com/kubekata/kubekata/katas/stage3/09-operator-testing/site"
)

const group = "web.kubekata.dev"

func main() {
	right := flag.Bool("right", false, "run them against the operator as it ought to be")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	maker := operator.Maker(operator.HandedIn)
	if *right {
		maker = operator.New
	}
	if err := run(ctx, maker); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, maker operator.Maker) (err error) {
	config, err := loopback.ProgramConfig()
	if err != nil {
		return err
	}
	b := bench.Bench{Operator: maker, Scheme: runtime.NewScheme(), Config: config}
	if err := clientgoscheme.AddToScheme(b.Scheme); err != nil {
		return err
	}
	site.AddToScheme(b.Scheme, group)
	c, err := client.New(config, client.Options{Scheme: b.Scheme})
	if err != nil {
		return err
	}
	definition, namespace := site.Definition(group), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "operator-testing-"}}
	defer func() { err = errors.Join(err, clean(ctx, c, definition, namespace)) }()
	if err := c.Apply(ctx, client.ApplyConfigurationFromUnstructured(definition), client.FieldOwner("operator-testing")); err != nil {
		return err
	}
	if err := c.Create(ctx, namespace); err != nil {
		return err
	}
	b.Namespace = namespace.Name
	if err := served(ctx, b); err != nil {
		return err
	}
	for _, s := range operatortesting.Specs() {
		one, cancel := context.WithTimeout(ctx, 10*time.Second)
		r := bench.Run(one, s, b)
		cancel()
		if r.Failure == nil {
			fmt.Println("✓", r.Name)
			continue
		}
		fmt.Printf("✗ %s\n    %s\n", r.Name, strings.ReplaceAll(r.Failure.Error(), "\n", "\n    "))
	}
	return nil
}

// served waits until the server serves Sites.
func served(ctx context.Context, b bench.Bench) error {
	return wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, 20*time.Second, true, func(ctx context.Context) (bool, error) {
		c, err := client.New(b.Config, client.Options{Scheme: b.Scheme}) // a new one, which has not looked before
		return err == nil && c.List(ctx, &site.SiteList{}, client.Limit(1)) == nil, err
	})
}

// clean removes what run has made, also after Ctrl-C. It does not wait for it to be gone.
func clean(ctx context.Context, c client.Client, objects ...client.Object) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	var failed error
	for _, obj := range objects {
		if obj.GetName() != "" {
			failed = errors.Join(failed, client.IgnoreNotFound(c.Delete(ctx, obj)))
		}
	}
	return failed
}
