package graduation_test

import (
	"net/http"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubekata/kubekata/katas/stage6/08-graduation/api"
	"github.com/kubekata/kubekata/katas/stage6/08-graduation/exchange"

	"github.com/kubekata/kubekata/harness/cluster"
)

// ours says whether a request of an operator's is about Lines or phones, and changes something.
func ours(r cluster.Request) bool {
	return (r.Resource == "lines" || r.Resource == "configmaps") && (r.Verb == "create" || r.Verb == "update" || r.Verb == "patch")
}

var _ = Describe("On a bad day", func() {
	var w *world
	BeforeEach(func(ctx SpecContext) { w = newWorld(ctx) })

	It("a Line says what the exchange has against it, and is connected when that is over", func(ctx SpecContext) {
		w.service.Fail(exchange.OpRent, 3, http.StatusServiceUnavailable)
		var seen atomic.Value
		w.service.After(func(c exchange.Call) { // the first call that does, when the Line has said something
			if c.Op == exchange.OpRent && c.Status == http.StatusCreated {
				seen.Store(w.get(ctx, "desk"))
			}
		})
		r := w.start(ctx, "ada")
		w.make(ctx, "desk")
		w.connects(r, "desk", 1)
		before, _ := seen.Load().(*api.Line)
		Expect(before).NotTo(BeNil(), "line %s/desk before its number was rented", w.ns)
		c := meta.FindStatusCondition(before.Status.Conditions, api.Ready)
		Expect(c).NotTo(BeNil(), "the condition Ready of line %s/desk, after the exchange has failed three times", w.ns)
		Expect(c.Reason).To(Equal(api.ReasonExchangeFailed), "the reason of the condition Ready of line %s/desk, after the exchange has failed three times", w.ns)
		Expect(c.Status).To(Equal(metav1.ConditionFalse), "the status of the condition Ready of line %s/desk, after the exchange has failed three times", w.ns)
		Expect(c.Message).To(ContainSubstring("503"), "the message of the condition, which has the error's text")
		Expect(w.service.Rented()).To(Equal(1), "numbers that were ever rented")
	})

	It("a divert that fails is said, and the number stays in the status", func(ctx SpecContext) {
		r := w.start(ctx, "ada")
		l := w.connected(ctx, r, "desk")
		w.service.Fail(exchange.OpDivert, 1000, http.StatusServiceUnavailable)
		w.patch(ctx, "desk", `{"spec":{"divert":"+43123456789"}}`)
		Eventually(w.ready("desk")).WithContext(r.wait).Should(Equal("False ExchangeFailed, generation 2"), "the condition Ready of line %s/desk", w.ns)
		Expect(w.get(ctx, "desk").Status.Number).To(Equal(l.Status.Number), "status.number of line %s/desk", w.ns)
	})

	It("an answer of the exchange that is lost costs no second number", func(ctx SpecContext) {
		w.service.LoseAnswers(exchange.OpRent, 2)
		r := w.start(ctx, "ada")
		w.connected(ctx, r, "desk")
		Expect(w.service.Rented()).To(Equal(1), "numbers that were ever rented")
	})

	It("an exchange that is busy is called again when it has said, and not before", func(ctx SpecContext) {
		const busy = 1200 * time.Millisecond
		r := w.start(ctx, "ada")
		l := w.connected(ctx, r, "desk")
		w.service.Busy(exchange.OpDivert, busy)
		w.patch(ctx, "desk", `{"spec":{"divert":"+43123456789"}}`)
		w.connects(r, "desk", 2)
		var diverts []exchange.Call
		for _, c := range w.service.Calls() {
			if c.Op == exchange.OpDivert && c.Reference == string(l.UID) {
				diverts = append(diverts, c)
			}
		}
		Expect(len(diverts)).To(Equal(2), "calls of divert for line %s/desk", w.ns)
		Expect(diverts[1].At.Sub(diverts[0].At)).To(BeNumerically(">=", busy), "the time between the call to which the exchange was busy and the next one")
	})

	It("a write that loses against somebody else's is tried again, and nothing is done twice", func(ctx SpecContext) {
		var left atomic.Int64
		left.Store(4)
		server.Intercept(func(r cluster.Request) *cluster.Answer {
			if !ours(r) || left.Add(-1) < 0 {
				return nil
			}
			return &cluster.Answer{Status: &metav1.Status{Code: http.StatusConflict, Reason: metav1.StatusReasonConflict, Message: "the object has been modified"}}
		})
		r := w.start(ctx, "ada")
		w.connected(ctx, r, "desk", diverted("+43123456789"))
		Expect(left.Load()).To(BeNumerically("<=", 0), "writes that are still to lose")
		Expect(w.service.Rented()).To(Equal(1), "numbers that were ever rented")
	})

	It("somebody's change in the middle of the work is not undone", func(ctx SpecContext) {
		var once atomic.Bool
		w.service.After(func(c exchange.Call) {
			if c.Op == exchange.OpRent && once.CompareAndSwap(false, true) {
				w.patch(ctx, "desk", `{"metadata":{"labels":{"floor":"3"},"finalizers":["`+theirs+`","`+api.Finalizer+`"]},"spec":{"divert":"+43123456789"}}`)
			}
		})
		r := w.start(ctx, "ada")
		w.make(ctx, "desk")
		w.connects(r, "desk", 2)
		l := w.get(ctx, "desk")
		Expect(l.Labels).To(HaveKeyWithValue("floor", "3"), "the labels of line %s/desk", w.ns)
		Expect(l.Spec.Divert).To(Equal("+43123456789"), "spec.divert of line %s/desk", w.ns)
		Expect(w.finalizers(ctx, "desk")).To(Equal(theirs+" "+api.Finalizer), "the finalizers of line %s/desk", w.ns)
		Expect(w.rented()).To(Equal([]string{l.Status.Number + " to +43123456789"}), "what the exchange has")
	})

	It("a finalizer that somebody adds at the same moment as ours is kept", func(ctx SpecContext) {
		var once atomic.Bool
		server.Intercept(func(r cluster.Request) *cluster.Answer {
			if r.Resource == "lines" && ours(r) && once.CompareAndSwap(false, true) {
				defer GinkgoRecover()
				w.patch(ctx, "desk", `{"metadata":{"finalizers":["`+theirs+`"]}}`)
			}
			return nil
		})
		r := w.start(ctx, "ada")
		w.connected(ctx, r, "desk")
		Expect(w.finalizers(ctx, "desk")).To(Equal(theirs+" "+api.Finalizer), "the finalizers of line %s/desk", w.ns)
	})

	It("an API server that asks for patience gets it", func(ctx SpecContext) {
		var left atomic.Int64
		left.Store(2)
		server.Intercept(func(r cluster.Request) *cluster.Answer {
			if !ours(r) || left.Add(-1) < 0 {
				return nil
			}
			return &cluster.Answer{
				Status: &metav1.Status{Code: http.StatusTooManyRequests, Reason: metav1.StatusReasonTooManyRequests, Message: "too many requests"},
				Header: http.Header{"Retry-After": {"1"}},
			}
		})
		r := w.start(ctx, "ada")
		w.connected(ctx, r, "desk")
		Expect(w.service.Rented()).To(Equal(1), "numbers that were ever rented")
	})

	It("what happens while the watches are down is not lost", func(ctx SpecContext) {
		r := w.start(ctx, "ada")
		w.connected(ctx, r, "kept")
		w.connected(ctx, r, "left")
		var down atomic.Bool
		down.Store(true)
		server.Intercept(func(r cluster.Request) *cluster.Answer {
			if down.Load() && (r.Verb == "watch" || r.Verb == "list") && r.Resource != "leases" {
				return &cluster.Answer{}
			}
			return nil
		})
		r.api.breakOff()
		w.patch(ctx, "kept", `{"spec":{"divert":"+43123456789"}}`)
		w.delete(ctx, "left")
		w.make(ctx, "new")
		down.Store(false)
		w.connects(r, "kept", 2)
		w.connects(r, "new", 1)
		w.gone(r, "left")
		Expect(w.rented()).To(ConsistOf(w.get(ctx, "kept").Status.Number+" to +43123456789", w.get(ctx, "new").Status.Number), "what the exchange has")
	})
})
