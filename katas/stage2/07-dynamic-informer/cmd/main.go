// Command dynamic-informer waits for the Pizza, a kind that the lab does not have when the program starts, and then tells what
// happens to Pizzas: make run KATA=dynamic-informer.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"

	"github.com/kubekata/kubekata/harness/loopback"
	dynamicinformer "github.com/kubekata/kubekata/katas/stage2/07-dynamic-informer"
)

var definitions = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}

func main() {
	namespace := flag.String("n", "default", "the namespace")
	group := flag.String("group", "late.kubekata.dev", "the Pizza's API group; nobody else may have it")
	pause := flag.Duration("pause", 300*time.Millisecond, "how long to wait between two steps")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := run(ctx, *group, *namespace, *pause); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, group, namespace string, pause time.Duration) (err error) {
	config, err := loopback.ProgramConfig()
	if err != nil {
		return err
	}
	config.QPS = -1 // nobody but us is on this server
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	asking, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return err
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapperWithContext(memory.NewMemCacheClientWithContext(asking))
	kind := schema.GroupKind{Group: group, Kind: "Pizza"}

	begun := time.Now()
	say := func(format string, args ...any) {
		fmt.Printf("%5d ms  %s\n", time.Since(begun).Milliseconds(), fmt.Sprintf(format, args...))
	}
	ctx, cancel := context.WithCancel(ctx)
	var working sync.WaitGroup
	defer working.Wait()
	defer cancel()

	definition := client.Resource(definitions)
	name := "pizzas." + group
	defer func() {
		// Also after Ctrl-C, when ctx has ended.
		clean, done := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer done()
		_ = definition.Delete(clean, name, metav1.DeleteOptions{}) // it may be gone
	}()
	say("waiting for %s", kind)
	working.Go(func() {
		if !sleep(ctx, pause) {
			return
		}
		if _, err := definition.Create(ctx, pizza(group), metav1.CreateOptions{}); err != nil {
			fmt.Fprintln(os.Stderr, "error:", err)
			cancel()
			return
		}
		say("%s is installed", name)
	})
	resource, err := dynamicinformer.Await(ctx, mapper, kind, 50*time.Millisecond)
	if err != nil {
		return err
	}
	say("the server has %s", resource)

	events := make(chan dynamicinformer.Event, 100)
	working.Go(func() {
		err := dynamicinformer.Follow(ctx, client, resource, namespace, func(e dynamicinformer.Event) {
			say("  %-8s  %s", e.Type, describe(e))
			events <- e
		})
		if err != nil {
			fmt.Fprintln(os.Stderr, "error:", err)
			cancel()
		}
	})
	return shop(ctx, client.Resource(resource).Namespace(namespace), resource, events, func() error {
		return definition.Delete(ctx, name, metav1.DeleteOptions{})
	})
}

// shop lets Pizzas come, change and go. After each step it waits for what is told of it.
func shop(ctx context.Context, pizzas dynamic.ResourceInterface, resource schema.GroupVersionResource, events <-chan dynamicinformer.Event, undefine func() error) error {
	order := func(name string, spec map[string]any) func() error {
		return func() error {
			_, err := pizzas.Create(ctx, &unstructured.Unstructured{Object: map[string]any{
				"apiVersion": resource.GroupVersion().String(), "kind": "Pizza", "metadata": map[string]any{"name": name}, "spec": spec,
			}}, metav1.CreateOptions{})
			return err
		}
	}
	patch := func(name, change string, subresource ...string) func() error {
		return func() error {
			_, err := pizzas.Patch(ctx, name, types.MergePatchType, []byte(change), metav1.PatchOptions{}, subresource...)
			return err
		}
	}
	for _, step := range []func() error{
		order("margherita", map[string]any{"size": "small", "toppings": []any{"basil"}}),
		order("diavola", map[string]any{"size": 30, "toppings": []any{"salami", "peppers"}}),
		patch("margherita", `{"status":{"phase":"Baking"}}`, "status"),
		patch("diavola", `{"spec":{"size":"large"}}`),
		patch("margherita", `{"status":{"phase":"Served"}}`, "status"),
		func() error { return pizzas.Delete(ctx, "margherita", metav1.DeleteOptions{}) },
		undefine,
	} {
		if err := retry(ctx, step); err != nil {
			return err
		}
		select {
		case <-events:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// retry tries again while the server has just begun to serve the resource.
func retry(ctx context.Context, step func() error) error {
	for {
		err := step()
		if err == nil || !strings.Contains(err.Error(), "could not find the requested resource") || !sleep(ctx, 20*time.Millisecond) {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

func describe(e dynamicinformer.Event) string {
	if e.Err != nil {
		return fmt.Sprintf("%-10s  %v", e.Pizza.Name, e.Err)
	}
	phase := e.Pizza.Phase
	if phase == "" {
		phase = "no phase"
	}
	return fmt.Sprintf("%-10s  %-6s  %-8s  %s", e.Pizza.Name, e.Pizza.Size, phase, strings.Join(e.Pizza.Toppings, ", "))
}

// pizza is a definition whose objects may hold anything.
func pizza(group string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": map[string]any{"name": "pizzas." + group},
		"spec": map[string]any{
			"group": group, "scope": "Namespaced", "names": map[string]any{"plural": "pizzas", "kind": "Pizza"},
			"versions": []any{map[string]any{
				"name": "v1", "served": true, "storage": true, "subresources": map[string]any{"status": map[string]any{}},
				"schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
			}},
		},
	}}
}
