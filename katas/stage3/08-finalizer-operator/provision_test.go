package finalizeroperator_test

import (
	"context"
	"errors"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	. "github.com/onsi/gomega/gstruct"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	finalizeroperator "github.com/kubekata/kubekata/katas/stage3/08-finalizer-operator"
	"github.com/kubekata/kubekata/katas/stage3/08-finalizer-operator/api"
	"github.com/kubekata/kubekata/katas/stage3/08-finalizer-operator/bucket"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
)

var _ = harness.NoLeaks()

var server = cluster.API()

func TestFinalizerOperator(t *testing.T) { harness.RunSpecs(t, "Stage 3 · 08-finalizer-operator") }

var _ = Describe("The finalizer", func() {
	It("is on the Bucket before the service is asked for a bucket", func(ctx SpecContext) {
		w := newWorld(ctx)
		seen := w.look(ctx, bucket.OpCreate, "ada")
		w.make(ctx, "ada")
		wait, _ := w.run(ctx)
		Eventually(w.stored).WithContext(wait).Should(ConsistOf("ada in oslo for 10"), "what the service has")
		Expect(seen()).To(HaveEach(api.Finalizer), "the finalizers of bucket %s/ada on the API server, whenever the service was asked to make the bucket", w.ns)
	})

	It("comes before all else also when the API server does not take it at first", func(ctx SpecContext) {
		w := newWorld(ctx)
		refuse(3, "")
		seen := w.look(ctx, bucket.OpCreate, "ada")
		w.make(ctx, "ada")
		wait, _ := w.run(ctx)
		Eventually(w.stored).WithContext(wait).Should(ConsistOf("ada in oslo for 10"), "what the service has, after the API server has refused the finalizer three times")
		Expect(seen()).To(HaveEach(api.Finalizer), "the finalizers of bucket %s/ada on the API server, whenever the service was asked to make the bucket", w.ns)
	})

	It("stands beside those of others", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.provisioned(ctx, "ada", func(b *api.Bucket) { b.Finalizers = []string{theirs} })
		Expect(w.get(ctx, "ada").Finalizers).To(ConsistOf(theirs, api.Finalizer), "finalizers of bucket %s/ada", w.ns)
	})

	It("stands beside one that somebody adds at the same moment", func(ctx SpecContext) {
		w := newWorld(ctx)
		once(func(r cluster.Request) bool { return writes(r) && r.Subresource == "" }, func() {
			w.patch(ctx, "ada", `{"metadata":{"finalizers":["`+theirs+`"]}}`)
		})
		w.provisioned(ctx, "ada")
		Expect(w.get(ctx, "ada").Finalizers).To(ConsistOf(theirs, api.Finalizer), "finalizers of bucket %s/ada, to which another controller has added its own just before our write came", w.ns)
	})
})

