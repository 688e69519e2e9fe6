package graduation_test

import (
	"context"
	"sync/atomic"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/kubekata/kubekata/katas/stage6/08-graduation/api"
	"github.com/kubekata/kubekata/katas/stage6/08-graduation/exchange"
)

// killedAfter lets a copy do a number of things that change something, at the API server or the exchange, and cuts its wires before it hears that the last one is
// done. The channel is closed then. What it does for its lease does not count.
func (r *replica) killedAfter(n int64) <-chan struct{} {
	dead := make(chan struct{})
	var done atomic.Int64
	count := func() {
		if done.Add(1) == n {
			r.api.cut()
			r.tel.cut()
			close(dead)
		}
	}
	r.tel.onDone(count)
	r.api.onDone(count)
	return dead
}

var _ = Describe("The operator, killed and started again", func() {
	var w *world
	BeforeEach(func(ctx SpecContext) { w = newWorld(ctx) })

	DescribeTable("finishes what it has begun, wherever it was",
		func(ctx SpecContext, n int) {
			first := w.start(ctx, "ada")
			w.connected(ctx, first, "before") // it leads
			dead := first.killedAfter(int64(n))
			l := w.make(ctx, "desk", diverted("+43123456789"))
			Eventually(func() bool {
				select {
				case <-dead:
					return true
				default:
					state, err := w.ready("desk")(ctx)
					return err == nil && state == "True Connected, generation 1" // it was done with less
				}
			}).WithContext(first.wait).Should(BeTrue(), "the operator does %d things for line %s/desk, or is done with it", n, w.ns)
			first.kill()

			second := w.successor(ctx, "bob")
			w.connects(second, "desk", 1)
			w.reconcile(ctx, second, l, "again")
			number := w.get(ctx, "desk").Status.Number
			Expect(w.rented()).To(ContainElement(number+" to +43123456789"), "what the exchange has")
			Expect(w.service.Rented()).To(Equal(2), "numbers that were ever rented, for two lines")
			Expect(w.phone("desk")(ctx)).To(Equal("divert=+43123456789 number="+number), "the data of the phone")
			Expect(w.finalizers(ctx, "desk")).To(Equal(api.Finalizer), "the finalizers of line %s/desk", w.ns)
		},
		Entry("after the first thing", 1),
		Entry("after the second thing", 2),
		Entry("after the third thing", 3),
		Entry("after the fourth thing", 4),
	)

	DescribeTable("finishes a farewell, wherever it was",
		func(ctx SpecContext, n int) {
			first := w.start(ctx, "ada")
			w.connected(ctx, first, "stays")
			w.connected(ctx, first, "desk")
			dead := first.killedAfter(int64(n))
			w.delete(ctx, "desk")
			Eventually(dead).WithContext(first.wait).Should(BeClosed(), "the operator does %d things for line %s/desk, which is being deleted", n, w.ns)
			first.kill()

			second := w.successor(ctx, "bob")
			w.gone(second, "desk")
			Expect(w.rented()).To(Equal([]string{w.get(ctx, "stays").Status.Number}), "what the exchange has")
			Expect(w.service.Rented()).To(Equal(2), "numbers that were ever rented, for two lines")
		},
		Entry("after the first thing", 1),
		Entry("after the second thing", 2),
	)

	It("gives back what was rented for a Line that was deleted meanwhile", func(ctx SpecContext) {
		first := w.start(ctx, "ada")
		rented := make(chan struct{})
		var once atomic.Bool
		w.service.After(func(call exchange.Call) {
			if call.Op == exchange.OpRent && once.CompareAndSwap(false, true) {
				first.api.cut()
				first.tel.cut()
				close(rented)
			}
		})
		w.make(ctx, "desk")
		Eventually(rented).WithContext(first.wait).Should(BeClosed(), "a number is rented for line %s/desk", w.ns)
		first.kill()
		Expect(w.rented()).To(HaveLen(1), "what the exchange has")
		w.delete(ctx, "desk")

		second := w.successor(ctx, "bob")
		w.gone(second, "desk")
		Expect(w.rented()).To(BeEmpty(), "what the exchange has when the line is gone: somebody pays for it for ever")
	})

	It("does what was wanted while nobody was there", func(ctx SpecContext) {
		first := w.start(ctx, "ada")
		w.connected(ctx, first, "kept")
		w.connected(ctx, first, "left")
		first.kill()
		w.patch(ctx, "kept", `{"spec":{"divert":"+43123456789"}}`)
		w.delete(ctx, "left")
		w.make(ctx, "new")

		second := w.successor(ctx, "bob")
		w.connects(second, "kept", 2)
		w.connects(second, "new", 1)
		w.gone(second, "left")
		Expect(w.rented()).To(ConsistOf(w.get(ctx, "kept").Status.Number+" to +43123456789", w.get(ctx, "new").Status.Number), "what the exchange has")
	})

	It("leaves a Line that is about to have a number without one, if it is killed before", func(ctx SpecContext) {
		first := w.start(ctx, "ada")
		asked := make(chan struct{})
		var once atomic.Bool
		w.service.Before(func(call context.Context, _ exchange.Call) {
			if once.CompareAndSwap(false, true) {
				first.api.cut()
				first.tel.cut()
				close(asked)
				<-call.Done() // nobody waits any more
			}
		})
		w.make(ctx, "desk")
		Eventually(asked).WithContext(first.wait).Should(BeClosed(), "the exchange is asked for a number for line %s/desk", w.ns)
		first.kill()
		second := w.successor(ctx, "bob")
		w.connects(second, "desk", 1)
		Expect(w.service.Rented()).To(Equal(1), "numbers that were ever rented")
	})
})
