package workqueue_test

import (
	"context"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	kata "github.com/kubekata/kubekata/katas/stage2/04-workqueue"

	"github.com/kubekata/kubekata/harness"
)

var _ = Describe("The end of Run's context", func() {
	const enough = time.Minute // of grace

	It("ends Run when there is nothing to do", func(ctx SpecContext) {
		queue, h := quick(), working(nil)
		wait, loop := run(ctx, &kata.Processor{Queue: queue, Handle: h.handle, Workers: 3, Grace: enough})
		queue.Add("a")
		Eventually(h.handled).WithContext(wait).Should(HaveKeyWithValue("a", 1))
		Expect(loop.Stop()).To(Succeed(), "Run, with idle workers")
		Expect(loop.Err()).NotTo(HaveOccurred(), "what Run returned")
	})

	It("closes the queue at once", func(ctx SpecContext) {
		queue, baking := quick(), closed(ctx)
		h := working(func(context.Context, string, int) error { baking.wait(); return nil })
		wait, loop := run(ctx, &kata.Processor{Queue: queue, Handle: h.handle, Grace: enough})
		queue.Add("a")
		Eventually(h.calls("a")).WithContext(wait).Should(Equal(1))
		end(loop)
		Eventually(queue.ShuttingDown).WithContext(ctx).Should(BeTrue(), "ShuttingDown, while a Handle still runs: until then the queue takes new keys")
		baking.open()
		ended(ctx, loop)
	})

	It("waits for the work that has begun", func(ctx SpecContext) {
		queue, baking := quick(), closed(ctx)
		h := working(func(context.Context, string, int) error { baking.wait(); return nil })
		wait, loop := run(ctx, &kata.Processor{Queue: queue, Handle: h.handle, Workers: 2, Grace: enough})
		queue.Add("a")
		queue.Add("b")
		Eventually(h.busy).WithContext(wait).Should(Equal(2), "Handles that run")
		end(loop)
		Consistently(loop.Done()).WithContext(ctx).WithTimeout(200*time.Millisecond).ShouldNot(BeClosed(), "Run has returned, and two Handles still run")
		baking.open()
		ended(ctx, loop)
		Expect(h.handled()).To(Equal(map[string]int{"a": 1, "b": 1}), "what was worked on to the end when Run had returned")
		Expect(loop.Err()).NotTo(HaveOccurred(), "what Run returned")
	})

	It("does not end the context that Handle works with", func(ctx SpecContext) {
		queue, baking := quick(), closed(ctx)
		atTheEnd := make(chan error, 1)
		h := working(func(ctx context.Context, _ string, _ int) error {
			baking.wait()
			atTheEnd <- ctx.Err()
			return nil
		})
		wait, loop := run(ctx, &kata.Processor{Queue: queue, Handle: h.handle, Grace: enough})
		queue.Add("a")
		Eventually(h.calls("a")).WithContext(wait).Should(Equal(1))
		end(loop)
		Consistently(loop.Done()).WithContext(ctx).WithTimeout(100 * time.Millisecond).ShouldNot(BeClosed())
		baking.open()
		ended(ctx, loop)
		Expect(atTheEnd).To(Receive(BeNil()), "the error of the context that Handle had, at its end: every request with it would have failed")
	})

	It("leaves time for the keys that wait in the queue", func(ctx SpecContext) {
		queue, baking := quick(), closed(ctx)
		errs := make(chan error, 3)
		h := working(func(ctx context.Context, _ string, _ int) error {
			baking.wait()
			errs <- ctx.Err()
			return nil
		})
		for _, key := range []string{"a", "b", "c"} {
			queue.Add(key)
		}
		wait, loop := run(ctx, &kata.Processor{Queue: queue, Handle: h.handle, Grace: enough})
		Eventually(h.calls("a")).WithContext(wait).Should(Equal(1))
		end(loop)
		Eventually(queue.ShuttingDown).WithContext(ctx).Should(BeTrue(), "ShuttingDown")
		baking.open()
		ended(ctx, loop)
		Expect(h.handled()).To(Equal(map[string]int{"a": 1, "b": 1, "c": 1}), "what was worked on when Run had returned: all that was in the queue")
		for range 3 {
			Expect(errs).To(Receive(BeNil()), "the error of the context that a Handle had")
		}
		Expect(loop.Err()).NotTo(HaveOccurred(), "what Run returned")
	})

	It("does not wait for retries", func(ctx SpecContext) {
		queue, baking := quick(), closed(ctx)
		h := working(func(context.Context, string, int) error { baking.wait(); return errOven })
		wait, loop := run(ctx, &kata.Processor{Queue: queue, Handle: h.handle, Retries: 1000000, Grace: enough})
		queue.Add("a")
		Eventually(h.calls("a")).WithContext(wait).Should(Equal(1))
		end(loop)
		Eventually(queue.ShuttingDown).WithContext(ctx).Should(BeTrue(), "ShuttingDown")
		baking.open()
		ended(ctx, loop)
		Expect(h.calls("a")()).To(Equal(1), "Handles for a, which failed after the end of the context")
		Expect(loop.Err()).NotTo(HaveOccurred(), "what Run returned")
	})

	It("leaves the values of the context to Handle", func(ctx SpecContext) {
		type name struct{}
		queue := quick()
		var mu sync.Mutex
		var got any
		p := &kata.Processor{Queue: queue, Workers: 1, Grace: enough, Handle: func(ctx context.Context, _ string) error {
			mu.Lock()
			defer mu.Unlock()
			got = ctx.Value(name{})
			return nil
		}}
		wait, _ := harness.Start(ctx, "Run", func(ctx context.Context) error {
			return p.Run(context.WithValue(ctx, name{}, "oven 3"))
		})
		queue.Add("a")
		Eventually(func() any {
			mu.Lock()
			defer mu.Unlock()
			return got
		}).WithContext(wait).Should(Equal("oven 3"), "a value of Run's context, in Handle: loggers and traces travel like this")
	})
})

