// Command calculate runs the manager with the learner's controller against the lab, and shows what it says: make run KATA=calculate.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/yaml"

	"github.com/kubekata/kubekata/harness/loopback"
	calculate "github.com/kubekata/kubekata/katas/stage3/05-calculate"
	mathv1 "github.com/kubekata/kubekata/katas/stage3/05-calculate/api/v1"
	"github.com/kubekata/kubekata/katas/stage3/05-calculate/internal/controller"
)

const definition = "config/crd/bases/math.kubekata.dev_calculates.yaml"

func main() {
	namespace := flag.String("n", "default", "the namespace to look after")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctrl.SetLogger(logr.Discard())
	if err := run(ctx, *namespace); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, namespace string) error {
	config, err := loopback.ProgramConfig()
	if err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	if err := mathv1.AddToScheme(scheme); err != nil {
		return err
	}
	if err := install(ctx, config, scheme); err != nil {
		return err
	}
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                 scheme,
		Cache:                  cache.Options{DefaultNamespaces: map[string]cache.Config{namespace: {}}},
		Metrics:                metricsserver.Options{BindAddress: "0"},
		HealthProbeBindAddress: "0",
	})
	if err != nil {
		return err
	}
	if err := (&controller.CalculateReconciler{Client: mgr.GetClient()}).SetupWithManager(mgr); err != nil {
		return err
	}
	informer, err := mgr.GetCache().GetInformer(ctx, &mathv1.Calculate{})
	if err != nil {
		return err
	}
	if _, err := informer.AddEventHandler(shown()); err != nil {
		return err
	}
	fmt.Println("the manager runs; in another terminal: make kubectl ARGS='apply -f katas/stage3/05-calculate/config/samples/calculate.yaml'")
	return mgr.Start(ctx)
}

// install applies the definition, and waits until the server serves its resource. It stays there: kubectl explain is worth a look.
func install(ctx context.Context, config *rest.Config, scheme *runtime.Scheme) error {
	data, err := fs.ReadFile(calculate.Files, definition)
	if err != nil {
		return err
	}
	crd := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(data, &crd.Object); err != nil {
		return fmt.Errorf("%s: %w", definition, err)
	}
	if len(crd.Object) == 0 {
		return errors.New(definition + " is not generated yet: make -C katas/stage3/05-calculate manifests")
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return err
	}
	if err := c.Apply(ctx, client.ApplyConfigurationFromUnstructured(crd), client.FieldOwner("calculate"), client.ForceOwnership); err != nil {
		return fmt.Errorf("install the definition: %w", err)
	}
	return wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, 20*time.Second, true, func(ctx context.Context) (bool, error) {
		c, err := client.New(config, client.Options{Scheme: scheme}) // a new one, which has not looked before
		if err != nil {
			return false, err
		}
		err = c.List(ctx, &mathv1.CalculateList{}, client.Limit(1))
		if meta.IsNoMatchError(err) {
			return false, nil
		}
		return err == nil, client.IgnoreNotFound(err)
	})
}
