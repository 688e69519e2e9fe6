package calculate_test

import (
	"context"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	. "github.com/onsi/gomega/gstruct"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
	mathv1 "github.com/kubekata/kubekata/katas/stage3/05-calculate/api/v1"
)

var _ = harness.NoLeaks()

var api = cluster.API()

func TestCalculate(t *testing.T) {
	harness.RunSpecs(t, "Stage 3 · 05-calculate")
}

var _ = Describe("The controller", func() {
	DescribeTable("calculates",
		func(ctx SpecContext, action mathv1.Action, first, second, result int64) {
			w := newWorld(ctx)
			wait, _ := w.run(ctx)
			w.make(ctx, "sum", action, first, second)
			w.eventually(wait, "sum").Should(haveResult(result, 1))
		},
		Entry("a sum", mathv1.ActionAdd, int64(2), int64(40), int64(42)),
		Entry("a difference", mathv1.ActionSub, int64(2), int64(44), int64(-42)),
		Entry("a product", mathv1.ActionMul, int64(-6), int64(7), int64(-42)),
		Entry("a quotient, cut off towards zero", mathv1.ActionDiv, int64(-7), int64(2), int64(-3)),
		Entry("with the largest numbers there are", mathv1.ActionAdd, int64(math.MaxInt64), int64(math.MinInt64), int64(-1)),
		Entry("a product that no floating-point number has", mathv1.ActionMul, int64(3037000499), int64(3037000499), int64(9223372030926249001)),
		Entry("a product as large as can be", mathv1.ActionMul, int64(math.MinInt64/2), int64(2), int64(math.MinInt64)),
	)

	It("writes a result of 0", func(ctx SpecContext) {
		w := newWorld(ctx)
		wait, _ := w.run(ctx)
		w.make(ctx, "nothing", mathv1.ActionSub, 7, 7)
		w.eventually(wait, "nothing").Should(haveResult(0, 1))
	})

	It("says that the condition Ready is True, and of which generation it speaks", func(ctx SpecContext) {
		w := newWorld(ctx)
		wait, _ := w.run(ctx)
		w.make(ctx, "sum", mathv1.ActionAdd, 1, 1)
		w.eventually(wait, "sum").Should(haveResult(2, 1))
		Expect(ready(w.get(ctx, "sum"))).To(PointTo(MatchFields(IgnoreExtras, Fields{
			"Status": Equal(metav1.ConditionTrue), "Reason": Equal(mathv1.ReasonCalculated), "ObservedGeneration": Equal(int64(1)),
			"LastTransitionTime": WithTransform(age, BeNumerically("<", time.Minute)),
		})), "condition Ready of calculate %s/sum", w.ns)
	})

	It("follows the spec", func(ctx SpecContext) {
		w := newWorld(ctx)
		wait, _ := w.run(ctx)
		w.make(ctx, "sum", mathv1.ActionAdd, 1, 1)
		w.eventually(wait, "sum").Should(haveResult(2, 1))
		w.edit(ctx, "sum", `{"spec":{"first":5}}`)
		w.eventually(wait, "sum").Should(haveResult(6, 2))
		w.edit(ctx, "sum", `{"spec":{"action":"mul","second":0}}`)
		w.eventually(wait, "sum").Should(haveResult(0, 3))
		Expect(ready(w.get(ctx, "sum")).ObservedGeneration).To(Equal(int64(3)), "observedGeneration of the condition Ready")
	})

	It("calculates what was there before it", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.make(ctx, "first", mathv1.ActionAdd, 1, 1)
		w.make(ctx, "second", mathv1.ActionAdd, 2, 2)
		wait, _ := w.run(ctx)
		w.eventually(wait, "first").Should(haveResult(2, 1))
		w.eventually(wait, "second").Should(haveResult(4, 1))
	})
})

