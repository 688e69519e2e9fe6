package reflector_test

import (
	"context"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	clocktesting "k8s.io/utils/clock/testing"

	reflector "github.com/kubekata/kubekata/katas/stage2/01-reflector"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
)

const (
	// waitFor is for what happens at once, on a machine that is busy with something else.
	waitFor = 10 * time.Second
	// aWhile is for what must not happen although it could.
	aWhile = 200 * time.Millisecond
	pause  = 5 * time.Second
	minute = time.Minute
)

var _ = Describe("Run", func() {
	It("keeps the store in step with the server", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		create(ctx, ns, "a")
		create(ctx, ns, "b")
		store := newSpy()
		ctx2, _ := run(ctx, reflector.New(reflector.Pods(api.Clientset(), ns), store, reflector.Options{}))
		Eventually(ctx2, store.names).Should(Equal([]string{"a", "b"}), "the store, when pods a and b were there before")
		create(ctx, ns, "c")
		Eventually(ctx2, store.names).Should(Equal([]string{"a", "b", "c"}), "the store, after pod c has been created")
		label(ctx, ns, "b")
		Eventually(ctx2, func() string { return labelIn(store, ns, "b") }).Should(Equal("ready"), "the label of pod b in the store, after it has been set")
		remove(ctx, ns, "a")
		Eventually(ctx2, store.names).Should(Equal([]string{"b", "c"}), "the store, after pod a has been deleted")
	})

	It("hears what happens between the list and the watch", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		create(ctx, ns, "a")
		create(ctx, ns, "b")
		store := newSpy()
		var once sync.Once
		api.Intercept(func(r cluster.Request) *cluster.Answer {
			if r.Verb == "watch" {
				once.Do(func() { remove(ctx, ns, "b"); create(ctx, ns, "c") })
			}
			return nil
		})
		ctx2, _ := run(ctx, reflector.New(reflector.Pods(api.Clientset(), ns), store, reflector.Options{}))
		Eventually(ctx2, store.names).Should(ContainElement("c"), "the store, when pod c was created after the list and before the watch")
		Expect(store.names()).To(Equal([]string{"a", "c"}), "the store, when pod b was deleted after the list and before the watch")
	})

	It("goes on from the last event when the server closes the watch, without a list", func(ctx SpecContext) {
		first, second := newStream(), newStream()
		from, store := serving(pods("7", "a"), first, second), newSpy()
		ctx2, _ := run(ctx, reflector.New(from, store, reflector.Options{Clock: clocktesting.NewFakeClock(time.Now())}))
		first.send(watch.Added, pod("b", "8"))
		first.end()
		second.send(watch.Deleted, pod("a", "9"))
		Eventually(ctx2, store.names).Should(Equal([]string{"b"}), "the store, after the second watch has told that pod a is gone")
		Expect(from.from()).To(Equal([]string{"7", "8"}), "the versions that the watches began at")
		Expect(from.lists()).To(Equal(1), "lists")
	})

	It("pauses before the next watch when one ended without anything new", func(ctx SpecContext) {
		from, clock := serving(pods("7", "a"), newStream().end(), newStream().end()), clocktesting.NewFakeClock(time.Now())
		ctx2, _ := run(ctx, reflector.New(from, newSpy(), reflector.Options{Pause: pause, Clock: clock}))
		Eventually(ctx2, clock.HasWaiters).Should(BeTrue(), "somebody waits by the options' clock, after a watch that ended at once")
		clock.Step(pause - time.Millisecond)
		Consistently(ctx, from.watches).WithTimeout(aWhile).Should(Equal(1), "watches, before the pause of %v is over", pause)
		clock.Step(time.Millisecond)
		Eventually(ctx2, from.watches).Should(Equal(2), "watches, after the pause")
		Expect(from.lists()).To(Equal(1), "lists")
	})

	DescribeTable("lists again when the server's history does not reach back far enough",
		func(ctx SpecContext, watches func(n int) (watch.Interface, error)) {
			from, store, clock := serving(nil), newSpy(), clocktesting.NewFakeClock(time.Now())
			from.list = func(_ context.Context, n int) (apiruntime.Object, error) {
				if n == 1 {
					return pods("7", "a", "b"), nil
				}
				return pods("50", "b", "c"), nil
			}
			from.watch = watches
			ctx2, _ := run(ctx, reflector.New(from, store, reflector.Options{Pause: pause, Clock: clock}))
			Eventually(ctx2, clock.HasWaiters).Should(BeTrue(), "a pause, after the watch's 410 Expired")
			Expect(from.lists()).To(Equal(1), "lists before the pause is over")
			clock.Step(pause)
			Eventually(ctx2, store.names).Should(Equal([]string{"b", "c"}), "the store, after a second list: pod a has vanished, unseen")
			Eventually(ctx2, from.from).Should(HaveExactElements("7", "50"), "the versions that the watches began at")
		},
		Entry("for a watch to begin", func(n int) (watch.Interface, error) {
			if n == 1 {
				return nil, expired()
			}
			return newStream(), nil
		}),
		Entry("for a watch to go on", func(n int) (watch.Interface, error) {
			if n == 1 {
				status := expired().(apierrors.APIStatus).Status()
				return newStream(event(watch.Modified, pod("a", "8")), event(watch.Error, &status)), nil
			}
			return newStream(), nil
		}),
	)

	It("pauses after a list that failed, and tries again", func(ctx SpecContext) {
		from, store, clock := serving(nil), newSpy(), clocktesting.NewFakeClock(time.Now())
		from.list = func(_ context.Context, n int) (apiruntime.Object, error) {
			if n < 3 {
				return nil, errOven
			}
			return pods("7", "a"), nil
		}
		ctx2, _ := run(ctx, reflector.New(from, store, reflector.Options{Pause: pause, Clock: clock}))
		for n := 1; n < 3; n++ {
			Eventually(ctx2, clock.HasWaiters).Should(BeTrue(), "somebody waits by the options' clock, after failed list %d", n)
			clock.Step(pause - time.Millisecond)
			Consistently(ctx, from.lists).WithTimeout(aWhile).Should(Equal(n), "lists, before the pause of %v is over", pause)
			clock.Step(time.Millisecond)
			Eventually(ctx2, from.lists).Should(Equal(n+1), "lists, after the pause")
		}
		Eventually(ctx2, store.names).Should(Equal([]string{"a"}), "the store, after a list that did not fail")
	})

	It("lists again when the store has refused an event", func(ctx SpecContext) {
		first := newStream(event(watch.Added, pod("b", "8")))
		from, store, clock := serving(nil, first), newSpy(), clocktesting.NewFakeClock(time.Now())
		from.list = func(_ context.Context, n int) (apiruntime.Object, error) {
			if n == 1 {
				return pods("7", "a"), nil
			}
			return pods("8", "a", "b"), nil
		}
		store.before = func(change string) error {
			if change == "Add b" {
				return errOven
			}
			return nil
		}
		ctx2, _ := run(ctx, reflector.New(from, store, reflector.Options{Pause: pause, Clock: clock}))
		Eventually(ctx2, clock.HasWaiters).Should(BeTrue(), "a pause, after the store's refusal")
		clock.Step(pause)
		Eventually(ctx2, store.names).Should(Equal([]string{"a", "b"}), "the store, after it has refused the event that told of pod b")
	})

	It("resyncs every period, counted from the first list, whatever the watches do", func(ctx SpecContext) {
		first := newStream()
		from, store, clock := serving(pods("7", "a"), first), newSpy(), clocktesting.NewFakeClock(time.Now())
		ctx2, _ := run(ctx, reflector.New(from, store, reflector.Options{ResyncPeriod: minute, Clock: clock}))
		Eventually(ctx2, clock.HasWaiters).Should(BeTrue(), "somebody waits by the options' clock, once the first list is in the store")
		Eventually(ctx2, from.watches).Should(Equal(1), "watches")
		clock.Step(minute / 2)
		Consistently(ctx, store.resynced).WithTimeout(aWhile).Should(BeZero(), "resyncs, half a period after the first list")
		first.send(watch.Modified, pod("a", "8"))
		first.end()
		Eventually(ctx2, from.watches).Should(Equal(2), "watches, after the first was closed")
		clock.Step(minute / 2)
		Eventually(ctx2, store.resynced).Should(Equal(1), "resyncs, a period after the first list; a watch that was closed meanwhile is no reason to count anew")
		Eventually(ctx2, clock.HasWaiters).Should(BeTrue())
		clock.Step(minute)
		Eventually(ctx2, store.resynced).Should(Equal(2), "resyncs, two periods after the first list")
		Expect(from.lists()).To(Equal(1), "lists: a resync asks the server for nothing")
	})

	It("resyncs nothing before the first list is in the store", func(ctx SpecContext) {
		from, store, clock := serving(nil), newSpy(), clocktesting.NewFakeClock(time.Now())
		from.list = func(ctx context.Context, _ int) (apiruntime.Object, error) { <-ctx.Done(); return nil, ctx.Err() }
		ctx2, _ := run(ctx, reflector.New(from, store, reflector.Options{ResyncPeriod: minute, Clock: clock}))
		Eventually(ctx2, from.lists).Should(Equal(1))
		Consistently(ctx2, func() int { clock.Step(minute); return store.resynced() }).WithTimeout(aWhile).
			Should(BeZero(), "resyncs, minutes into a first list that takes its time")
	})

	It("resyncs once a period, however often it lists", func(ctx SpecContext) {
		from, store, clock := serving(pods("7", "a")), newSpy(), clocktesting.NewFakeClock(time.Now())
		from.watch = func(n int) (watch.Interface, error) {
			if n < 4 {
				return nil, expired()
			}
			return newStream(), nil
		}
		ctx2, _ := run(ctx, reflector.New(from, store, reflector.Options{ResyncPeriod: minute, Pause: pause, Clock: clock}))
		for n := 1; n < 4; n++ {
			// The resync waits too: two wait when there is a pause.
			Eventually(ctx2, clock.Waiters).Should(BeNumerically(">=", 2), "those who wait by the options' clock: the resync, and the pause after failed watch %d", n)
			clock.Step(pause)
			Eventually(ctx2, from.watches).Should(Equal(n+1), "watches")
		}
		clock.Step(minute - 3*pause)
		Eventually(ctx2, store.resynced).Should(Equal(1), "resyncs, a period after the first of four lists")
		clock.Step(minute / 2)
		Consistently(ctx2, store.resynced).WithTimeout(aWhile).Should(Equal(1), "resyncs, half a period later: one resync for a period, not one for each list")
	})

	It("goes on to resync when the store refuses a resync", func(ctx SpecContext) {
		from, store, clock := serving(pods("7", "a")), newSpy(), clocktesting.NewFakeClock(time.Now())
		store.before = func(change string) error {
			if change == "Resync" {
				return errOven
			}
			return nil
		}
		ctx2, _ := run(ctx, reflector.New(from, store, reflector.Options{ResyncPeriod: minute, Clock: clock}))
		for n := 1; n < 3; n++ {
			Eventually(ctx2, clock.HasWaiters).Should(BeTrue(), "somebody waits for resync %d by the options' clock", n)
			clock.Step(minute)
			Eventually(ctx2, store.resynced).Should(Equal(n), "resyncs, each of them refused")
		}
		Expect(from.lists()).To(Equal(1), "lists: a refused resync has no consequence")
	})

	It("never resyncs when the period is zero", func(ctx SpecContext) {
		from, store, clock := serving(pods("7", "a")), newSpy(), clocktesting.NewFakeClock(time.Now())
		ctx2, _ := run(ctx, reflector.New(from, store, reflector.Options{Clock: clock}))
		Eventually(ctx2, from.watches).Should(Equal(1))
		Consistently(ctx2, func() int { clock.Step(minute); return store.resynced() }).WithTimeout(aWhile).Should(BeZero(), "resyncs")
	})

	DescribeTable("returns nil when its context ends", func(ctx SpecContext, from *source, reached func(*source, *clocktesting.FakeClock) bool) {
		clock := clocktesting.NewFakeClock(time.Now()) // it never moves: a pause that only time ends, never ends
		ctx2, loop := run(ctx, reflector.New(from, newSpy(), reflector.Options{Clock: clock}))
		Eventually(ctx2, func() bool { return reached(from, clock) }).Should(BeTrue())
		Expect(loop.Stop()).To(Succeed())
		Expect(loop.Err()).NotTo(HaveOccurred(), "what Run returns: to be asked to stop is no failure")
	},
		Entry("while it lists", &source{
			list: func(ctx context.Context, _ int) (apiruntime.Object, error) { <-ctx.Done(); return nil, ctx.Err() },
		}, func(from *source, _ *clocktesting.FakeClock) bool { return from.lists() == 1 }),
		Entry("while it watches", serving(pods("7")),
			func(from *source, _ *clocktesting.FakeClock) bool { return from.watches() == 1 }),
		Entry("while it pauses", serving(pods("7"), newStream().end()),
			func(_ *source, clock *clocktesting.FakeClock) bool { return clock.HasWaiters() }),
	)

	It("leaves the store alone once its context has ended", func(ctx SpecContext) {
		w, store := newStream(), newSpy()
		from := serving(pods("7", "a"), w)
		ctx2, loop := run(ctx, reflector.New(from, store, reflector.Options{}))
		Eventually(ctx2, from.watches).Should(Equal(1))
		Expect(loop.Stop()).To(Succeed())
		w.send(watch.Deleted, pod("a", "8"))
		Consistently(ctx, store.names).WithTimeout(aWhile).Should(Equal([]string{"a"}), "the store, when a pod is deleted after the end")
	})
})