var _ = Describe("A Bucket", func() {
	It("gets a bucket as its spec describes it, which its UID owns", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.provisioned(ctx, "ada", func(b *api.Bucket) { b.Spec = api.BucketSpec{Name: "ada-backup", Region: "bergen", Quota: 7} })
		Expect(w.service.Buckets()).To(ConsistOf(bucket.Bucket{
			Name: "ada-backup", Owner: string(w.get(ctx, "ada").UID), Region: "bergen", Quota: 7,
		}), "what the service has")
	})

	It("gets another quota when its spec says so", func(ctx SpecContext) {
		w := newWorld(ctx)
		wait, _ := w.provisioned(ctx, "ada", func(b *api.Bucket) { b.Spec.Name = "ada-backup" })
		w.patch(ctx, "ada", `{"spec":{"quota":20}}`)
		Eventually(w.stored).WithContext(wait).Should(ConsistOf("ada-backup in oslo for 20"), "what the service has, after the quota was raised")
		Eventually(w.ready("ada")).WithContext(wait).Should(Equal("True Provisioned, generation 2"), "the condition Ready of bucket %s/ada", w.ns)
		w.patch(ctx, "ada", `{"spec":{"quota":5}}`)
		Eventually(w.stored).WithContext(wait).Should(ConsistOf("ada-backup in oslo for 5"), "what the service has, after the quota was lowered")
		Eventually(w.ready("ada")).WithContext(wait).Should(Equal("True Provisioned, generation 3"), "the condition Ready of bucket %s/ada", w.ns)
	})

	It("gets the quota that its spec was given while nobody looked", func(ctx SpecContext) {
		w := newWorld(ctx)
		_, loop := w.provisioned(ctx, "ada")
		Expect(loop.Stop()).To(Succeed())
		w.patch(ctx, "ada", `{"spec":{"quota":20}}`)
		wait, _ := w.run(ctx)
		Eventually(w.stored).WithContext(wait).Should(ConsistOf("ada in oslo for 20"), "what the service has")
	})

	It("gets one bucket when the answer of the service is lost", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.service.LoseAnswers(bucket.OpCreate, 2)
		wait, _ := w.provisioned(ctx, "ada")
		Eventually(w.stored).WithContext(wait).Should(ConsistOf("ada in oslo for 10"), "what the service has")
	})

	It("gets its bucket again when the controller starts and the bucket is gone", func(ctx SpecContext) {
		w := newWorld(ctx)
		_, loop := w.provisioned(ctx, "ada")
		Expect(loop.Stop()).To(Succeed())
		w.service.Lose("ada")
		wait, _ := w.run(ctx)
		Eventually(w.stored).WithContext(wait).Should(ConsistOf("ada in oslo for 10"), "what the service has, after somebody has removed the bucket")
	})

	It("is written to no more when all is well", func(ctx SpecContext) {
		w := newWorld(ctx)
		_, loop := w.provisioned(ctx, "ada")
		Expect(loop.Stop()).To(Succeed())
		before, asked := w.get(ctx, "ada").ResourceVersion, w.calls(bucket.OpCreate, "ada")()
		wait, _ := w.run(ctx)
		Eventually(w.calls(bucket.OpCreate, "ada")).WithContext(wait).Should(BeNumerically(">", asked), "calls that make the bucket, after the controller was started again")
		Consistently(func(ctx context.Context) string { return w.get(ctx, "ada").ResourceVersion }).WithContext(wait).
			WithTimeout(300*time.Millisecond).Should(Equal(before), "the resourceVersion of bucket %s/ada, whose finalizer and status were right", w.ns)
	})
})

