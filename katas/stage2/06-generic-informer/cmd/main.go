// Command generic-informer shows what a Deployment sets in motion, in whichever resources one names: make run
// KATA=generic-informer ARGS='deployments.v1.apps replicasets.v1.apps pods.v1.'.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"

	"github.com/kubekata/kubekata/harness/loopback"
	genericinformer "github.com/kubekata/kubekata/katas/stage2/06-generic-informer"
)

// app is the Deployment's name, and the value of its label.
const app = "kata-chain"

func main() {
	namespace := flag.String("n", "default", "the namespace")
	lasting := flag.Duration("for", 4*time.Second, "how long to watch")
	flag.Parse()
	names := flag.Args()
	if len(names) == 0 {
		names = []string{"deployments.v1.apps", "replicasets.v1.apps", "pods.v1."}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *namespace, *lasting, names); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, namespace string, lasting time.Duration, names []string) (err error) {
	config, err := loopback.ProgramConfig()
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	resources, err := parse(names)
	if err != nil {
		return err
	}

	ctx, cancel := context.WithCancel(ctx)
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(namespace))
	defer factory.Shutdown()
	defer cancel()
	events := make(chan genericinformer.Event, 100)
	tell := func(e genericinformer.Event) {
		select {
		case events <- e:
		case <-ctx.Done(): // nobody reads them any more
		}
	}
	if err := genericinformer.Watch(factory, resources, tell); err != nil {
		return err
	}
	if err := genericinformer.Sync(ctx, factory, 10*time.Second); err != nil {
		return err
	}
	if err := create(ctx, client, namespace); err != nil {
		return err
	}
	defer func() {
		// Also after Ctrl-C, when ctx has ended.
		cleanup, done := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer done()
		err = errors.Join(err, client.AppsV1().Deployments(namespace).Delete(cleanup, app, metav1.DeleteOptions{}))
	}()
	show(ctx, lasting, events)
	return count(factory, namespace, resources)
}

// parse reads "deployments.v1.apps"; the core group is empty: "pods.v1.".
func parse(names []string) ([]schema.GroupVersionResource, error) {
	var resources []schema.GroupVersionResource
	for _, name := range names {
		resource, _ := schema.ParseResourceArg(name)
		if resource == nil {
			return nil, fmt.Errorf("%q is not resource.version.group, such as deployments.v1.apps or pods.v1.", name)
		}
		resources = append(resources, *resource)
	}
	return resources, nil
}

// show prints the events for a while. What was there at the start is left out.
func show(ctx context.Context, lasting time.Duration, events <-chan genericinformer.Event) {
	begin := time.Now()
	for {
		select {
		case e := <-events:
			if !e.Initial {
				fmt.Printf("%5d ms  %-8s  %-12s %s\n", time.Since(begin).Milliseconds(), e.Type, e.Resource.Resource, e.Name)
			}
		case <-time.After(lasting - time.Since(begin)):
			return
		case <-ctx.Done():
			return
		}
	}
}

// count prints how many objects of each resource the cache has.
func count(factory informers.SharedInformerFactory, namespace string, resources []schema.GroupVersionResource) error {
	for _, resource := range resources {
		view, err := genericinformer.NewView[genericinformer.Object](factory, resource)
		if err != nil {
			return err
		}
		objects, err := view.List(namespace, nil)
		if err != nil {
			return err
		}
		fmt.Printf("%d %s\n", len(objects), resource.Resource)
	}
	return nil
}

func create(ctx context.Context, client kubernetes.Interface, namespace string) error {
	labels := map[string]string{"app": app}
	_, err := client.AppsV1().Deployments(namespace).Create(ctx, &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: app, Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "nginx:1.27"}}},
			},
		},
	}, metav1.CreateOptions{})
	return err
}