var _ = Describe("The end of the grace period", func() {
	const grace = 50 * time.Millisecond

	It("ends the context that Handle works with", func(ctx SpecContext) {
		queue := quick()
		h := working(func(work context.Context, _ string, _ int) error {
			select {
			case <-work.Done():
			case <-ctx.Done():
			}
			return work.Err()
		})
		wait, loop := run(ctx, &kata.Processor{Queue: queue, Handle: h.handle, Grace: grace})
		queue.Add("a")
		Eventually(h.calls("a")).WithContext(wait).Should(Equal(1))
		Consistently(loop.Done()).WithContext(wait).WithTimeout(3*grace).ShouldNot(BeClosed(), "Run, whose context has not ended: the grace period begins with that")
		Expect(h.busy()).To(Equal(1), "Handles that run before the end of Run's context")
		end(loop)
		ended(ctx, loop)
		Expect(loop.Err()).To(MatchError(kata.ErrUnfinished), "what Run returned")
	})

	It("leaves what has not begun undone", func(ctx SpecContext) {
		queue := quick()
		h := working(func(work context.Context, key string, _ int) error {
			select {
			case <-work.Done():
			case <-ctx.Done():
			}
			return work.Err()
		})
		wait, loop := run(ctx, &kata.Processor{Queue: queue, Handle: h.handle, Workers: 2, Grace: grace})
		for _, key := range []string{"a", "b", "c", "d"} {
			queue.Add(key)
		}
		Eventually(h.busy).WithContext(wait).Should(Equal(2), "Handles that run")
		end(loop)
		ended(ctx, loop)
		Expect(h.handled()).To(HaveLen(2), "keys that were begun, with two workers and no time for more")
		Expect(loop.Err()).To(MatchError(kata.ErrUnfinished), "what Run returned")
	})

	It("still waits for a Handle that does not look at its context", func(ctx SpecContext) {
		queue, baking := quick(), closed(ctx)
		late := make(chan struct{})
		h := working(func(work context.Context, _ string, _ int) error {
			select {
			case <-work.Done():
				close(late)
			case <-ctx.Done():
			}
			baking.wait()
			return nil
		})
		wait, loop := run(ctx, &kata.Processor{Queue: queue, Handle: h.handle, Grace: grace})
		queue.Add("a")
		Eventually(h.calls("a")).WithContext(wait).Should(Equal(1))
		end(loop)
		Eventually(late).WithContext(ctx).Should(BeClosed(), "the context that Handle has, after the grace period")
		Consistently(loop.Done()).WithContext(ctx).WithTimeout(200*time.Millisecond).ShouldNot(BeClosed(), "Run has returned, and a Handle still runs")
		baking.open()
		ended(ctx, loop)
		Expect(loop.Err()).To(MatchError(kata.ErrUnfinished), "what Run returned")
	})
})

// ended waits for Run to return.
func ended(ctx context.Context, loop *harness.Loop) {
	GinkgoHelper()
	Eventually(loop.Done()).WithContext(ctx).Should(BeClosed(), "Run, whose context has ended, has not returned")
}