var _ = Describe("WaitForSync", func() {
	It("returns when the first list is in the store, and not before", func(ctx SpecContext) {
		entered, release := make(chan struct{}), make(chan struct{})
		store := newSpy()
		store.before = func(string) error { close(entered); <-release; return nil }
		DeferCleanup(sync.OnceFunc(func() { close(release) }))
		r := reflector.New(serving(pods("7", "a")), store, reflector.Options{})
		got := waiting(ctx, r)
		ctx2, _ := run(ctx, r)
		Eventually(ctx2, entered).Should(BeClosed(), "the first list is on its way into the store")
		Consistently(ctx2, got).WithTimeout(aWhile).ShouldNot(Receive(), "WaitForSync has returned while the store takes the list in")
		release <- struct{}{}
		Eventually(ctx2, got).Should(Receive(BeNil()), "WaitForSync, after the list is in the store")
	})

	It("returns when the first list holds nothing", func(ctx SpecContext) {
		r := reflector.New(serving(pods("7")), newSpy(), reflector.Options{})
		got := waiting(ctx, r)
		ctx2, _ := run(ctx, r)
		Eventually(ctx2, got).Should(Receive(BeNil()), "WaitForSync, after an empty list: an empty store is in step with a server that has nothing")
	})

	DescribeTable("goes on waiting when the first list fails", func(ctx SpecContext, server, store error) {
		from, to, clock := serving(nil), newSpy(), clocktesting.NewFakeClock(time.Now())
		from.list = func(_ context.Context, n int) (apiruntime.Object, error) {
			if n == 1 && server != nil {
				return nil, server
			}
			return pods("7", "a"), nil
		}
		to.before = func(string) error {
			if from.lists() == 1 {
				return store
			}
			return nil
		}
		r := reflector.New(from, to, reflector.Options{Clock: clock})
		got := waiting(ctx, r)
		ctx2, _ := run(ctx, r)
		Eventually(ctx2, clock.HasWaiters).Should(BeTrue(), "a pause after the list that failed")
		Consistently(ctx2, got).WithTimeout(aWhile).ShouldNot(Receive(), "WaitForSync has returned after a list that failed")
		clock.Step(minute)
		Eventually(ctx2, got).Should(Receive(BeNil()), "WaitForSync, after a list that did not fail")
	},
		Entry("because of the server", errOven, nil),
		Entry("because of the store", nil, errOven),
	)

	It("lets everybody through, those who come later too, even after another list", func(ctx SpecContext) {
		from, clock := serving(pods("7", "a")), clocktesting.NewFakeClock(time.Now())
		from.watch = func(n int) (watch.Interface, error) {
			if n == 1 {
				return nil, expired()
			}
			return newStream(), nil
		}
		r := reflector.New(from, newSpy(), reflector.Options{Clock: clock})
		first, second := waiting(ctx, r), waiting(ctx, r)
		ctx2, _ := run(ctx, r)
		Eventually(ctx2, first).Should(Receive(BeNil()), "the first who waits")
		Eventually(ctx2, second).Should(Receive(BeNil()), "the second who waits")
		Eventually(ctx2, clock.HasWaiters).Should(BeTrue(), "a pause before the second list")
		clock.Step(minute)
		Eventually(ctx2, from.watches).Should(Equal(2))
		Eventually(ctx2, waiting(ctx, r)).Should(Receive(BeNil()), "one who comes after the second list")
	})

	It("returns the context's error when that ends first", func(ctx SpecContext) {
		r := reflector.New(serving(pods("7")), newSpy(), reflector.Options{}) // nobody runs it
		ending, cancel := context.WithCancel(ctx)
		defer cancel()
		got := waiting(ending, r)
		Consistently(ctx, got).WithTimeout(aWhile).ShouldNot(Receive(), "WaitForSync of a reflector that does not run")
		cancel()
		Eventually(ctx, got).Should(Receive(MatchError(context.Canceled)), "WaitForSync, after its context has ended")
	})

	It("costs nothing while it waits: no polling, no look at the store", func(ctx SpecContext) {
		const function = "(*Reflector).WaitForSync"
		store := newSpy()
		r := reflector.New(serving(pods("7")), store, reflector.Options{}) // nobody runs it
		ending, cancel := context.WithCancel(ctx)
		defer cancel()
		got := waiting(ending, r)
		Eventually(ctx, func(g Gomega) {
			g.Expect(got).NotTo(Receive(), "WaitForSync of a reflector that does not run")
			how, found := busy(function)
			g.Expect(found).To(BeTrue(), "WaitForSync is on no goroutine's stack")
			g.Expect(how).To(BeEmpty(), "the state of the goroutine that stands in WaitForSync: it waits for no channel")
		}).WithTimeout(waitFor / 5).Should(Succeed())
		Consistently(ctx, func() string { how, _ := busy(function); return how }).
			Should(BeEmpty(), "the state of the goroutine that stands in WaitForSync: it waits for no channel")
		Expect(store.reads()).To(BeEmpty(), "what WaitForSync has read from the store meanwhile")
		cancel()
		Eventually(ctx, got).Should(Receive())
	})
})

