package leaderelection_test

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/utils/clock"

	kata "github.com/kubekata/kubekata/katas/stage6/01-leader-election"

	"github.com/kubekata/kubekata/harness"
)

var _ = Describe("The loss of the lease", func() {
	It("ends Work's context, and says why, when another has taken it", func(ctx SpecContext) {
		b, j := &board{}, untilTheEnd()
		o := lone(ctx, &kata.Candidate{Lock: b.lock("a"), Timing: brief, Work: j.work})
		j.begins(o.wait)
		b.take("b")
		Eventually(j.context().Done()).WithContext(ctx).Should(BeClosed(), "Work's context has not ended, and b has the lease")
		Expect(context.Cause(j.context())).To(MatchError(kata.ErrLost), "why Work's context has ended")
	})

	It("is what Run returns", func(ctx SpecContext) {
		b, j := &board{}, untilTheEnd()
		o := lone(ctx, &kata.Candidate{Lock: b.lock("a"), Timing: brief, Work: j.work})
		j.begins(o.wait)
		b.take("b")
		Expect(o.result(ctx)).To(MatchError(kata.ErrLost), "what Run returns when b has taken the lease")
		Expect(b.holder()).To(Equal("b"), "the holder of the lease, which b has taken")
	})

	It("is what Run returns, and what Work has returned", func(ctx SpecContext) {
		b, j := &board{}, &job{do: func(ctx context.Context) error { <-ctx.Done(); return errMail }}
		o := lone(ctx, &kata.Candidate{Lock: b.lock("a"), Timing: brief, Work: j.work})
		j.begins(o.wait)
		b.take("b")
		Expect(o.result(ctx)).To(And(MatchError(kata.ErrLost), MatchError(errMail)), "what Run returns when b has taken the lease, and Work could not send a mail")
	})

	It("does not end Run before Work has returned", func(ctx SpecContext) {
		b, gate := &board{}, harness.Closed(ctx)
		j := &job{do: func(context.Context) error { gate.Wait(); return nil }}
		o := lone(ctx, &kata.Candidate{Lock: b.lock("a"), Timing: brief, Work: j.work})
		j.begins(o.wait)
		b.take("b")
		Eventually(j.context().Done()).WithContext(ctx).Should(BeClosed(), "Work's context has not ended, and b has the lease")
		Consistently(o.has).WithContext(ctx).WithTimeout(200*time.Millisecond).Should(BeFalse(), "Run has returned, and Work still runs: a program that believes it exits in the middle of a step")
		gate.Open()
		Expect(o.result(ctx)).To(MatchError(kata.ErrLost), "what Run returns")
	})

	It("is found out by a leader who cannot renew it", func(ctx SpecContext) {
		b, j := &board{}, untilTheEnd()
		l, away := b.lock("a"), &atomic.Bool{}
		l.before = func(context.Context, string, resourcelock.LeaderElectionRecord) error {
			if away.Load() {
				return apierrors.NewServiceUnavailable("the server is away")
			}
			return nil
		}
		o := lone(ctx, &kata.Candidate{Lock: l, Timing: brief, Work: j.work})
		j.begins(o.wait)
		away.Store(true)
		Eventually(j.context().Done()).WithContext(ctx).Should(BeClosed(), "Work's context has not ended, and nothing can be renewed")
		Expect(o.result(ctx)).To(MatchError(kata.ErrLost), "what Run returns")
	})

	It("does not give back what could not be renewed", func(ctx SpecContext) {
		b, j := &board{}, untilTheEnd()
		l, readOnly := b.lock("a"), &atomic.Bool{}
		var working atomic.Int32
		l.before = func(_ context.Context, op string, record resourcelock.LeaderElectionRecord) error {
			switch {
			case op != "update" || !readOnly.Load():
				return nil
			case record.HolderIdentity != "":
				return apierrors.NewServiceUnavailable("the server does not write")
			}
			working.Add(j.busy.Load()) // it writes again, in this moment
			return nil
		}
		o := lone(ctx, &kata.Candidate{Lock: l, Timing: brief, Work: j.work})
		j.begins(o.wait)
		readOnly.Store(true)
		Expect(o.result(ctx)).To(MatchError(kata.ErrLost), "what Run returns")
		Expect(working.Load()).To(BeZero(), "Works that ran when the lease was given back. (ReleaseOnCancel gives it back when a renewal has failed for good, too, and ends the work's context after that)")
		Expect(b.releases()).To(BeZero(), "how often a has given the lease back, which it had lost")
	})
})

