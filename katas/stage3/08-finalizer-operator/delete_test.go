package finalizeroperator_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/kubekata/kubekata/katas/stage3/08-finalizer-operator/api"
	"github.com/kubekata/kubekata/katas/stage3/08-finalizer-operator/bucket"

	"github.com/kubekata/kubekata/harness/cluster"
)

const gone = "the bucket is gone"

var _ = Describe("A Bucket that is deleted", func() {
	It("is gone when the service's bucket is", func(ctx SpecContext) {
		w := newWorld(ctx)
		wait, _ := w.provisioned(ctx, "ada", func(b *api.Bucket) { b.Spec.Name = "ada-backup" })
		w.delete(ctx, "ada")
		Eventually(w.finalizers("ada")).WithContext(wait).Should(Equal(gone), "finalizers of bucket %s/ada, which was deleted", w.ns)
		Expect(w.stored()).To(BeEmpty(), "what the service has, now that the Bucket is gone")
	})

	It("keeps its finalizer until the cleanup has succeeded", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.service.Fail(bucket.OpDelete, 3, "the disk is full")
		wait, _ := w.provisioned(ctx, "ada")
		seen := w.look(ctx, bucket.OpDelete, "ada")
		w.delete(ctx, "ada")
		Eventually(w.finalizers("ada")).WithContext(wait).Should(Equal(gone), "finalizers of bucket %s/ada, which was deleted", w.ns)
		Expect(w.stored()).To(BeEmpty(), "what the service has, now that the Bucket is gone")
		Expect(seen()).To(HaveEach(api.Finalizer), "the finalizers of bucket %s/ada on the API server, whenever the service was asked to delete the bucket", w.ns)
	})

	It("says why it is stuck when the service fails", func(ctx SpecContext) {
		w := newWorld(ctx)
		wait, _ := w.provisioned(ctx, "ada")
		w.service.Fail(bucket.OpDelete, -1, "the disk is full")
		w.delete(ctx, "ada")
		w.complains(wait, "ada", api.ReasonCleanupFailed, 2, `delete bucket ada: request \d+: the disk is full`)
		Expect(w.stored()).To(ConsistOf("ada in oslo for 10"), "what the service has")
	})

	It("says why it is stuck when the service's bucket is not empty", func(ctx SpecContext) {
		w := newWorld(ctx)
		wait, _ := w.provisioned(ctx, "ada")
		w.service.Fill("ada", 3)
		w.delete(ctx, "ada")
		w.complains(wait, "ada", api.ReasonNotEmpty, 2, `delete bucket ada: request \d+: the bucket is not empty`)
		Expect(w.stored()).To(ConsistOf("ada in oslo for 10"), "what the service has")
	})

	It("goes when the service's bucket has been emptied", func(ctx SpecContext) {
		w := newWorld(ctx)
		wait, _ := w.provisioned(ctx, "ada")
		w.service.Fill("ada", 3)
		w.delete(ctx, "ada")
		Eventually(w.ready("ada")).WithContext(wait).Should(Equal("False NotEmpty, generation 2"), "the condition Ready of bucket %s/ada, which is being deleted", w.ns)
		w.service.Fill("ada", 0)
		Eventually(w.finalizers("ada")).WithContext(wait).Should(Equal(gone), "finalizers of bucket %s/ada, whose bucket was emptied", w.ns)
		Expect(w.stored()).To(BeEmpty(), "what the service has")
	})

	It("takes what is in the service's bucket with it when its spec says so", func(ctx SpecContext) {
		w := newWorld(ctx)
		wait, _ := w.provisioned(ctx, "ada", func(b *api.Bucket) { b.Spec.Force = true })
		w.service.Fill("ada", 3)
		w.delete(ctx, "ada")
		Eventually(w.finalizers("ada")).WithContext(wait).Should(Equal(gone), "finalizers of bucket %s/ada, which was deleted, with spec.force", w.ns)
		Expect(w.stored()).To(BeEmpty(), "what the service has")
	})

	It("goes at once when its spec begins to say so while it is stuck", func(ctx SpecContext) {
		w := newWorld(ctx)
		wait, _ := w.provisioned(ctx, "ada")
		w.service.Fill("ada", 3)
		w.delete(ctx, "ada")
		Eventually(w.ready("ada")).WithContext(wait).Should(Equal("False NotEmpty, generation 2"), "the condition Ready of bucket %s/ada, which is being deleted", w.ns)
		w.patch(ctx, "ada", `{"spec":{"force":true}}`)
		Eventually(w.finalizers("ada")).WithContext(wait).Should(Equal(gone), "finalizers of bucket %s/ada, after spec.force was set", w.ns)
		Expect(w.stored()).To(BeEmpty(), "what the service has")
	})

	It("goes when the service's bucket is gone already", func(ctx SpecContext) {
		w := newWorld(ctx)
		wait, _ := w.provisioned(ctx, "ada")
		w.service.Lose("ada")
		w.delete(ctx, "ada")
		Eventually(w.finalizers("ada")).WithContext(wait).Should(Equal(gone), "finalizers of bucket %s/ada, whose bucket somebody else has removed", w.ns)
	})

	It("goes when the answer of the service is lost", func(ctx SpecContext) {
		w := newWorld(ctx)
		wait, _ := w.provisioned(ctx, "ada")
		w.service.LoseAnswers(bucket.OpDelete, 1)
		w.delete(ctx, "ada")
		Eventually(w.finalizers("ada")).WithContext(wait).Should(Equal(gone), "finalizers of bucket %s/ada, whose bucket was removed by a call that was never answered", w.ns)
		Expect(w.calls(bucket.OpDelete, "ada")()).To(BeNumerically(">", 1), "calls that delete the bucket")
	})

	It("takes a bucket with it of which the controller was never told", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.service.LoseAnswers(bucket.OpCreate, -1)
		w.make(ctx, "ada")
		wait, _ := w.run(ctx)
		Eventually(w.ready("ada")).WithContext(wait).Should(Equal("False ServiceFailed, generation 1"), "the condition Ready of bucket %s/ada, whose bucket was made by calls that were never answered", w.ns)
		w.delete(ctx, "ada")
		Eventually(w.finalizers("ada")).WithContext(wait).Should(Equal(gone), "finalizers of bucket %s/ada, which was deleted", w.ns)
		Expect(w.stored()).To(BeEmpty(), "what the service has, now that the Bucket is gone")
	})

	It("goes when its name was taken, and the other's bucket stays", func(ctx SpecContext) {
		w := newWorld(ctx)
		foreign := bucket.Bucket{Name: "ada", Owner: "somebody else", Region: "rome", Quota: 1}
		w.service.Keep(foreign)
		w.make(ctx, "ada", func(b *api.Bucket) { b.Spec.Force = true })
		wait, _ := w.run(ctx)
		Eventually(w.ready("ada")).WithContext(wait).Should(Equal("False NameTaken, generation 1"), "the condition Ready of bucket %s/ada", w.ns)
		w.delete(ctx, "ada")
		Eventually(w.finalizers("ada")).WithContext(wait).Should(Equal(gone), "finalizers of bucket %s/ada, which never had a bucket", w.ns)
		Expect(w.service.Buckets()).To(ConsistOf(foreign), "what the service has")
	})

	It("keeps the finalizers of others, and loses ours alone", func(ctx SpecContext) {
		w := newWorld(ctx)
		const last = "audit.kubekata.dev/trail"
		wait, _ := w.provisioned(ctx, "ada", func(b *api.Bucket) { b.Finalizers = []string{theirs} })
		w.patch(ctx, "ada", `{"metadata":{"finalizers":["`+theirs+`","`+api.Finalizer+`","`+last+`"]}}`)
		w.delete(ctx, "ada")
		Eventually(w.stored).WithContext(wait).Should(BeEmpty(), "what the service has")
		Eventually(w.finalizers("ada")).WithContext(wait).Should(Equal(last+" "+theirs), "finalizers of bucket %s/ada, which was deleted, and had ours between two of others", w.ns)
	})

	It("goes when somebody else takes a finalizer off at the same moment", func(ctx SpecContext) {
		w := newWorld(ctx)
		wait, _ := w.provisioned(ctx, "ada", func(b *api.Bucket) { b.Finalizers = []string{theirs} })
		once(func(r cluster.Request) bool { return writes(r) && r.Subresource == "" }, func() {
			w.patch(ctx, "ada", `{"metadata":{"finalizers":["`+api.Finalizer+`"]}}`)
		})
		w.delete(ctx, "ada")
		Eventually(w.finalizers("ada")).WithContext(wait).Should(Equal(gone), "finalizers of bucket %s/ada, which was deleted, and off which another controller has taken its own just before our write came", w.ns)
	})

	It("tries again to take the finalizer off when the API server does not let it", func(ctx SpecContext) {
		w := newWorld(ctx)
		wait, _ := w.provisioned(ctx, "ada")
		refuse(2, "")
		w.delete(ctx, "ada")
		Eventually(w.finalizers("ada")).WithContext(wait).Should(Equal(gone), "finalizers of bucket %s/ada, which the API server has not taken off twice", w.ns)
	})

	It("is left alone when it never got our finalizer", func(ctx SpecContext) {
		w := newWorld(ctx)
		foreign := bucket.Bucket{Name: "ada", Owner: string(w.make(ctx, "ada", func(b *api.Bucket) { b.Finalizers = []string{theirs} }).UID)}
		w.service.Keep(foreign)
		w.delete(ctx, "ada")
		before := w.get(ctx, "ada").ResourceVersion
		wait, _ := w.run(ctx)
		w.make(ctx, "bob")
		Eventually(w.ready("bob")).WithContext(wait).Should(Equal("True Provisioned, generation 1"), "the condition Ready of bucket %s/bob", w.ns)
		w.delete(ctx, "bob")
		Eventually(w.finalizers("bob")).WithContext(wait).Should(Equal(gone), "finalizers of bucket %s/bob", w.ns)
		Expect(w.get(ctx, "ada").ResourceVersion).To(Equal(before), "the resourceVersion of bucket %s/ada, which was being deleted before the controller saw it", w.ns)
		Expect(w.service.Calls()).To(HaveEach(HaveField("Name", "bob")), "calls that the service has got")
		for _, r := range server.Requests() {
			Expect(writes(r) && r.Name == "ada").To(BeFalse(), "a write to bucket %s/ada, which is being deleted without our finalizer: %s", w.ns, r)
		}
	})

	It("does not take the next one of its name with it", func(ctx SpecContext) {
		w := newWorld(ctx)
		wait, _ := w.provisioned(ctx, "ada")
		first := w.get(ctx, "ada").UID
		w.delete(ctx, "ada")
		Eventually(w.finalizers("ada")).WithContext(wait).Should(Equal(gone), "finalizers of bucket %s/ada, which was deleted", w.ns)
		second := w.make(ctx, "ada").UID
		Expect(second).NotTo(Equal(first))
		Eventually(w.ready("ada")).WithContext(wait).Should(Equal("True Provisioned, generation 1"), "the condition Ready of the second bucket %s/ada", w.ns)
		Expect(w.service.Buckets()).To(ConsistOf(HaveField("Owner", string(second))), "what the service has")
	})
})

