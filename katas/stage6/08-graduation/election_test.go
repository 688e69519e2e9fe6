package graduation_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	graduation "github.com/kubekata/kubekata/katas/stage6/08-graduation"
	"github.com/kubekata/kubekata/katas/stage6/08-graduation/api"
	"github.com/kubekata/kubekata/katas/stage6/08-graduation/exchange"

	"github.com/kubekata/kubekata/harness/crash"
)

// stands is for Eventually: how often a copy has looked for the lease.
func stands(r *replica) func() int {
	return func() int { return r.api.asked("/leases/" + api.Lease) }
}

// alone starts a copy whose end the spec waits for: the channel gets what Run returns.
func (w *world) alone(ctx context.Context, name string, change ...func(*graduation.Options)) (*replica, <-chan error) {
	GinkgoHelper()
	r, run := w.plan(ctx, name, change...)
	r.wait = crash.Guard(r.wait)
	running, cancel := context.WithCancel(ctx)
	ended, gone := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(gone)
		ended <- run(running)
	}()
	DeferCleanup(func() {
		cancel()
		Eventually(gone).WithTimeout(5*time.Second).Should(BeClosed(), "Run of %s has to return when its context has ended", name)
	})
	return r, ended
}

func times(lease, deadline time.Duration) func(*graduation.Options) {
	return func(o *graduation.Options) {
		o.LeaseDuration, o.RenewDeadline, o.RetryPeriod = lease, deadline, 100*time.Millisecond
	}
}

var _ = Describe("Several copies", func() {
	var w *world
	BeforeEach(func(ctx SpecContext) { w = newWorld(ctx) })

	It("stand for the lease, and one of them works", func(ctx SpecContext) {
		first := w.start(ctx, "ada")
		Eventually(w.lease).WithContext(first.wait).ShouldNot(BeEmpty(), "the holder of the lease %s/%s", w.ns, api.Lease)
		holder, err := w.lease(ctx)
		Expect(err).NotTo(HaveOccurred())
		second := w.start(ctx, "bob")
		Eventually(stands(second)).WithContext(second.wait).WithTimeout(5*time.Second).Should(BeNumerically(">=", 2), "requests of bob about the lease %s/%s", w.ns, api.Lease)
		for i := range 5 {
			w.connected(ctx, first, fmt.Sprint("line-", i))
		}
		Expect(w.callers()).To(Equal([]string{"ada"}), "who has called the exchange")
		Expect(w.lease(ctx)).To(Equal(holder), "the holder of the lease %s/%s", w.ns, api.Lease)
	})

	It("hand over at once when the leader is asked to end, which is no error", func(ctx SpecContext) {
		first := w.start(ctx, "ada")
		l := w.connected(ctx, first, "desk")
		second := w.start(ctx, "bob")
		Eventually(stands(second)).WithContext(second.wait).WithTimeout(5*time.Second).Should(BeNumerically(">=", 1), "requests of bob about the lease %s/%s", w.ns, api.Lease)
		Expect(first.loop.Stop()).To(Succeed(), "Run of ada, whose context has ended")
		Expect(first.loop.Err()).NotTo(HaveOccurred(), "what Run of ada has returned")
		// The lease would last an hour.
		w.patch(ctx, "desk", `{"spec":{"divert":"+43123456789"}}`)
		w.connects(second, "desk", 2)
		Expect(w.rented()).To(Equal([]string{l.Status.Number + " to +43123456789"}), "what the exchange has")
	})

	It("have the work of the leader taken over when it is killed", func(ctx SpecContext) {
		first := w.start(ctx, "ada")
		w.connected(ctx, first, "desk")
		second := w.start(ctx, "bob")
		first.kill()
		w.patch(ctx, "desk", `{"spec":{"divert":"+43123456789"}}`)
		w.free(ctx)
		w.connects(second, "desk", 2)
		Expect(w.service.Rented()).To(Equal(1), "numbers that were ever rented")
	})

	It("end with an error when they have led and the lease is lost", func(ctx SpecContext) {
		first, ended := w.alone(ctx, "ada", times(8*time.Second, time.Second))
		Eventually(w.lease).WithContext(first.wait).ShouldNot(BeEmpty(), "the holder of the lease %s/%s", w.ns, api.Lease)
		first.api.cut()
		Eventually(ended).WithContext(first.wait).Should(Receive(HaveOccurred()), "Run of ada, which cannot renew its lease any more")
	})

	It("never work at once: who cannot renew the lease has stopped before another one begins", func(ctx SpecContext) {
		// It has to stop within a second or so, and others may begin after three.
		first, ended := w.alone(ctx, "ada", times(3*time.Second, time.Second))
		w.make(ctx, "desk")
		// The leader is on the telephone, the exchange lets it wait, and only the wire to the API server is cut.
		talking := make(chan struct{})
		var once atomic.Bool
		w.service.Before(func(call context.Context, c exchange.Call) {
			if c.Caller != "ada" {
				return
			}
			if once.CompareAndSwap(false, true) {
				close(talking)
			}
			select {
			case <-call.Done(): // it has hung up
			case <-ctx.Done():
			}
		})
		Eventually(talking).WithContext(first.wait).Should(BeClosed(), "the exchange is called for line %s/desk", w.ns)
		second := w.start(ctx, "bob")
		first.api.cut()
		w.connects(second, "desk", 1)
		calls := w.service.Calls()
		began := 0
		for _, c := range calls {
			if c.Caller == "bob" {
				began = c.Began
				break
			}
		}
		Expect(began).NotTo(BeZero(), "bob calls the exchange for line %s/desk", w.ns)
		for _, c := range calls {
			if c.Caller == "ada" {
				Expect(c.Began).To(BeNumerically("<", began), "ada's call of %s begins when bob has begun", c.Op)
				Expect(c.Ended).To(And(Not(BeZero()), BeNumerically("<", began)), "ada's call of %s goes on when bob has begun: two are at work", c.Op)
			}
		}
		Eventually(ended).WithContext(second.wait).Should(Receive(HaveOccurred()), "Run of ada, which cannot renew its lease any more")
	})
})