var _ = Describe("The condition Ready", func() {
	It("says that the service has failed, and why, until it has not", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.service.Fail(bucket.OpCreate, 3, "the disk is full")
		w.service.Fail(bucket.OpCreate, -1, "the disk is on fire")
		w.make(ctx, "ada")
		wait, _ := w.run(ctx)
		Eventually(w.ready("ada")).WithContext(wait).Should(Equal("False ServiceFailed, generation 1"), "the condition Ready of bucket %s/ada", w.ns)
		Eventually(w.message("ada")).WithContext(wait).Should(MatchRegexp(`create bucket ada: request \d+: the disk is on fire`),
			"the message of the condition Ready of bucket %s/ada: the error of the latest try, after three with another one", w.ns)
		w.service.Mend()
		Eventually(w.ready("ada")).WithContext(wait).Should(Equal("True Provisioned, generation 1"), "the condition Ready of bucket %s/ada, after the service was mended", w.ns)
	})

	It("says that the quota could not be set", func(ctx SpecContext) {
		w := newWorld(ctx)
		wait, _ := w.provisioned(ctx, "ada")
		w.service.Fail(bucket.OpSetQuota, -1, "the disk is full")
		w.patch(ctx, "ada", `{"spec":{"quota":20}}`)
		w.complains(wait, "ada", api.ReasonServiceFailed, 2, `set quota of bucket ada: request \d+: the disk is full`)
		w.service.Mend()
		Eventually(w.ready("ada")).WithContext(wait).Should(Equal("True Provisioned, generation 2"), "the condition Ready of bucket %s/ada, after the service was mended", w.ns)
	})

	It("says that the name is taken, until it is free", func(ctx SpecContext) {
		w := newWorld(ctx)
		foreign := bucket.Bucket{Name: "ada", Owner: "somebody else", Region: "rome", Quota: 1, Objects: 1}
		w.service.Keep(foreign)
		w.make(ctx, "ada")
		wait, _ := w.run(ctx)
		w.complains(wait, "ada", api.ReasonNameTaken, 1, `create bucket ada: request \d+: the name is taken`)
		Expect(w.service.Buckets()).To(ConsistOf(foreign), "what the service has")
		w.service.Lose("ada")
		Eventually(w.ready("ada")).WithContext(wait).Should(Equal("True Provisioned, generation 1"), "the condition Ready of bucket %s/ada, after the other bucket is gone", w.ns)
	})

	It("comes with an event when the service has failed, also when it was False before", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.service.Fail(bucket.OpCreate, -1, "the disk is full")
		b := w.make(ctx, "ada")
		b.Status.Conditions = []metav1.Condition{{Type: api.Ready, Status: metav1.ConditionFalse, Reason: api.ReasonServiceFailed, ObservedGeneration: b.Generation,
			Message: "the disk was full yesterday", LastTransitionTime: metav1.Now()}}
		Expect(w.judge.Status().Update(ctx, b)).To(Succeed())
		wait, _ := w.run(ctx)
		w.complains(wait, "ada", api.ReasonServiceFailed, 1, `create bucket ada: request \d+: the disk is full`)
	})

	It("is written in the end when the API server does not take it at first", func(ctx SpecContext) {
		w := newWorld(ctx)
		refuse(3, "status")
		w.make(ctx, "ada")
		wait, _ := w.run(ctx)
		Eventually(w.ready("ada")).WithContext(wait).Should(Equal("True Provisioned, generation 1"), "the condition Ready of bucket %s/ada, which the API server has refused three times", w.ns)
	})

	It("keeps the time since when it is so", func(ctx SpecContext) {
		w := newWorld(ctx)
		b := w.make(ctx, "ada")
		since := metav1.NewTime(time.Date(2020, 2, 29, 12, 0, 0, 0, time.UTC))
		b.Status.Conditions = []metav1.Condition{{Type: api.Ready, Status: metav1.ConditionTrue, Reason: api.ReasonProvisioned, Message: "it was there", LastTransitionTime: since}}
		Expect(w.judge.Status().Update(ctx, b)).To(Succeed())
		wait, _ := w.run(ctx)
		Eventually(w.ready("ada")).WithContext(wait).Should(Equal("True Provisioned, generation 1"), "the condition Ready of bucket %s/ada", w.ns)
		got := meta.FindStatusCondition(w.get(ctx, "ada").Status.Conditions, api.Ready).LastTransitionTime
		Expect(got.UTC()).To(Equal(since.UTC()), "its lastTransitionTime: it has been True since then")
	})

	It("stands beside those of others", func(ctx SpecContext) {
		w := newWorld(ctx)
		other := metav1.Condition{Type: "Paid", Status: metav1.ConditionTrue, Reason: "InvoiceSettled", Message: "thank you", LastTransitionTime: metav1.Now().Rfc3339Copy()}
		b := w.make(ctx, "ada")
		b.Status.Conditions = []metav1.Condition{other}
		Expect(w.judge.Status().Update(ctx, b)).To(Succeed())
		wait, _ := w.run(ctx)
		Eventually(w.ready("ada")).WithContext(wait).Should(Equal("True Provisioned, generation 1"), "the condition Ready of bucket %s/ada", w.ns)
		Expect(w.get(ctx, "ada").Status.Conditions).To(ContainElement(MatchFields(IgnoreExtras, Fields{"Type": Equal("Paid"), "Message": Equal("thank you")})), "conditions of bucket %s/ada", w.ns)
	})

	It("stands beside one that somebody writes at the same moment", func(ctx SpecContext) {
		w := newWorld(ctx)
		once(func(r cluster.Request) bool { return writes(r) && r.Subresource == "status" }, func() {
			b := w.get(ctx, "ada")
			b.Status.Conditions = append(b.Status.Conditions, metav1.Condition{Type: "Paid", Status: metav1.ConditionTrue, Reason: "InvoiceSettled", LastTransitionTime: metav1.Now()})
			Expect(w.judge.Status().Update(ctx, b)).To(Succeed())
		})
		w.provisioned(ctx, "ada")
		Expect(w.get(ctx, "ada").Status.Conditions).To(ContainElement(HaveField("Type", "Paid")), "conditions of bucket %s/ada, one of which another controller has written just before our write came", w.ns)
	})
})

