// The program puts the same busy day into each of the three queues and prints what each of them delivers, an item a line,
// and what the handlers behind it are told. It needs no cluster.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	deltafifo "github.com/kubekata/kubekata/katas/stage2/02-deltafifo"
)

func main() {
	only := flag.String("queue", "", "Coalescing, Ordered or Atomic; empty is all three")
	flag.Parse()
	for _, queue := range []struct {
		name string
		make func(cache.Indexer) cache.Queue
	}{
		{"Coalescing", func(known cache.Indexer) cache.Queue { return deltafifo.Coalescing(known) }},
		{"Ordered", func(known cache.Indexer) cache.Queue { return deltafifo.Ordered(known) }},
		{"Atomic", func(cache.Indexer) cache.Queue { return deltafifo.Atomic() }},
	} {
		if *only != "" && *only != queue.name {
			continue
		}
		fmt.Println(queue.name)
		indexer := deltafifo.NewIndexer()
		if err := show(queue.make(indexer), indexer); err != nil {
			fmt.Fprintln(os.Stderr, "error:", err)
			os.Exit(1)
		}
	}
}

// show lets a day pass: the first list, some events, a resync, and a new list after the watch was lost.
func show(queue cache.Queue, indexer cache.Indexer) error {
	script := []struct {
		what string
		do   func() error
	}{
		{"the first list", func() error { return queue.Replace([]any{pod("a", "1"), pod("b", "2")}, "3") }},
		{"events", func() error {
			return errors.Join(queue.Update(pod("a", "4")), queue.Add(pod("c", "5")), queue.Update(pod("a", "6")), queue.Delete(pod("c", "7")))
		}},
		{"a resync", queue.Resync},
		{"a new list", func() error { return queue.Replace([]any{pod("b", "8")}, "9") }},
	}
	for _, step := range script {
		fmt.Printf("  # %s\n", step.what)
		if err := step.do(); err != nil {
			return err
		}
		if err := deliver(queue, indexer); err != nil {
			return err
		}
	}
	return nil
}

// deliver runs the learner's loop until what is in the queue has been delivered.
func deliver(queue cache.Queue, indexer cache.Indexer) error {
	queue.Close() // it still takes things in, but Pop no longer waits for them
	var failed error
	tell := func(format string, args ...any) error {
		fmt.Printf("      → "+format+"\n", args...)
		return nil
	}
	err := deltafifo.Run(context.Background(), printing{queue}, indexer, deltafifo.Handlers{
		Created: func(p *corev1.Pod) error { return tell("created %s", p.Name) },
		Changed: func(was, is *corev1.Pod) error {
			return tell("changed %s from %s to %s", is.Name, was.ResourceVersion, is.ResourceVersion)
		},
		Deleted: func(key string, last *corev1.Pod) error {
			if last == nil {
				return tell("deleted %s", key)
			}
			return tell("deleted %s, last at %s", key, last.ResourceVersion)
		},
	}, func(err error) { failed = errors.Join(failed, err) })
	return errors.Join(err, failed)
}

// printing prints what a queue delivers.
type printing struct{ cache.Queue }

func (p printing) Pop(process cache.PopProcessFunc) (any, error) {
	return p.Queue.Pop(func(popped any, initial bool) error {
		changes, err := deltafifo.Read(popped)
		if err != nil {
			return err
		}
		lines := []string{}
		for _, c := range changes {
			lines = append(lines, c.String())
		}
		fmt.Println("    " + strings.Join(lines, " · "))
		return process(popped, initial)
	})
}

func pod(name, version string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "pizzeria", Name: name, ResourceVersion: version}}
}
