package leaderelection_test

import (
	"context"
	"fmt"
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/utils/ptr"

	kata "github.com/kubekata/kubekata/katas/stage6/01-leader-election"

	"github.com/kubekata/kubekata/harness/cluster"
)

var _ = Describe("On the API server", func() {
	// lock is the learner's, on the Lease invoices.
	lock := func(ns, identity string, timing kata.Timing) resourcelock.Interface {
		GinkgoHelper()
		l, err := kata.NewLock(api.Config(), ns, "invoices", identity, timing.RenewDeadline)
		Expect(err).NotTo(HaveOccurred(), "what NewLock returns")
		return l
	}
	get := func(ctx context.Context, ns string) *coordinationv1.Lease {
		GinkgoHelper()
		lease, err := api.Judge().CoordinationV1().Leases(ns).Get(ctx, "invoices", metav1.GetOptions{})
		Expect(err).NotTo(HaveOccurred(), "the Lease invoices")
		return lease
	}

	It("the Lease says who leads, for how long, and how often it has changed hands", func(ctx SpecContext) {
		ns, j := api.Namespace(ctx), untilTheEnd()
		wait, _ := run(ctx, &kata.Candidate{Lock: lock(ns, "a", patient), Timing: patient, Work: j.work})
		j.begins(wait)
		lease := get(ctx, ns)
		Expect(ptr.Deref(lease.Spec.HolderIdentity, "")).To(Equal("a"), "holderIdentity")
		Expect(ptr.Deref(lease.Spec.LeaseDurationSeconds, 0)).To(BeEquivalentTo(3600), "leaseDurationSeconds, with a LeaseDuration of an hour")
		Expect(ptr.Deref(lease.Spec.LeaseTransitions, -1)).To(BeEquivalentTo(0), "leaseTransitions, with the first leader")
	})

	It("a lease of an hour that was given back goes to the next at once", func(ctx SpecContext) {
		ns, j, next := api.Namespace(ctx), untilTheEnd(), untilTheEnd()
		wait, loop := run(ctx, &kata.Candidate{Lock: lock(ns, "a", patient), Timing: patient, Work: j.work})
		j.begins(wait)
		wait, _ = run(ctx, &kata.Candidate{Lock: lock(ns, "b", patient), Timing: patient, Work: next.work})
		end(loop)
		Expect(ended(ctx, loop)).To(Succeed(), "what a's Run returns")
		next.begins(wait)
		Expect(ptr.Deref(get(ctx, ns).Spec.HolderIdentity, "")).To(Equal("b"), "holderIdentity, when a has given the lease back")
	})

	It("a leader to whom the lease does not belong any more stops, and leaves it alone", func(ctx SpecContext) {
		ns, j := api.Namespace(ctx), untilTheEnd()
		timing := kata.Timing{LeaseDuration: 10 * time.Second, RenewDeadline: time.Second, RetryPeriod: 100 * time.Millisecond}
		o := lone(ctx, &kata.Candidate{Lock: lock(ns, "a", timing), Timing: timing, Work: j.work})
		j.begins(o.wait)
		patch := fmt.Appendf(nil, `{"spec":{"holderIdentity":"b","leaseDurationSeconds":3600}}`)
		_, err := api.Judge().CoordinationV1().Leases(ns).Patch(ctx, "invoices", types.MergePatchType, patch, metav1.PatchOptions{})
		Expect(err).NotTo(HaveOccurred(), "give the lease to b")
		Expect(o.result(ctx)).To(MatchError(kata.ErrLost), "what a's Run returns")
		Expect(j.context().Err()).To(HaveOccurred(), "the end of Work's context")
		Expect(ptr.Deref(get(ctx, ns).Spec.HolderIdentity, "")).To(Equal("b"), "holderIdentity")
	})

	It("a leader whose renewals are refused stops before the lease runs out", func(ctx SpecContext) {
		ns, j := api.Namespace(ctx), untilTheEnd()
		timing := kata.Timing{LeaseDuration: 10 * time.Second, RenewDeadline: time.Second, RetryPeriod: 100 * time.Millisecond}
		o := lone(ctx, &kata.Candidate{Lock: lock(ns, "a", timing), Timing: timing, Work: j.work})
		j.begins(o.wait)
		api.Intercept(func(r cluster.Request) *cluster.Answer {
			if r.Verb != "update" {
				return nil
			}
			return &cluster.Answer{Status: &metav1.Status{Code: http.StatusInternalServerError, Reason: metav1.StatusReasonInternalError, Message: "etcdserver: request timed out"}}
		})
		Expect(o.result(ctx)).To(MatchError(kata.ErrLost), "what a's Run returns")
		lease := get(ctx, ns)
		runsOut := lease.Spec.RenewTime.Add(timing.LeaseDuration)
		Expect(time.Now()).To(BeTemporally("<", runsOut), "when Run has returned, with a Lease that was last renewed at %v, for ten seconds", lease.Spec.RenewTime)
		Expect(ptr.Deref(lease.Spec.HolderIdentity, "")).To(Equal("a"), "holderIdentity: what was lost is not given back")
	})
})