var _ = Describe("What fails", func() {
	DescribeTable("is tried again, later each time", func(ctx SpecContext, begin func(context.Context, *world) context.Context, what string, op bucket.Op) {
		w := newWorld(ctx)
		begun := time.Now()
		wait := begin(ctx, w)
		tries := w.calls(op, "ada")
		Eventually(tries).WithContext(wait).Should(BeNumerically(">=", 8), "calls that %s, all of which fail", what)
		// What waits longer each time needs more than twice as long for the next eight.
		more := max(2*time.Since(begun), time.Second)
		Consistently(tries).WithContext(wait).WithTimeout(more).Should(BeNumerically("<", 14),
			"calls that %s, all of which fail, no more than %v after the eighth of them", what, more)
	},
		Entry("when the service does not make the bucket", func(ctx context.Context, w *world) context.Context {
			w.service.Fail(bucket.OpCreate, -1, "the disk is full")
			w.make(ctx, "ada")
			wait, _ := w.run(ctx)
			return wait
		}, "make the bucket", bucket.OpCreate),
		Entry("when the name is taken", func(ctx context.Context, w *world) context.Context {
			w.service.Keep(bucket.Bucket{Name: "ada", Owner: "somebody else"})
			w.make(ctx, "ada")
			wait, _ := w.run(ctx)
			return wait
		}, "make the bucket", bucket.OpCreate),
		Entry("when the service does not delete the bucket", func(ctx context.Context, w *world) context.Context {
			wait, _ := w.provisioned(ctx, "ada")
			w.service.Fail(bucket.OpDelete, -1, "the disk is full")
			w.delete(ctx, "ada")
			return wait
		}, "delete the bucket", bucket.OpDelete),
		Entry("when the bucket is not empty", func(ctx context.Context, w *world) context.Context {
			wait, _ := w.provisioned(ctx, "ada")
			w.service.Fill("ada", 3)
			w.delete(ctx, "ada")
			return wait
		}, "delete the bucket", bucket.OpDelete),
	)

	It("does not keep the others waiting", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.service.Keep(bucket.Bucket{Name: "ada", Owner: "somebody else"})
		w.make(ctx, "ada")
		wait, _ := w.run(ctx)
		Eventually(w.calls(bucket.OpCreate, "ada")).WithContext(wait).Should(BeNumerically(">", 1), "calls that make a bucket whose name is taken")
		w.make(ctx, "bob")
		Eventually(w.ready("bob")).WithContext(wait).Should(Equal("True Provisioned, generation 1"), "the condition Ready of bucket %s/bob", w.ns)
	})
})

var _ = Describe("Reconcile", func() {
	It("has nothing to do for a Bucket that is gone", func(ctx SpecContext) {
		w := newWorld(ctx)
		r := &finalizeroperator.Reconciler{Storage: w.storage, Client: w.judge, Recorder: events.NewFakeRecorder(1)}
		result, err := r.Reconcile(ctx, ctrl.Request{NamespacedName: types.NamespacedName{Namespace: w.ns, Name: "ada"}})
		Expect(err).NotTo(HaveOccurred(), "Reconcile of a Bucket that is not there")
		Expect(result).To(BeZero(), "its result")
		Expect(w.service.Calls()).To(BeEmpty(), "calls that the service has got")
	})

	It("returns the error of an API server that does not show the Bucket", func(ctx SpecContext) {
		w := newWorld(ctx)
		b := w.make(ctx, "ada")
		down := interceptor.NewClient(w.judge, interceptor.Funcs{
			Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
				return apierrors.NewInternalError(errors.New("the server is having a bad day"))
			},
		})
		r := &finalizeroperator.Reconciler{Storage: w.storage, Client: down, Recorder: events.NewFakeRecorder(1)}
		_, err := r.Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(b)})
		Expect(err).To(MatchError(ContainSubstring("the server is having a bad day")), "Reconcile of bucket %s/ada, which is there, and cannot be read", w.ns)
		Expect(w.service.Calls()).To(BeEmpty(), "calls that the service has got")
	})
})
