package leaderelection_test

import (
	"context"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	kata "github.com/kubekata/kubekata/katas/stage6/01-leader-election"
)

var _ = Describe("Run", func() {
	It("refuses times that do not go together, before it asks for the lease", func(ctx SpecContext) {
		b, j := &board{}, untilTheEnd()
		timing := kata.Timing{LeaseDuration: 15 * time.Second, RenewDeadline: 14 * time.Second, RetryPeriod: 2 * time.Second}
		o := lone(ctx, &kata.Candidate{Lock: b.lock("a"), Timing: timing, Work: j.work})
		Expect(o.result(ctx)).To(MatchError(kata.ErrTiming), "what Run returns, with a LeaseDuration of 15s, a RenewDeadline of 14s and a RetryPeriod of 2s")
		Expect(b.requests()).To(BeZero(), "requests to the lock")
	})

	It("returns client-go's error about a lock without an identity", func(ctx SpecContext) {
		b, j := &board{}, untilTheEnd()
		o := lone(ctx, &kata.Candidate{Lock: b.lock(""), Timing: patient, Work: j.work})
		Expect(o.result(ctx)).To(MatchError(ContainSubstring("identity is empty")), "what Run returns")
		Expect(b.requests()).To(BeZero(), "requests to the lock")
	})

	It("works at once when nobody else leads", func(ctx SpecContext) {
		b, j := &board{}, untilTheEnd()
		wait, _ := run(ctx, &kata.Candidate{Lock: b.lock("a"), Timing: patient, Work: j.work})
		j.begins(wait)
		Expect(b.holder()).To(Equal("a"), "the holder of the lease while a works")
	})

	It("leaves the values of its context to Work", func(ctx SpecContext) {
		type key struct{}
		b, j := &board{}, untilTheEnd()
		c := &kata.Candidate{Lock: b.lock("a"), Timing: patient, Work: j.work}
		o := lone(context.WithValue(ctx, key{}, "from above"), c)
		j.begins(o.wait)
		Expect(j.context().Value(key{})).To(Equal("from above"), "a value of Run's context, in Work: loggers and traces travel like this")
	})

	It("does not work while another leads", func(ctx SpecContext) {
		b, j := held("b", time.Hour), untilTheEnd()
		wait, loop := run(ctx, &kata.Candidate{Lock: b.lock("a"), Timing: patient, Work: j.work})
		Eventually(b.requests).WithContext(wait).Should(BeNumerically(">", 3), "how often a has looked at the lease")
		Expect(j.begun.Load()).To(BeZero(), "how often Work was called, while b has the lease")
		Expect(loop.Stop()).To(Succeed())
		Expect(loop.Err()).NotTo(HaveOccurred(), "what Run returns when its context ends before it has led")
		Expect(j.begun.Load()).To(BeZero(), "how often Work was called, when Run has returned and b has the lease")
		Expect(b.history()).To(BeEmpty(), "what a has written, who never had the lease")
	})

	It("waits for as long as the lease says until it takes it from somebody who does not renew it", func(ctx SpecContext) {
		b, j := held("b", time.Second), untilTheEnd()
		timing := kata.Timing{LeaseDuration: time.Second, RenewDeadline: 500 * time.Millisecond, RetryPeriod: 20 * time.Millisecond}
		began := time.Now()
		wait, _ := run(ctx, &kata.Candidate{Lock: b.lock("a"), Timing: timing, Work: j.work})
		j.begins(wait)
		Expect(b.history()[0].at).To(BeTemporally(">=", began.Add(time.Second)), "when a has taken the lease of one second, which b had when a began at %v", began)
	})

	It("renews the lease while Work works", func(ctx SpecContext) {
		b, j := &board{}, untilTheEnd()
		wait, _ := run(ctx, &kata.Candidate{Lock: b.lock("a"), Timing: patient, Work: j.work})
		Eventually(b.renewals("a")).WithContext(wait).Should(BeNumerically(">", 4), "how often a has written the lease")
		Expect(j.begun.Load()).To(BeEquivalentTo(1), "how often Work was called meanwhile")
	})

	It("goes on when a renewal fails, and the next one does not", func(ctx SpecContext) {
		b, j := &board{}, untilTheEnd()
		l := b.lock("a")
		failed := 0
		l.before = func(_ context.Context, op string, _ resourcelock.LeaderElectionRecord) error {
			if op == "update" && failed < 3 {
				failed++
				return apierrors.NewServiceUnavailable("the server is restarted")
			}
			return nil
		}
		wait, _ := run(ctx, &kata.Candidate{Lock: l, Timing: patient, Work: j.work})
		Eventually(b.renewals("a")).WithContext(wait).Should(BeNumerically(">", 2), "how often a has written the lease, after three failures")
		Expect(j.begun.Load()).To(BeEquivalentTo(1), "how often Work was called")
		Expect(j.context().Err()).NotTo(HaveOccurred(), "the end of Work's context")
	})
})

var _ = Describe("NewLeader", func() {
	It("is told of the candidate itself", func(ctx SpecContext) {
		b, j, told := &board{}, untilTheEnd(), &names{}
		wait, _ := run(ctx, &kata.Candidate{Lock: b.lock("a"), Timing: patient, Work: j.work, NewLeader: told.add})
		Eventually(told.all).WithContext(wait).Should(Equal([]string{"a"}), "the leaders that NewLeader was told of")
	})

	It("is told of another", func(ctx SpecContext) {
		b, j, told := held("b", time.Hour), untilTheEnd(), &names{}
		wait, _ := run(ctx, &kata.Candidate{Lock: b.lock("a"), Timing: patient, Work: j.work, NewLeader: told.add})
		Eventually(told.all).WithContext(wait).Should(Equal([]string{"b"}), "the leaders that NewLeader was told of")
		b.take("c")
		Eventually(told.all).WithContext(wait).Should(Equal([]string{"b", "c"}), "the leaders that NewLeader was told of, when c has taken the lease from b")
	})

	It("is not told of a lease that nobody holds", func(ctx SpecContext) {
		b, j, told := held("b", time.Hour), untilTheEnd(), &names{}
		l := b.lock("a")
		l.before = func(_ context.Context, op string, _ resourcelock.LeaderElectionRecord) error {
			if op == "update" {
				return apierrors.NewServiceUnavailable("the server does not write")
			}
			return nil
		}
		wait, _ := run(ctx, &kata.Candidate{Lock: l, Timing: patient, Work: j.work, NewLeader: told.add})
		Eventually(told.all).WithContext(wait).Should(Equal([]string{"b"}), "the leaders that NewLeader was told of")
		b.take("")
		before := b.requests()
		Eventually(b.requests).WithContext(wait).Should(BeNumerically(">", before+4), "how often a has looked at the lease")
		b.take("c")
		Eventually(told.all).WithContext(wait).Should(HaveLen(2), "the leaders that NewLeader was told of, when b has given the lease back and c has taken it")
		Expect(told.all()).To(Equal([]string{"b", "c"}), "the leaders that NewLeader was told of, when b has given the lease back and c has taken it")
	})
})

// names are the leaders that NewLeader was told of.
type names struct {
	mu  sync.Mutex
	got []string
}

func (n *names) add(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.got = append(n.got, name)
}

func (n *names) all() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string{}, n.got...)
}