var _ = Describe("What cannot be calculated", func() {
	It("is a condition: a division by zero", func(ctx SpecContext) {
		w := newWorld(ctx)
		wait, _ := w.run(ctx)
		w.make(ctx, "impossible", mathv1.ActionDiv, 1, 0)
		w.eventually(wait, "impossible").Should(haveFailed(mathv1.ReasonDivisionByZero, 1))
		Expect(ready(w.get(ctx, "impossible")).Message).NotTo(BeEmpty(), "the message, which the user reads")
	})

	DescribeTable("is a condition: an overflow of",
		func(ctx SpecContext, action mathv1.Action, first, second int64) {
			w := newWorld(ctx)
			wait, _ := w.run(ctx)
			w.make(ctx, "large", action, first, second)
			w.eventually(wait, "large").Should(haveFailed(mathv1.ReasonOverflow, 1))
			Expect(ready(w.get(ctx, "large")).Message).NotTo(BeEmpty(), "the message, which the user reads")
		},
		Entry("a sum", mathv1.ActionAdd, int64(math.MaxInt64), int64(1)),
		Entry("a sum, downwards", mathv1.ActionAdd, int64(math.MinInt64), int64(-1)),
		Entry("a difference", mathv1.ActionSub, int64(math.MinInt64), int64(1)),
		Entry("a difference, upwards", mathv1.ActionSub, int64(0), int64(math.MinInt64)),
		Entry("a product", mathv1.ActionMul, int64(1<<32), int64(1<<32)),
		Entry("a product, by its sign", mathv1.ActionMul, int64(math.MinInt64), int64(-1)),
		Entry("a quotient", mathv1.ActionDiv, int64(math.MinInt64), int64(-1)),
	)

	It("is a condition: an action that nobody knows", func(ctx SpecContext) {
		w := newWorld(ctx)
		status := w.reconcileOnce(ctx, mathv1.CalculateSpec{Action: "pow", First: 2, Second: 3})
		Expect(status).To(haveFailed(mathv1.ReasonUnknownAction, 1))
		Expect(status.Conditions[0].Message).NotTo(BeEmpty(), "the message, which the user reads")
	})

	It("is not tried again", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.make(ctx, "impossible", mathv1.ActionDiv, 1, 0)
		w.make(ctx, "large", mathv1.ActionMul, math.MaxInt64, 2)
		for _, name := range []string{"impossible", "large"} {
			Expect(w.reconcile(ctx, name)).To(Equal(ctrl.Result{}), "what Reconcile of %s returns: nothing will change until the user does something", name)
		}
		Expect(w.status(ctx, "impossible")).To(haveFailed(mathv1.ReasonDivisionByZero, 1))
		Expect(w.status(ctx, "large")).To(haveFailed(mathv1.ReasonOverflow, 1))
	})

	It("takes the old result away", func(ctx SpecContext) {
		w := newWorld(ctx)
		wait, _ := w.run(ctx)
		w.make(ctx, "ratio", mathv1.ActionDiv, 6, 2)
		w.eventually(wait, "ratio").Should(haveResult(3, 1))
		w.edit(ctx, "ratio", `{"spec":{"second":0}}`)
		w.eventually(wait, "ratio").Should(haveFailed(mathv1.ReasonDivisionByZero, 2))
	})

	It("is calculated when the user has mended it", func(ctx SpecContext) {
		w := newWorld(ctx)
		wait, _ := w.run(ctx)
		w.make(ctx, "ratio", mathv1.ActionDiv, 6, 0)
		w.eventually(wait, "ratio").Should(haveFailed(mathv1.ReasonDivisionByZero, 1))
		w.edit(ctx, "ratio", `{"spec":{"second":2}}`)
		w.eventually(wait, "ratio").Should(haveResult(3, 2))
	})
})