var _ = Describe("Two candidates", func() {
	It("do not act at the same time when the leader cannot reach the lease any more", func(ctx SpecContext) {
		b, l := &board{}, &ledger{}
		mine, away := b.lock("a"), &atomic.Bool{}
		mine.before = func(ctx context.Context, _ string, _ resourcelock.LeaderElectionRecord) error {
			if !away.Load() {
				return nil
			}
			<-ctx.Done() // nobody answers
			return ctx.Err()
		}
		timing := kata.Timing{LeaseDuration: 2 * time.Second, RenewDeadline: 400 * time.Millisecond, RetryPeriod: 100 * time.Millisecond}
		first := lone(ctx, &kata.Candidate{Lock: mine, Timing: timing, Work: l.work("a")})
		Eventually(l.by("a")).WithContext(first.wait).Should(BeNumerically(">", 3), "steps of a")
		wait, _ := run(ctx, &kata.Candidate{Lock: b.lock("b"), Timing: timing, Work: l.work("b")})
		Eventually(b.requests).WithContext(wait).Should(BeNumerically(">", 5), "requests to the lock, of both")
		away.Store(true)
		Eventually(l.by("b")).WithContext(wait).Should(BeNumerically(">", 3), "steps of b, when a cannot renew its lease of two seconds any more")
		Expect(l.last("a")).To(BeTemporally("<", l.first("b")), "the end of a's last step, before the beginning of b's first")
		Expect(first.result(ctx)).To(MatchError(kata.ErrLost), "what a's Run returns")
	})

	It("do not act at the same time when the leader hands over, and nobody waits for a lease to run out", func(ctx SpecContext) {
		b, l := &board{}, &ledger{}
		wait, loop := run(ctx, &kata.Candidate{Lock: b.lock("a"), Timing: patient, Work: l.work("a")})
		Eventually(l.by("a")).WithContext(wait).Should(BeNumerically(">", 3), "steps of a")
		wait, _ = run(ctx, &kata.Candidate{Lock: b.lock("b"), Timing: patient, Work: l.work("b")})
		end(loop)
		Expect(ended(ctx, loop)).To(Succeed(), "what a's Run returns")
		Eventually(l.by("b")).WithContext(wait).Should(BeNumerically(">", 3), "steps of b, when a has given its lease of an hour back")
		Expect(l.last("a")).To(BeTemporally("<", l.first("b")), "the end of a's last step, before the beginning of b's first")
	})
})

// ledger is where the steps of several leaders are written down.
type ledger struct {
	mu    sync.Mutex
	steps []step
}

type step struct {
	by         string
	begun, end time.Time
}

// work makes a Work: a step each five milliseconds, through the learner's Repeat.
func (l *ledger) work(by string) func(context.Context) error {
	return func(ctx context.Context) error {
		return kata.Repeat(ctx, clock.RealClock{}, 5*time.Millisecond, func(context.Context) error {
			s := step{by: by, begun: time.Now()}
			s.end = time.Now()
			l.mu.Lock()
			defer l.mu.Unlock()
			l.steps = append(l.steps, s)
			return nil
		})
	}
}

// by returns a function for Eventually: how many steps somebody has done.
func (l *ledger) by(name string) func() int {
	return func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		n := 0
		for _, s := range l.steps {
			if s.by == name {
				n++
			}
		}
		return n
	}
}

// first returns when somebody has begun the first step.
func (l *ledger) first(by string) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.steps {
		if s.by == by {
			return s.begun
		}
	}
	return time.Time{}
}

// last returns when somebody has ended the last step.
func (l *ledger) last(by string) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	var at time.Time
	for _, s := range l.steps {
		if s.by == by {
			at = s.end
		}
	}
	return at
}