var _ = Describe("FromClientGo", func() {
	It("keeps the store in step with the server", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		create(ctx, ns, "a")
		store := newSpy()
		ctx2 := runClientGo(ctx, reflector.FromClientGo(reflector.Pods(api.Clientset(), ns), store, reflector.Options{}))
		Eventually(ctx2, store.names).Should(Equal([]string{"a"}), "the store, when pod a was there before")
		create(ctx, ns, "b")
		remove(ctx, ns, "a")
		Eventually(ctx2, store.names).Should(Equal([]string{"b"}), "the store, after pod b has been created and a deleted")
	})

	It("puts nothing but pods into the store", func(ctx SpecContext) {
		w := newStream(
			event(watch.Added, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "menu", ResourceVersion: "8"}}),
			event(watch.Added, pod("a", "9")))
		store := newSpy()
		ctx2 := runClientGo(ctx, reflector.FromClientGo(listWatch(serving(pods("7"), w)), store, reflector.Options{}))
		Eventually(ctx2, store.names).Should(ContainElement("a"), "the store, after events of a ConfigMap and of pod a")
		Expect(store.names()).To(Equal([]string{"a"}), "the store")
	})

	It("resyncs every period, by the options' clock", func(ctx SpecContext) {
		store, clock := newSpy(), clocktesting.NewFakeClock(time.Now())
		ctx2 := runClientGo(ctx, reflector.FromClientGo(listWatch(serving(pods("7", "a"))), store, reflector.Options{ResyncPeriod: minute, Clock: clock}))
		Eventually(ctx2, clock.HasWaiters).Should(BeTrue(), "somebody waits by the options' clock, once the first list is in the store")
		clock.Step(minute)
		Eventually(ctx2, store.resynced).Should(Equal(1), "resyncs after one period of the options' clock")
	})
})

