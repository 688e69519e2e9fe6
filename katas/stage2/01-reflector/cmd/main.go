// The program mirrors the pods of a namespace into a store and prints what the store is told, while it makes a pod, waits
// until it runs, and deletes it again. With -client-go it is client-go's reflector that does the mirroring.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	reflector "github.com/kubekata/kubekata/katas/stage2/01-reflector"

	"github.com/kubekata/kubekata/harness/loopback"
)

// bound is how long the pod may take for each of its steps.
const bound = 30 * time.Second

func main() {
	namespace := flag.String("n", "default", "the namespace")
	resync := flag.Duration("resync", 0, "how often the store is resynced; 0 is never")
	clientGo := flag.Bool("client-go", false, "use client-go's reflector")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *namespace, *resync, *clientGo); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, namespace string, resync time.Duration, clientGo bool) error {
	config, err := loopback.ProgramConfig()
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	told := newTold()
	options := reflector.Options{ResyncPeriod: resync}
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	failed := make(chan error, 1)
	running.Go(func() {
		source := reflector.Pods(client, namespace)
		if clientGo {
			reflector.FromClientGo(source, told, options).RunWithContext(ctx)
			return
		}
		failed <- reflector.New(source, told, options).Run(ctx)
	})
	return play(ctx, client, namespace, told, failed)
}

// play makes a pod, waits until the store knows that it runs, deletes it, and waits until the store knows that as well.
func play(ctx context.Context, client kubernetes.Interface, namespace string, told *told, failed <-chan error) error {
	if err := told.wait(ctx, failed, func() bool { return told.replaced.Load() }); err != nil {
		return fmt.Errorf("wait for the first list: %w", err)
	}
	pod, err := client.CoreV1().Pods(namespace).Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "reflected-"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "nginx:1.27"}}},
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("create a pod: %w", err)
	}
	fmt.Printf("# created pod %s\n", pod.Name)
	key := namespace + "/" + pod.Name
	running := func() bool {
		found, exists, err := told.GetByKey(key)
		return err == nil && exists && found.(*corev1.Pod).Status.Phase == corev1.PodRunning
	}
	waited := told.wait(ctx, failed, running)
	fmt.Printf("# deleting pod %s\n", pod.Name)
	if err := client.CoreV1().Pods(namespace).Delete(context.WithoutCancel(ctx), pod.Name, metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("delete pod %s: %w", key, err)
	}
	if waited != nil {
		return fmt.Errorf("wait until pod %s runs: %w", key, waited)
	}
	gone := func() bool {
		_, exists, err := told.GetByKey(key)
		return err == nil && !exists
	}
	if err := told.wait(ctx, failed, gone); err != nil {
		return fmt.Errorf("wait until pod %s is gone: %w", key, err)
	}
	return nil
}

// told is a store that prints what it is told.
type told struct {
	cache.Store
	changed  chan struct{}
	replaced atomic.Bool
}

func newTold() *told {
	return &told{Store: cache.NewStore(cache.MetaNamespaceKeyFunc), changed: make(chan struct{}, 1)}
}

// wait waits until the store has become as it is wanted.
func (t *told) wait(ctx context.Context, failed <-chan error, wanted func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-failed:
			return errors.Join(errors.New("the reflector has returned"), err)
		case <-t.changed:
			if wanted() {
				return nil
			}
		}
	}
}

func (t *told) report(what string, err error) error {
	fmt.Println(what)
	select {
	case t.changed <- struct{}{}:
	default: // whoever waits has not looked at the last change yet
	}
	return err
}

func (t *told) Add(o any) error    { return t.report("Add     "+line(o), t.Store.Add(o)) }
func (t *told) Update(o any) error { return t.report("Update  "+line(o), t.Store.Update(o)) }
func (t *told) Delete(o any) error { return t.report("Delete  "+line(o), t.Store.Delete(o)) }
func (t *told) Resync() error      { return t.report("Resync", t.Store.Resync()) }

func (t *told) Replace(objects []any, version string) error {
	err := t.Store.Replace(objects, version)
	t.replaced.Store(true)
	return t.report(fmt.Sprintf("Replace with %d objects at version %s", len(objects), version), err)
}

func line(o any) string {
	pod, ok := o.(*corev1.Pod)
	if !ok {
		return fmt.Sprintf("%T", o)
	}
	return fmt.Sprintf("%s at version %s: %s on node %q", pod.Name, pod.ResourceVersion, pod.Status.Phase, pod.Spec.NodeName)
}
