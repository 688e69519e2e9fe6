// Command dynamic-crd gives the lab a kind and shows its objects coming and going: make run KATA=dynamic-crd.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"

	"github.com/kubekata/kubekata/harness/loopback"
	dynamiccrd "github.com/kubekata/kubekata/katas/stage1/08-dynamic-crd"
)

func main() {
	namespace := flag.String("n", "default", "the namespace")
	group := flag.String("group", "pizza.kubekata.dev", "the API group")
	keep := flag.Bool("keep", false, "leave the definition and the Pizzas, to look at them with make kubectl")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := run(ctx, *group, *namespace, *keep); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, group, namespace string, keep bool) error {
	config, err := loopback.ProgramConfig()
	if err != nil {
		return err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	definition := dynamiccrd.Definition(group)
	begun := time.Now()
	if err := dynamiccrd.Install(ctx, client, definition); err != nil {
		return err
	}
	fmt.Printf("%s is established after %d ms\n", definition.GetName(), time.Since(begun).Milliseconds())
	if !keep {
		defer func() {
			clean := context.WithoutCancel(ctx)
			if err := client.Resource(dynamiccrd.Definitions).Delete(clean, definition.GetName(), metav1.DeleteOptions{}); err != nil {
				fmt.Fprintln(os.Stderr, "error:", err)
			}
		}()
	}
	pizzas := dynamiccrd.Pizzas(group)
	if err := served(ctx, client, pizzas, namespace); err != nil {
		return err
	}
	return shop(ctx, client, pizzas, namespace, keep)
}

// served waits until the server answers for the resource, which may be a moment after Established.
func served(ctx context.Context, client dynamic.Interface, pizzas schema.GroupVersionResource, namespace string) error {
	return wait.PollUntilContextCancel(ctx, 20*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		_, err := client.Resource(pizzas).Namespace(namespace).List(ctx, metav1.ListOptions{Limit: 1})
		if apierrors.IsNotFound(err) {
			return false, nil
		}
		return err == nil, err
	})
}

// shop lets Pizzas come and go, while a watch tells of it.
func shop(ctx context.Context, client dynamic.Interface, pizzas schema.GroupVersionResource, namespace string, keep bool) error {
	resource := client.Resource(pizzas).Namespace(namespace)
	list, err := resource.List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	watcher, err := resource.Watch(ctx, metav1.ListOptions{ResourceVersion: list.GetResourceVersion()})
	if err != nil {
		return err
	}
	defer watcher.Stop()
	steps := []func() error{
		func() error {
			_, err := dynamiccrd.Order(ctx, client, pizzas, namespace, "margherita", "small", "basil")
			return err
		},
		func() error {
			_, err := dynamiccrd.Order(ctx, client, pizzas, namespace, "diavola", "medium", "salami", "peppers")
			return err
		},
		func() error { return dynamiccrd.SetPhase(ctx, client, pizzas, namespace, "margherita", "Baking") },
		func() error { return dynamiccrd.Resize(ctx, client, pizzas, namespace, "diavola", "large") },
		func() error { return dynamiccrd.SetPhase(ctx, client, pizzas, namespace, "margherita", "Served") },
	}
	if !keep {
		steps = append(steps, func() error { return resource.Delete(ctx, "margherita", metav1.DeleteOptions{}) })
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
		select {
		case event := <-watcher.ResultChan():
			if pizza, ok := event.Object.(*unstructured.Unstructured); ok {
				fmt.Printf("%-8s  %s\n", event.Type, describe(pizza))
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	left, err := dynamiccrd.List(ctx, client, pizzas, namespace)
	if err != nil {
		return err
	}
	fmt.Printf("left: %+v\n", left)
	_, err = dynamiccrd.Order(ctx, client, pizzas, namespace, "calzone", "huge")
	fmt.Println("a huge calzone:", err)
	return nil
}

func describe(pizza *unstructured.Unstructured) string {
	size, _, _ := unstructured.NestedString(pizza.Object, "spec", "size")
	toppings, _, _ := unstructured.NestedStringSlice(pizza.Object, "spec", "toppings")
	phase, found, _ := unstructured.NestedString(pizza.Object, "status", "phase")
	if !found {
		phase = "no status"
	}
	return fmt.Sprintf("%-10s  %-6s  generation %d  %-9s  %s", pizza.GetName(), size, pizza.GetGeneration(), phase, strings.Join(toppings, ", "))
}