// run runs the learner's reflector beside the spec.
func run(ctx context.Context, r *reflector.Reflector) (context.Context, *harness.Loop) {
	GinkgoHelper()
	return harness.Start(ctx, "Run", r.Run)
}

func runClientGo(ctx context.Context, r *cache.Reflector) context.Context {
	GinkgoHelper()
	ctx2, _ := harness.Start(ctx, "client-go's reflector", func(ctx context.Context) error {
		r.RunWithContext(ctx)
		return nil
	})
	return ctx2
}

// waiting calls WaitForSync beside the spec, and delivers what that returns.
func waiting(ctx context.Context, r *reflector.Reflector) <-chan error {
	ctx, cancel := context.WithCancel(ctx)
	DeferCleanup(cancel)
	got := make(chan error, 1)
	go func() {
		defer GinkgoRecover()
		got <- r.WaitForSync(ctx)
	}()
	return got
}

func listWatch(from *source) *cache.ListWatch {
	return &cache.ListWatch{ListWithContextFunc: from.ListWithContext, WatchFuncWithContext: from.WatchWithContext}
}

func label(ctx context.Context, ns, name string) {
	GinkgoHelper()
	_, err := api.Judge().CoreV1().Pods(ns).Patch(ctx, name, types.MergePatchType, []byte(`{"metadata":{"labels":{"pizza":"ready"}}}`), metav1.PatchOptions{})
	Expect(err).NotTo(HaveOccurred(), "label pod %s/%s for the spec", ns, name)
}

func remove(ctx context.Context, ns, name string) {
	GinkgoHelper()
	Expect(api.Judge().CoreV1().Pods(ns).Delete(ctx, name, metav1.DeleteOptions{})).To(Succeed(), "delete pod %s/%s for the spec", ns, name)
}

// labelIn returns the label that label sets, as the store has it.
func labelIn(store *spy, ns, name string) string {
	found, exists, err := store.Store.GetByKey(ns + "/" + name)
	if p, ok := found.(*corev1.Pod); err == nil && exists && ok {
		return p.Labels["pizza"]
	}
	return ""
}
