// Command dynamic creates Pods on the lab and lists them, without a Go type for either: make run KATA=dynamic.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	dynamicclient "k8s.io/client-go/dynamic"

	"github.com/kubekata/kubekata/harness/loopback"
	"github.com/kubekata/kubekata/katas/stage1/07-dynamic"
)

func main() {
	namespace := flag.String("n", "default", "the namespace")
	count := flag.Int("pods", 3, "how many Pods")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *namespace, *count); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, namespace string, count int) error {
	config, err := loopback.ProgramConfig()
	if err != nil {
		return err
	}
	client, err := dynamicclient.NewForConfig(config)
	if err != nil {
		return err
	}
	for i := range count {
		pod := dynamic.NewPod(dynamic.Template{
			Name: fmt.Sprintf("bare-%d", i), Image: "nginx:1.27", Labels: map[string]string{"app": "bare"}, Port: 80,
		})
		created, err := dynamic.CreatePod(ctx, client, namespace, pod)
		if err != nil {
			return err
		}
		defer func() {
			// Also after Ctrl-C, when ctx has ended.
			clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			if err := client.Resource(dynamic.Pods()).Namespace(namespace).Delete(clean, created.GetName(), metav1.DeleteOptions{}); err != nil {
				fmt.Fprintln(os.Stderr, "error:", err)
			}
		}()
	}
	if err := show(ctx, client, namespace, func([]dynamic.Row) bool { return true }); err != nil {
		return err
	}
	return show(ctx, client, namespace, func(rows []dynamic.Row) bool {
		for _, r := range rows {
			if r.Phase != "Running" {
				return false
			}
		}
		return true
	})
}

// show lists the Pods until they are as wanted, and prints them.
func show(ctx context.Context, client dynamicclient.Interface, namespace string, wanted func([]dynamic.Row) bool) error {
	var rows []dynamic.Row
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		pods, err := dynamic.ListPods(ctx, client, namespace, "app=bare", 2)
		if err != nil {
			return false, err
		}
		rows, err = summarize(pods)
		return err == nil && wanted(rows), err
	})
	if err != nil {
		return fmt.Errorf("wait for the pods: %w", err)
	}
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintln(out, "NAME\tPHASE\tRESTARTS\tIMAGES")
	for _, r := range rows {
		fmt.Fprintf(out, "%s\t%s\t%d\t%s\n", r.Name, r.Phase, r.Restarts, strings.Join(r.Images, ","))
	}
	return out.Flush()
}

func summarize(pods []unstructured.Unstructured) ([]dynamic.Row, error) {
	var rows []dynamic.Row
	for i := range pods {
		row, err := dynamic.Summarize(&pods[i])
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}
