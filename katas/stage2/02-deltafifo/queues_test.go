package deltafifo_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	deltafifo "github.com/kubekata/kubekata/katas/stage2/02-deltafifo"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
)

var _ = harness.NoLeaks()

var api = cluster.API()

func TestDeltaFIFO(t *testing.T) { harness.RunSpecs(t, "Stage 2 · 02-deltafifo") }

var errOven = errors.New("the oven is cold")

var _ = Describe("Coalescing", func() {
	It("delivers all that has happened to an object as one item, oldest first", func() {
		queue := deltafifo.Coalescing(known())
		busyDay(queue)
		Expect(drain(queue)).To(Equal([]string{
			"Added pizzeria/a at 1 · Updated pizzeria/a at 3 · Deleted pizzeria/a at 4",
			"Added pizzeria/b at 2",
		}), "the items, one a line")
	})

	It("delivers what a list holds as Replaced", func() {
		queue := deltafifo.Coalescing(known())
		Expect(queue.Replace([]any{pod("a", "5")}, "7")).To(Succeed())
		Expect(drain(queue)).To(Equal([]string{"Replaced pizzeria/a at 5"}), "the items: Sync would be a resync, of which nobody has to take notice")
	})

	It("delivers what a list holds no longer as Deleted", func() {
		queue := deltafifo.Coalescing(known(pod("a", "5"), pod("z", "3")))
		Expect(queue.Replace([]any{pod("a", "5")}, "7")).To(Succeed())
		Expect(drain(queue)).To(ConsistOf("Replaced pizzeria/a at 5", "Deleted pizzeria/z (tombstone) at 3"), "the items")
	})

	It("delivers what is known as Sync, for a resync", func() {
		queue := deltafifo.Coalescing(known(pod("a", "5")))
		Expect(queue.Resync()).To(Succeed())
		Expect(drain(queue)).To(Equal([]string{"Sync pizzeria/a at 5"}), "the items")
	})
})

var _ = Describe("Ordered", func() {
	It("delivers an item for each thing that has happened, in its order", func() {
		queue := deltafifo.Ordered(known())
		busyDay(queue)
		Expect(drain(queue)).To(Equal([]string{
			"Added pizzeria/a at 1",
			"Added pizzeria/b at 2",
			"Updated pizzeria/a at 3",
			"Deleted pizzeria/a at 4",
		}), "the items, one a line")
	})

	It("delivers a list as what has gone, and then what it holds", func() {
		queue := deltafifo.Ordered(known(pod("a", "5"), pod("z", "3")))
		Expect(queue.Replace([]any{pod("a", "5"), pod("b", "6")}, "7")).To(Succeed())
		Expect(drain(queue)).To(Equal([]string{
			"Deleted pizzeria/z (tombstone) at 3",
			"Replaced pizzeria/a at 5",
			"Replaced pizzeria/b at 6",
		}), "the items")
	})

	It("delivers what is known as Sync, for a resync", func() {
		queue := deltafifo.Ordered(known(pod("a", "5")))
		Expect(queue.Resync()).To(Succeed())
		Expect(drain(queue)).To(Equal([]string{"Sync pizzeria/a at 5"}), "the items")
	})
})

