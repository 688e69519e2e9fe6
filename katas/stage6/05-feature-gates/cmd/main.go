// Command feature-gates says what is on, and publishes a menu to the lab: make run KATA=feature-gates ARGS='--feature-gates=Voice=true'.
package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/go-logr/logr"
	"github.com/spf13/pflag"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/component-base/featuregate"
	"k8s.io/klog/v2"

	"github.com/kubekata/kubekata/harness/loopback"
	kata "github.com/kubekata/kubekata/katas/stage6/05-feature-gates"
)

func main() {
	klog.SetLogger(logr.Discard()) // we say ourselves what is on
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, pflag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	gate, err := kata.NewGate()
	if err != nil {
		return err
	}
	options, flags := &kata.Options{Gate: gate}, pflag.NewFlagSet("feature-gates", pflag.ContinueOnError)
	namespace := flags.StringP("namespace", "n", "default", "the namespace of the menu")
	remove := flags.Bool("remove", false, "remove the menu in the end")
	options.AddFlags(flags)
	if err := flags.Parse(args); err != nil {
		return err
	}
	if err := options.Complete(); err != nil {
		return err
	}
	fmt.Printf("emulating %s\n", gate.EmulationVersion())
	all := gate.GetAll()
	for _, f := range slices.Sorted(maps.Keys(all)) {
		if !strings.HasPrefix(string(f), "All") {
			fmt.Printf("  %-13s %-5t %s\n", f, gate.Enabled(f), stage(all[f]))
		}
	}

	config, err := loopback.ProgramConfig()
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	err = kata.NewPublisher(client, gate).Publish(ctx, *namespace, []kata.Dish{
		{Name: "Lasagne", Price: "12", Translation: "layers of pasta"}, {Name: "Zuppa", Price: "7", Translation: "soup"},
	})
	if err != nil {
		return err
	}
	menu, err := client.CoreV1().ConfigMaps(*namespace).Get(ctx, kata.Name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(menu.Data)) {
		fmt.Printf("%s\n  %s\n", key, strings.ReplaceAll(menu.Data[key], "\n", "\n  "))
	}
	if *remove {
		return client.CoreV1().ConfigMaps(*namespace).Delete(ctx, kata.Name, metav1.DeleteOptions{})
	}
	return nil
}

func stage(spec featuregate.FeatureSpec) string {
	name := string(spec.PreRelease)
	if name == "" {
		name = "GA"
	}
	if spec.LockToDefault {
		name += ", locked"
	}
	return name
}
