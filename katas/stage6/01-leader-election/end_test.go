package leaderelection_test

import (
	"context"
	"errors"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	kata "github.com/kubekata/kubekata/katas/stage6/01-leader-election"

	"github.com/kubekata/kubekata/harness"
)

var errMail = errors.New("the mail server is away")

var _ = Describe("The end of Run's context", func() {
	It("ends Work's, and Run returns nil", func(ctx SpecContext) {
		b, j := &board{}, untilTheEnd()
		wait, loop := run(ctx, &kata.Candidate{Lock: b.lock("a"), Timing: patient, Work: j.work})
		j.begins(wait)
		end(loop)
		Eventually(j.context().Done()).WithContext(ctx).Should(BeClosed(), "Work's context has not ended")
		Expect(ended(ctx, loop)).To(Succeed(), "what Run returns")
		Expect(context.Cause(j.context())).To(MatchError(context.Canceled), "why Work's context has ended: the lease was not lost")
	})

	It("leaves the lease with the leader, who renews it, until Work has returned", func(ctx SpecContext) {
		b, gate := &board{}, harness.Closed(ctx)
		j := &job{do: func(context.Context) error { gate.Wait(); return nil }}
		wait, loop := run(ctx, &kata.Candidate{Lock: b.lock("a"), Timing: patient, Work: j.work})
		j.begins(wait)
		end(loop)
		Eventually(j.context().Done()).WithContext(ctx).Should(BeClosed(), "Work's context has not ended")
		before := b.renewals("a")()
		Eventually(b.renewals("a")).WithContext(ctx).WithTimeout(2*time.Second).Should(BeNumerically(">", before+3), "how often a has written the lease, which it needs while its Work comes to an end (%d before)", before)
		Expect(b.releases()).To(BeZero(), "how often a has given the lease back, while its Work still runs")
		Expect(loop.Done()).NotTo(BeClosed(), "Run has returned, and Work still runs")
		gate.Open()
		Expect(ended(ctx, loop)).To(Succeed(), "what Run returns")
	})

	It("gives the lease back once Work has returned", func(ctx SpecContext) {
		b, j := &board{}, untilTheEnd()
		l := b.lock("a")
		during := make(chan int32, 10)
		l.before = func(_ context.Context, op string, record resourcelock.LeaderElectionRecord) error {
			if op == "update" && record.HolderIdentity == "" {
				during <- j.busy.Load()
			}
			return nil
		}
		wait, loop := run(ctx, &kata.Candidate{Lock: l, Timing: patient, Work: j.work})
		j.begins(wait)
		Expect(b.holder()).To(Equal("a"), "the holder of the lease while a works")
		end(loop)
		Expect(ended(ctx, loop)).To(Succeed(), "what Run returns")
		Expect(b.holder()).To(BeEmpty(), "the holder of the lease when Run has returned: the others wait for as long as the lease says")
		Expect(during).To(Receive(BeZero()), "Works that ran when the lease was given back")
	})

	It("keeps the number of leaders in the lease", func(ctx SpecContext) {
		b, j := held("", time.Second), untilTheEnd()
		wait, loop := run(ctx, &kata.Candidate{Lock: b.lock("a"), Timing: patient, Work: j.work})
		j.begins(wait)
		end(loop)
		Expect(ended(ctx, loop)).To(Succeed(), "what Run returns")
		Expect(b.holder()).To(BeEmpty(), "the holder of the lease when Run has returned")
		Expect(b.record.LeaderTransitions).To(Equal(8), "leaderTransitions in the lease that was given back: 7, and a")
	})

	It("takes no error from a Work that returns its context's", func(ctx SpecContext) {
		b, j := &board{}, &job{do: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
		wait, loop := run(ctx, &kata.Candidate{Lock: b.lock("a"), Timing: patient, Work: j.work})
		j.begins(wait)
		end(loop)
		Expect(ended(ctx, loop)).To(Succeed(), "what Run returns when Work has returned context.Canceled, as it was asked to end")
		Expect(b.holder()).To(BeEmpty(), "the holder of the lease when Run has returned")
	})

	It("takes the error from a Work that returns another, and gives the lease back", func(ctx SpecContext) {
		b, j := &board{}, &job{do: func(ctx context.Context) error { <-ctx.Done(); return errMail }}
		wait, loop := run(ctx, &kata.Candidate{Lock: b.lock("a"), Timing: patient, Work: j.work})
		j.begins(wait)
		end(loop)
		Expect(ended(ctx, loop)).To(MatchError(errMail), "what Run returns")
		Expect(b.holder()).To(BeEmpty(), "the holder of the lease when Run has returned")
	})

	It("finds nothing to give back when there is no Lease yet", func(ctx SpecContext) {
		b, j := &board{}, untilTheEnd()
		l := b.lock("a")
		l.before = func(_ context.Context, op string, _ resourcelock.LeaderElectionRecord) error {
			if op == "create" {
				return apierrors.NewServiceUnavailable("the server does not write")
			}
			return nil
		}
		wait, loop := run(ctx, &kata.Candidate{Lock: l, Timing: patient, Work: j.work})
		Eventually(b.requests).WithContext(wait).Should(BeNumerically(">", 2), "requests to the lock")
		end(loop)
		Expect(ended(ctx, loop)).To(Succeed(), "what Run returns when there is no Lease")
	})

	It("gives back a lease that was won in the last request, whose answer was not waited for", func(ctx SpecContext) {
		b, j := held("", time.Hour), untilTheEnd()
		l := b.lock("a")
		won, once := make(chan struct{}), make(chan struct{}, 1)
		once <- struct{}{}
		l.after = func(ctx context.Context, _ string, record resourcelock.LeaderElectionRecord) error {
			select {
			case <-once:
			default:
				return nil
			}
			close(won)
			<-ctx.Done()
			return ctx.Err()
		}
		wait, loop := run(ctx, &kata.Candidate{Lock: l, Timing: patient, Work: j.work})
		Eventually(won).WithContext(wait).Should(BeClosed(), "a writes the lease")
		end(loop)
		Expect(ended(ctx, loop)).To(Succeed(), "what Run returns")
		Expect(b.holder()).To(BeEmpty(), "the holder of the lease when Run has returned, whose last request was answered by nobody, and has succeeded")
	})
})

var _ = Describe("Giving the lease back", func() {
	// giving starts a leader, and calls before in each request that comes when Work has returned.
	giving := func(ctx context.Context, b *board, timing kata.Timing, before func(ctx context.Context, op string) error) (*job, *harness.Loop) {
		GinkgoHelper()
		done := make(chan struct{})
		j := &job{do: func(ctx context.Context) error { <-ctx.Done(); close(done); return nil }}
		l := b.lock("a")
		l.before = func(ctx context.Context, op string, record resourcelock.LeaderElectionRecord) error {
			select {
			case <-done:
			default:
				return nil
			}
			if record.HolderIdentity != "" {
				return nil // a renewal
			}
			return before(ctx, op)
		}
		wait, loop := run(ctx, &kata.Candidate{Lock: l, Timing: timing, Work: j.work})
		j.begins(wait)
		return j, loop
	}

	It("is tried again when somebody else has changed the Lease", func(ctx SpecContext) {
		b, conflicts := &board{}, 0
		_, loop := giving(ctx, b, patient, func(_ context.Context, op string) error {
			if op == "update" && conflicts == 0 {
				conflicts++
				b.touch()
			}
			return nil
		})
		end(loop)
		Expect(ended(ctx, loop)).To(Succeed(), "what Run returns after a conflict")
		Expect(b.holder()).To(BeEmpty(), "the holder of the lease when Run has returned")
	})

	It("is not done when it has gone to another", func(ctx SpecContext) {
		b, once := &board{}, 0
		_, loop := giving(ctx, b, patient, func(context.Context, string) error {
			if once++; once == 1 {
				b.take("b")
			}
			return nil
		})
		end(loop)
		Expect(ended(ctx, loop)).To(Succeed(), "what Run returns")
		Expect(b.holder()).To(Equal("b"), "the holder of the lease, which b has taken after a's last renewal")
	})

	It("is an error when it fails", func(ctx SpecContext) {
		b := &board{}
		_, loop := giving(ctx, b, patient, func(_ context.Context, op string) error {
			if op == "update" {
				return apierrors.NewForbidden(leases, "invoices", errors.New("not any more"))
			}
			return nil
		})
		end(loop)
		Expect(ended(ctx, loop)).To(Satisfy(apierrors.IsForbidden), "what Run returns when the lease could not be given back")
	})

	It("takes no longer than RenewDeadline", func(ctx SpecContext) {
		b := &board{}
		_, loop := giving(ctx, b, brief, func(ctx context.Context, op string) error {
			if _, bounded := ctx.Deadline(); !bounded {
				return errors.New("this request has no deadline, and the server may never answer")
			}
			<-ctx.Done()
			return ctx.Err()
		})
		end(loop)
		Expect(ended(ctx, loop)).To(MatchError(context.DeadlineExceeded), "what Run returns when nobody answers")
	})
})

var _ = Describe("A Work that returns by itself", func() {
	It("ends Run, which gives the lease back", func(ctx SpecContext) {
		b, j := &board{}, &job{do: func(context.Context) error { return nil }}
		o := lone(ctx, &kata.Candidate{Lock: b.lock("a"), Timing: patient, Work: j.work})
		Expect(o.result(ctx)).To(Succeed(), "what Run returns")
		Expect(j.begun.Load()).To(BeEquivalentTo(1), "how often Work was called")
		Expect(b.holder()).To(BeEmpty(), "the holder of the lease when Run has returned: nobody works")
		Expect(b.releases()).To(Equal(1), "how often the lease was given back")
	})

	It("leaves its error to Run", func(ctx SpecContext) {
		b, j := &board{}, &job{do: func(context.Context) error { return errMail }}
		o := lone(ctx, &kata.Candidate{Lock: b.lock("a"), Timing: patient, Work: j.work})
		Expect(o.result(ctx)).To(MatchError(errMail), "what Run returns")
		Expect(b.holder()).To(BeEmpty(), "the holder of the lease when Run has returned: nobody works")
	})

	It("leaves a context.Canceled that is not its own context's to Run", func(ctx SpecContext) {
		b, j := &board{}, &job{do: func(context.Context) error { return context.Canceled }}
		o := lone(ctx, &kata.Candidate{Lock: b.lock("a"), Timing: patient, Work: j.work})
		Expect(o.result(ctx)).To(MatchError(context.Canceled), "what Run returns when Work has returned context.Canceled, and nobody has asked it to end")
	})
})