var _ = Describe("Atomic", func() {
	It("delivers an item for each thing that has happened, in its order", func() {
		queue := deltafifo.Atomic()
		busyDay(queue)
		Expect(drain(queue)).To(HaveLen(4), "the items")
	})

	It("delivers a list as one item", func() {
		queue := deltafifo.Atomic()
		Expect(queue.Replace([]any{pod("a", "5"), pod("b", "6")}, "7")).To(Succeed())
		Expect(drain(queue)).To(Equal([]string{"ReplacedAll [pizzeria/a pizzeria/b] at 7"}), "the items")
	})

	It("delivers a resync as one item", func() {
		queue := deltafifo.Atomic()
		Expect(queue.Resync()).To(Succeed())
		Expect(drain(queue)).To(Equal([]string{"SyncAll"}), "the items")
	})

	It("delivers bookmarks", func() {
		queue := deltafifo.Atomic()
		store, ok := queue.(cache.ReflectorBookmarkStore)
		Expect(ok).To(BeTrue(), "a reflector can put bookmarks into the queue, which is a %T", queue)
		Expect(store.Bookmark("9")).To(Succeed())
		Expect(drain(queue)).To(Equal([]string{"Bookmark at 9"}), "the items")
	})

	It("takes something in while an item is being processed", func(ctx SpecContext) {
		queue := deltafifo.Atomic()
		Expect(queue.Add(pod("a", "1"))).To(Succeed())
		added := make(chan error, 1)
		_, err := queue.Pop(func(any, bool) error {
			go func() { added <- queue.Add(pod("b", "2")) }()
			Eventually(ctx, added).WithTimeout(shortly).Should(Receive(BeNil()), "adding pod b while pod a is being processed")
			return nil
		})
		Expect(err).NotTo(HaveOccurred())
	})
})