var _ = Describe("The status", func() {
	It("is written once, and not again when all is said", func(ctx SpecContext) {
		w := newWorld(ctx)
		wait, first := w.run(ctx)
		w.make(ctx, "sum", mathv1.ActionAdd, 1, 1)
		w.make(ctx, "impossible", mathv1.ActionDiv, 1, 0)
		w.eventually(wait, "sum").Should(haveResult(2, 1))
		w.eventually(wait, "impossible").Should(haveFailed(mathv1.ReasonDivisionByZero, 1))
		Expect(first.Stop()).To(Succeed())
		before := len(writes())
		Expect(before).To(Equal(2), "writes for two objects: %v", writes())
		// Another manager sees both again; and then one that is new to it.
		wait, _ = w.run(ctx)
		w.make(ctx, "last", mathv1.ActionAdd, 3, 3)
		w.eventually(wait, "last").Should(haveResult(6, 1))
		Expect(writes()[before:]).To(ConsistOf(ContainSubstring("calculates/last")), "writes of a controller that starts again")
	})

	It("is all that the controller writes", func(ctx SpecContext) {
		w := newWorld(ctx)
		wait, _ := w.run(ctx)
		made := w.make(ctx, "sum", mathv1.ActionAdd, 1, 1)
		w.eventually(wait, "sum").Should(haveResult(2, 1))
		now := w.get(ctx, "sum")
		Expect(now.Spec).To(Equal(made.Spec))
		Expect(now.Generation).To(Equal(made.Generation))
		Expect(writes()).To(HaveEach(ContainSubstring("calculates/sum/status")), "what the controller has written")
	})

	It("keeps the time of a condition whose status has not changed", func(ctx SpecContext) {
		w := newWorld(ctx)
		made := w.make(ctx, "sum", mathv1.ActionAdd, 1, 1)
		since := metav1.NewTime(time.Now().Add(-time.Hour).Truncate(time.Second))
		made.Status.Conditions = []metav1.Condition{{
			Type: mathv1.ConditionReady, Status: metav1.ConditionTrue, Reason: mathv1.ReasonCalculated, LastTransitionTime: since,
		}}
		w.setStatus(ctx, made)
		wait, _ := w.run(ctx)
		w.eventually(wait, "sum").Should(haveResult(2, 1))
		Expect(ready(w.get(ctx, "sum")).LastTransitionTime.Time).To(BeTemporally("==", since.Time), "lastTransitionTime: Ready was True, and is")
	})

	It("keeps the conditions of others", func(ctx SpecContext) {
		w := newWorld(ctx)
		made := w.make(ctx, "sum", mathv1.ActionAdd, 1, 1)
		made.Status.Conditions = []metav1.Condition{audited()}
		w.setStatus(ctx, made)
		before := meta.FindStatusCondition(w.get(ctx, "sum").Status.Conditions, "Audited")
		wait, _ := w.run(ctx)
		w.eventually(wait, "sum").Should(haveResult(2, 1))
		Expect(meta.FindStatusCondition(w.get(ctx, "sum").Status.Conditions, "Audited")).To(Equal(before), "the condition Audited, which is somebody else's")
	})

	It("keeps a condition that somebody writes at the same moment", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.make(ctx, "sum", mathv1.ActionAdd, 1, 1)
		between(func(r cluster.Request) bool { return r.Subresource == "status" }, func() {
			now := w.get(context.WithoutCancel(ctx), "sum")
			now.Status.Conditions = append(now.Status.Conditions, audited())
			w.setStatus(context.WithoutCancel(ctx), now)
		})
		wait, _ := w.run(ctx)
		w.eventually(wait, "sum").Should(haveResult(2, 1))
		Expect(meta.FindStatusCondition(w.get(ctx, "sum").Status.Conditions, "Audited")).NotTo(BeNil(),
			"the condition Audited, which somebody else has written between the controller's read and its write")
	})

	It("is put right when somebody else has changed it", func(ctx SpecContext) {
		w := newWorld(ctx)
		wait, _ := w.run(ctx)
		w.make(ctx, "sum", mathv1.ActionAdd, 1, 1)
		w.eventually(wait, "sum").Should(haveResult(2, 1))
		forged := w.get(ctx, "sum")
		forged.Status.Result = new(int64(3))
		w.setStatus(ctx, forged)
		w.eventually(wait, "sum").Should(haveResult(2, 1))
		forged = w.get(ctx, "sum")
		ready(forged).Status, ready(forged).Reason = metav1.ConditionFalse, mathv1.ReasonOverflow
		w.setStatus(ctx, forged)
		w.eventually(wait, "sum").Should(haveResult(2, 1))
	})

	It("is written again when the server has refused it", func(ctx SpecContext) {
		w := newWorld(ctx)
		refused := refuseOnce(metav1.Status{Code: http.StatusInternalServerError, Reason: metav1.StatusReasonInternalError, Message: "the server is having a bad day"})
		wait, _ := w.run(ctx)
		w.make(ctx, "sum", mathv1.ActionAdd, 1, 1)
		w.eventually(wait, "sum").Should(haveResult(2, 1))
		Expect(refused()).To(BeTrue(), "the status was written another way than by calculates/status")
	})
})