var _ = Describe("After a restart", func() {
	It("what was deleted meanwhile is cleaned up", func(ctx SpecContext) {
		w := newWorld(ctx)
		_, loop := w.provisioned(ctx, "ada")
		Expect(loop.Stop()).To(Succeed())
		w.delete(ctx, "ada")
		wait, _ := w.run(ctx)
		Eventually(w.finalizers("ada")).WithContext(wait).Should(Equal(gone), "finalizers of bucket %s/ada, which was deleted while no controller ran", w.ns)
		Expect(w.stored()).To(BeEmpty(), "what the service has")
	})

	It("a deletion that was stuck goes on", func(ctx SpecContext) {
		w := newWorld(ctx)
		wait, loop := w.provisioned(ctx, "ada")
		w.service.Fail(bucket.OpDelete, -1, "the disk is full")
		w.delete(ctx, "ada")
		Eventually(w.ready("ada")).WithContext(wait).Should(Equal("False CleanupFailed, generation 2"), "the condition Ready of bucket %s/ada, which is being deleted", w.ns)
		Expect(loop.Stop()).To(Succeed())
		w.service.Mend()
		wait, _ = w.run(ctx)
		Eventually(w.finalizers("ada")).WithContext(wait).Should(Equal(gone), "finalizers of bucket %s/ada, after the controller was started again", w.ns)
		Expect(w.stored()).To(BeEmpty(), "what the service has")
	})

	It("a cleanup that had succeeded, and whose finalizer was still there, ends well", func(ctx SpecContext) {
		w := newWorld(ctx)
		wait, loop := w.provisioned(ctx, "ada")
		let := refuse(-1, "")
		w.delete(ctx, "ada")
		Eventually(w.stored).WithContext(wait).Should(BeEmpty(), "what the service has")
		Expect(loop.Stop()).To(Succeed())
		Expect(w.get(ctx, "ada").Finalizers).To(ConsistOf(api.Finalizer), "finalizers of bucket %s/ada, when the controller has ended", w.ns)
		let()
		wait, _ = w.run(ctx)
		Eventually(w.finalizers("ada")).WithContext(wait).Should(Equal(gone), "finalizers of bucket %s/ada, after the controller was started again", w.ns)
	})

	It("a Bucket whose finalizer was there, and whose bucket was not, gets one", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.service.Fail(bucket.OpCreate, -1, "the disk is full")
		w.make(ctx, "ada")
		wait, loop := w.run(ctx)
		Eventually(w.finalizers("ada")).WithContext(wait).Should(Equal(api.Finalizer), "finalizers of bucket %s/ada", w.ns)
		Expect(loop.Stop()).To(Succeed())
		w.service.Mend()
		wait, _ = w.run(ctx)
		Eventually(w.ready("ada")).WithContext(wait).Should(Equal("True Provisioned, generation 1"), "the condition Ready of bucket %s/ada, after the controller was started again", w.ns)
		Expect(w.stored()).To(ConsistOf("ada in oslo for 10"), "what the service has")
	})
})
