// Command workqueue shows a kitchen at work: make run KATA=workqueue. The orders are ConfigMaps in the lab, the cooks are the
// workers of your Processor. Ctrl-C closes the kitchen early.
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

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/workqueue"

	"github.com/kubekata/kubekata/harness/loopback"
	kata "github.com/kubekata/kubekata/katas/stage2/04-workqueue"
)

func main() {
	cooks := flag.Int("cooks", 3, "how many workers there are")
	retries := flag.Int("retries", 3, "how often a pizza that went wrong is tried again")
	bake := flag.Duration("bake", 300*time.Millisecond, "how long a pizza takes")
	delay := flag.Duration("delay", 200*time.Millisecond, "the delay of the first retry; each further one takes twice as long")
	grace := flag.Duration("grace", 5*time.Second, "how long the cooks stay after closing time")
	open := flag.Duration("open", 4*time.Second, "when closing time is")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[string](*delay, time.Minute)
	k := &kitchen{
		queue: workqueue.NewTypedRateLimitingQueue(limiter),
		board: newBoard(os.Stdout, *cooks),
		bake:  *bake,
		open:  *open,
		tries: map[string]int{},
	}
	k.processor = &kata.Processor{Queue: k.queue, Handle: k.handle, Workers: *cooks, Retries: *retries, GaveUp: k.gaveUp, Grace: *grace}
	if err := run(ctx, k); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, k *kitchen) error {
	config, err := loopback.ProgramConfig()
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	ns, err := client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "kitchen-"}}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	defer func() {
		_ = client.CoreV1().Namespaces().Delete(context.WithoutCancel(ctx), ns.Name, metav1.DeleteOptions{})
	}()
	k.orders = client.CoreV1().ConfigMaps(ns.Name)
	return k.evening(ctx)
}

// evening opens the kitchen, lets the guests order, and closes it.
func (k *kitchen) evening(ctx context.Context) error {
	ctx, closing := context.WithCancel(ctx)
	defer closing()
	done := make(chan error, 1)
	k.board.heading()
	go func() { done <- k.processor.Run(ctx) }()

	guests := make(chan error, 1)
	go func() { guests <- k.guests(ctx) }()
	select {
	case err := <-done: // before closing time: the kata is not solved yet
		closing()
		<-guests
		if err == nil {
			err = errors.New("Run has returned before closing time")
		}
		return err
	case err := <-guests:
		if err != nil && ctx.Err() == nil {
			closing()
			return errors.Join(err, <-done)
		}
	}
	k.board.say("closing time: no more orders, and nobody leaves before the last pizza is done")
	closing()
	err := <-done
	k.board.say("the lights go out")
	return err
}

// guests place orders, and make trouble.
func (k *kitchen) guests(ctx context.Context) error {
	for _, pizza := range []string{"margherita", "hawaii", "calzone", "funghi", "diavola"} {
		if err := k.order(ctx, pizza); err != nil {
			return err
		}
	}
	if err := k.orders.Delete(ctx, "funghi", metav1.DeleteOptions{}); err != nil {
		return err
	}
	k.board.say("funghi is cancelled")
	if err := until(ctx, k.open/4); err != nil {
		return err
	}
	if err := k.order(ctx, "marinara"); err != nil {
		return err
	}
	for n := range 20 { // while it is in the oven
		if err := until(ctx, k.bake/40); err != nil {
			return err
		}
		if n == 10 {
			if err := k.changeMind(ctx, "marinara"); err != nil {
				return err
			}
		}
		k.queue.Add("marinara")
	}
	k.board.say("marinara was asked for 20 times more, and something was changed")
	if err := until(ctx, k.open-k.open/4-k.bake/2); err != nil {
		return err
	}
	for _, pizza := range []string{"romana", "capricciosa", "napoli", "bufalina"} {
		if err := k.order(ctx, pizza); err != nil {
			return err
		}
	}
	return until(ctx, k.bake/2)
}

func (k *kitchen) order(ctx context.Context, pizza string) error {
	_, err := k.orders.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: pizza}}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	k.queue.Add(pizza)
	return nil
}

// changeMind changes an order on the server, behind the back of whoever works on it.
func (k *kitchen) changeMind(ctx context.Context, pizza string) error {
	_, err := k.orders.Patch(ctx, pizza, "application/merge-patch+json", []byte(`{"data":{"extra":"capers"}}`), metav1.PatchOptions{})
	return err
}

// until waits, unless the context ends.
func until(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