var _ = Describe("Reconcile", func() {
	It("returns the server's error", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.make(ctx, "sum", mathv1.ActionAdd, 1, 1)
		refuseOnce(metav1.Status{Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden, Message: "not today"})
		_, err := w.reconciler(ctx).Reconcile(ctx, w.request("sum"))
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "the error that Reconcile returns, when the server has refused the status: got %v", err)
	})

	It("returns the server's error when it cannot read", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.make(ctx, "sum", mathv1.ActionAdd, 1, 1)
		api.Intercept(func(r cluster.Request) *cluster.Answer {
			if r.Resource != "calculates" || r.Verb != "get" {
				return nil
			}
			return &cluster.Answer{Status: &metav1.Status{Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden, Message: "not today"}}
		})
		_, err := w.reconciler(ctx).Reconcile(ctx, w.request("sum"))
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "the error that Reconcile returns, when the Calculate cannot be read: got %v", err)
	})

	It("has nothing to do for one that is gone", func(ctx SpecContext) {
		w := newWorld(ctx)
		Expect(w.reconcile(ctx, "never-there")).To(Equal(ctrl.Result{}))
	})

	It("does not say that it has seen a generation that it has not", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.make(ctx, "sum", mathv1.ActionAdd, 1, 1)
		// Somebody changes the spec after it has been read, and before the status is written.
		between(func(r cluster.Request) bool { return r.Subresource == "status" }, func() { w.edit(context.WithoutCancel(ctx), "sum", `{"spec":{"first":9}}`) })
		_, err := w.reconciler(ctx).Reconcile(ctx, w.request("sum"))
		if err != nil {
			Expect(apierrors.IsConflict(err)).To(BeTrue(), "the error that Reconcile returns: got %v", err)
			return // it will be called again, and see the new spec
		}
		Expect(w.get(ctx, "sum").Status).To(haveResult(2, 1), "the status was written for a spec that was read at generation 1")
	})
})

// audited is a condition of somebody else's.
func audited() metav1.Condition {
	return metav1.Condition{
		Type: "Audited", Status: metav1.ConditionTrue, Reason: "LooksGood", ObservedGeneration: 7, LastTransitionTime: metav1.Unix(1_700_000_000, 0),
	}
}

// age is how long ago a time was.
func age(t metav1.Time) time.Duration { return time.Since(t.Time) }

// writes lists what the learner has asked the server to change.
func writes() []string {
	var all []string
	for _, r := range api.Requests() {
		switch r.Verb {
		case "create", "update", "patch", "delete", "deletecollection":
			line := []string{r.Verb, r.Resource + "/" + r.Name}
			if r.Subresource != "" {
				line[1] += "/" + r.Subresource
			}
			all = append(all, strings.Join(line, " "))
		}
	}
	return all
}