var _ = Describe("Read", func() {
	DescribeTable("reads", func(delta cache.Delta, want deltafifo.Change) {
		got, err := deltafifo.Read(cache.Deltas{delta})
		Expect(err).NotTo(HaveOccurred())
		Expect(got).To(Equal([]deltafifo.Change{want}))
	},
		Entry("Added", cache.Delta{Type: cache.Added, Object: pod("a", "1")},
			deltafifo.Change{Type: cache.Added, Key: "pizzeria/a", Version: "1"}),
		Entry("Updated", cache.Delta{Type: cache.Updated, Object: pod("a", "2")},
			deltafifo.Change{Type: cache.Updated, Key: "pizzeria/a", Version: "2"}),
		Entry("Replaced", cache.Delta{Type: cache.Replaced, Object: pod("a", "3")},
			deltafifo.Change{Type: cache.Replaced, Key: "pizzeria/a", Version: "3"}),
		Entry("Sync", cache.Delta{Type: cache.Sync, Object: pod("a", "3")},
			deltafifo.Change{Type: cache.Sync, Key: "pizzeria/a", Version: "3"}),
		Entry("Deleted, with the final state", cache.Delta{Type: cache.Deleted, Object: pod("a", "4")},
			deltafifo.Change{Type: cache.Deleted, Key: "pizzeria/a", Version: "4"}),
		Entry("Deleted, unseen", cache.Delta{Type: cache.Deleted, Object: cache.DeletedFinalStateUnknown{Key: "pizzeria/a", Obj: pod("a", "3")}},
			deltafifo.Change{Type: cache.Deleted, Key: "pizzeria/a", Version: "3", Unseen: true}),
		Entry("Deleted, unseen and unknown", cache.Delta{Type: cache.Deleted, Object: cache.DeletedFinalStateUnknown{Key: "pizzeria/a"}},
			deltafifo.Change{Type: cache.Deleted, Key: "pizzeria/a", Unseen: true}),
		Entry("ReplacedAll", cache.Delta{Type: cache.ReplacedAll, Object: cache.ReplacedAllInfo{ResourceVersion: "7", Objects: []any{pod("a", "5"), pod("b", "6")}}},
			deltafifo.Change{Type: cache.ReplacedAll, Version: "7", Objects: 2}),
		Entry("SyncAll", cache.Delta{Type: cache.SyncAll, Object: cache.SyncAllInfo{}},
			deltafifo.Change{Type: cache.SyncAll}),
		Entry("Bookmark", cache.Delta{Type: cache.Bookmark, Object: cache.BookmarkInfo{ResourceVersion: "9"}},
			deltafifo.Change{Type: cache.Bookmark, Version: "9"}),
		Entry("an object of another kind, in no namespace", cache.Delta{Type: cache.Added, Object: &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n", ResourceVersion: "1"}}},
			deltafifo.Change{Type: cache.Added, Key: "n", Version: "1"}),
	)

	It("reads all deltas of an item, oldest first", func() {
		got, err := deltafifo.Read(cache.Deltas{{Type: cache.Added, Object: pod("a", "1")}, {Type: cache.Updated, Object: pod("a", "2")}, {Type: cache.Deleted, Object: pod("a", "3")}})
		Expect(err).NotTo(HaveOccurred())
		Expect(got).To(HaveExactElements(HaveField("Version", "1"), HaveField("Version", "2"), HaveField("Version", "3")))
	})

	DescribeTable("reports", func(popped any, says string) {
		got, err := deltafifo.Read(popped)
		Expect(err).To(MatchError(ContainSubstring(says)), "the error names the type that it cannot read")
		Expect(got).To(BeNil(), "changes together with an error")
	},
		Entry("what is no cache.Deltas", pod("a", "1"), "*v1.Pod"),
		Entry("an object without metadata", cache.Deltas{{Type: cache.Added, Object: pod("a", "1")}, {Type: cache.Added, Object: "a margherita"}}, "string"),
	)
})

// busyDay is what a reflector puts into a queue on a busy day.
func busyDay(queue cache.Queue) {
	GinkgoHelper()
	Expect(queue.Add(pod("a", "1"))).To(Succeed())
	Expect(queue.Add(pod("b", "2"))).To(Succeed())
	Expect(queue.Update(pod("a", "3"))).To(Succeed())
	Expect(queue.Delete(pod("a", "4"))).To(Succeed())
}

// drain takes out what is in a queue, and says what it was: an item a line.
func drain(queue cache.Queue) []string {
	GinkgoHelper()
	queue.Close() // Pop delivers what is left, and then does not wait for more
	items := []string{}
	for {
		_, err := queue.Pop(func(popped any, _ bool) error {
			items = append(items, item(popped))
			return nil
		})
		if errors.Is(err, cache.ErrFIFOClosed) {
			return items
		}
		Expect(err).NotTo(HaveOccurred(), "take an item off the queue")
	}
}

func item(popped any) string {
	text := ""
	for _, d := range popped.(cache.Deltas) {
		if text != "" {
			text += " · "
		}
		text += string(d.Type) + said(d.Object)
	}
	return text
}

func said(o any) string {
	switch o := o.(type) {
	case *corev1.Pod:
		return fmt.Sprintf(" %s/%s at %s", o.Namespace, o.Name, o.ResourceVersion)
	case cache.DeletedFinalStateUnknown:
		if pod, ok := o.Obj.(*corev1.Pod); ok {
			return fmt.Sprintf(" %s (tombstone) at %s", o.Key, pod.ResourceVersion)
		}
		return fmt.Sprintf(" %s (tombstone)", o.Key)
	case cache.ReplacedAllInfo:
		keys := []string{}
		for _, o := range o.Objects {
			key, _ := cache.MetaNamespaceKeyFunc(o)
			keys = append(keys, key)
		}
		return fmt.Sprintf(" %v at %s", keys, o.ResourceVersion)
	case cache.BookmarkInfo:
		return " at " + o.ResourceVersion
	case cache.SyncAllInfo:
		return ""
	}
	return fmt.Sprintf(" (a %T)", o)
}

// known returns an indexer that has the pods.
func known(pods ...*corev1.Pod) cache.Indexer {
	indexer := deltafifo.NewIndexer()
	for _, p := range pods {
		_ = indexer.Add(p)
	}
	return indexer
}

// pod returns a pod of a version, on no node, that a kubectl has applied.
func pod(name, version string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: "pizzeria", Name: name, ResourceVersion: version,
		ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubectl"}},
	}}
}

// slim returns the same without its managedFields.
func slim(name, version string) *corev1.Pod {
	p := pod(name, version)
	p.ManagedFields = nil
	return p
}

// create makes a pod that no scheduler takes.
func create(ctx context.Context, ns, name string) {
	GinkgoHelper()
	_, err := api.Judge().CoreV1().Pods(ns).Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.PodSpec{SchedulerName: "nobody", Containers: []corev1.Container{{Name: "app", Image: "nginx:1.27"}}},
	}, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "make pod %s/%s for the spec", ns, name)
}
