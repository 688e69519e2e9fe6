package finalizers_test

import (
	"context"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kata "github.com/kubekata/kubekata/katas/stage6/03-finalizers"

	"github.com/kubekata/kubekata/harness/cluster"
)

var _ = Describe("CheckName", func() {
	DescribeTable("accepts", func(name string) {
		Expect(kata.CheckName(name)).To(Succeed(), "CheckName(%q)", name)
	},
		Entry("a domain and a name", "example.com/cleanup"),
		Entry("a name with dots, dashes and capitals", "kubekata.dev/My-cleanup_2.0"),
	)

	DescribeTable("refuses", func(name string) {
		err := kata.CheckName(name)
		Expect(err).To(MatchError(kata.ErrName), "CheckName(%q)", name)
		Expect(err).To(MatchError(ContainSubstring(name)), "the error has the name in it")
	},
		Entry("no name", ""),
		Entry("a name without a domain, which the server would take", "cleanup"),
		Entry("a domain without a name", "example.com/"),
		Entry("a name after an empty domain", "/cleanup"),
		Entry("a path", "example.com/shop/cleanup"),
		Entry("a domain that is none", "Example_Com/cleanup"),
		Entry("a name with a space", "example.com/clean up"),
		Entry("a name that is too long", "example.com/"+strings.Repeat("a", 64)),
	)
})

var _ = Describe("Add", func() {
	It("puts the finalizer on the object", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx))
		Expect(kata.Add(ctx, learner(), refTo(m), mine)).To(Succeed())
		Expect(get(ctx, m).Finalizers).To(ConsistOf(mine), "the finalizers of configmap menu")
	})

	It("leaves those that are there, and all else", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx), theirs, third)
		patch(ctx, m, `{"metadata":{"labels":{"season":"winter"}}}`)
		Expect(kata.Add(ctx, learner(), refTo(m), mine)).To(Succeed())
		got := get(ctx, m)
		Expect(got.Finalizers).To(ConsistOf(theirs, third, mine), "the finalizers of configmap menu")
		Expect(got.Labels).To(HaveKeyWithValue("season", "winter"), "its labels")
		Expect(got.Data).To(HaveKeyWithValue("margherita", "8"), "its data")
	})

	It("keeps a finalizer that somebody else adds in between", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx), theirs)
		before(isWrite, func() { put(ctx, m, theirs, third) })
		Expect(kata.Add(ctx, learner(), refTo(m), mine)).To(Succeed())
		Expect(get(ctx, m).Finalizers).To(ConsistOf(theirs, third, mine), "the finalizers of configmap menu, to which somebody has added %s just before Add wrote", third)
	})

	It("does not bring back a finalizer that somebody else removes in between", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx), theirs, third)
		before(isWrite, func() { put(ctx, m, third) })
		Expect(kata.Add(ctx, learner(), refTo(m), mine)).To(Succeed())
		Expect(get(ctx, m).Finalizers).To(ConsistOf(third, mine), "the finalizers of configmap menu, from which somebody has removed %s just before Add wrote: nobody will remove it again", theirs)
	})

	It("comes through when somebody else writes something different in between", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx))
		before(isWrite, func() { patch(ctx, m, `{"data":{"hawaii":"9"}}`) })
		Expect(kata.Add(ctx, learner(), refTo(m), mine)).To(Succeed())
		got := get(ctx, m)
		Expect(got.Finalizers).To(ConsistOf(mine), "the finalizers of configmap menu")
		Expect(got.Data).To(HaveKeyWithValue("hawaii", "9"), "the data of configmap menu, which somebody has written just before Add wrote")
	})

	It("writes nothing when the finalizer is there", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx), mine, theirs)
		Expect(kata.Add(ctx, learner(), refTo(m), mine)).To(Succeed())
		Expect(get(ctx, m).Finalizers).To(ConsistOf(mine, theirs), "the finalizers of configmap menu")
		Expect(asked(isWrite)).To(BeEmpty(), "writes, with nothing to add")
	})

	It("is content with a finalizer that is there on an object that is being deleted", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx), mine)
		remove(ctx, m)
		Expect(kata.Add(ctx, learner(), refTo(m), mine)).To(Succeed(), "Add of a finalizer that is there")
	})

	It("is ErrDeleting for an object that is being deleted, and does not insist", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx), theirs)
		remove(ctx, m)
		Expect(kata.Add(ctx, learner(), refTo(m), mine)).To(MatchError(kata.ErrDeleting), "Add to configmap menu, which is being deleted")
		Expect(len(asked(isWrite))).To(BeNumerically("<=", 1), "writes: what the server refuses because of a deletion, it refuses for ever. Writes were %v", asked(isWrite))
		Expect(get(ctx, m).Finalizers).To(ConsistOf(theirs), "the finalizers of configmap menu")
	})

	It("is ErrDeleting when the deletion begins in between, and does not insist", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx), theirs)
		before(isWrite, func() { remove(ctx, m) })
		Expect(kata.Add(ctx, learner(), refTo(m), mine)).To(MatchError(kata.ErrDeleting), "Add to configmap menu, whose deletion has begun just before Add wrote")
		Expect(asked(isWrite)).To(HaveLen(1), "writes: what the server refuses because of a deletion, it refuses for ever")
		Expect(get(ctx, m).Finalizers).To(ConsistOf(theirs), "the finalizers of configmap menu")
	})

	It("is ErrGone for an object that is gone", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx))
		remove(ctx, m)
		Expect(kata.Add(ctx, learner(), refTo(m), mine)).To(MatchError(kata.ErrGone), "Add to configmap menu, which is gone")
		expectGone(ctx, m)
	})

	It("is ErrGone when the object goes in between", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx))
		before(isWrite, func() { remove(ctx, m) })
		Expect(kata.Add(ctx, learner(), refTo(m), mine)).To(MatchError(kata.ErrGone), "Add to configmap menu, which has gone just before Add wrote")
		expectGone(ctx, m)
	})

	It("is ErrGone for a successor of the name, which it leaves alone", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx))
		replace(ctx, m)
		Expect(kata.Add(ctx, learner(), refTo(m), mine)).To(MatchError(kata.ErrGone), "Add to configmap menu, which was replaced")
		Expect(get(ctx, m).Finalizers).To(BeEmpty(), "the finalizers of the new configmap menu")
	})

	It("is ErrGone for a successor that comes in between, which it leaves alone", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx))
		before(isWrite, func() { replace(ctx, m) })
		Expect(kata.Add(ctx, learner(), refTo(m), mine)).To(MatchError(kata.ErrGone), "Add to configmap menu, which was replaced just before Add wrote")
		Expect(get(ctx, m).Finalizers).To(BeEmpty(), "the finalizers of the new configmap menu")
	})

	It("gives up after a few attempts when somebody else comes in between each time", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx), theirs)
		n := 0
		api.Intercept(func(r cluster.Request) *cluster.Answer {
			if isWrite(r) {
				n++
				put(ctx, m, append([]string{theirs}, third+strings.Repeat("x", n))...)
			}
			return nil
		})
		err := kata.Add(ctx, learner(), refTo(m), mine)
		Expect(get(ctx, m).Finalizers).To(ContainElement(HavePrefix(third)), "the finalizers of configmap menu, which somebody else writes all the time")
		if err == nil {
			Expect(get(ctx, m).Finalizers).To(ContainElement(mine), "the finalizers of configmap menu, after an Add that has succeeded")
			return
		}
		Expect(apierrors.IsConflict(err) || apierrors.IsInvalid(err)).To(BeTrue(), "want the server's error, a Conflict or an Invalid as the patch has it, got: %v", err)
		Expect(len(asked(isWrite))).To(And(BeNumerically(">", 1), BeNumerically("<=", 20)), "attempts")
	})

	It("returns at once what the server refuses, and names what it was about", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx))
		refuse(isWrite, metav1.StatusReasonForbidden, 403)
		err := kata.Add(ctx, learner(), refTo(m), mine)
		expectForbidden(err)
		Expect(err).To(MatchError(And(ContainSubstring("menu"), ContainSubstring(mine))), "the object and the finalizer")
		Expect(asked(isWrite)).To(HaveLen(1), "writes: a refusal that is no conflict will be the same the next time")
	})

	It("returns the error of a read", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx))
		refuse(anyRequest, metav1.StatusReasonForbidden, 403)
		expectForbidden(kata.Add(ctx, learner(), refTo(m), mine))
	})

	It("sends no patch that custom resources do not know", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx), theirs)
		refuseStrategic()
		Expect(kata.Add(ctx, learner(), refTo(m), mine)).To(Succeed(), "Add, on a server that answers a strategic merge patch as it does for a custom resource")
		Expect(get(ctx, m).Finalizers).To(ConsistOf(theirs, mine), "the finalizers of configmap menu")
	})

	It("ends with its context, also between its requests", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx))
		ending, cancel := context.WithCancel(ctx)
		defer cancel()
		before(isWrite, cancel)
		Expect(kata.Add(ending, learner(), refTo(m), mine)).To(MatchError(context.Canceled), "Add, whose context has ended before it wrote")
	})

	It("asks nobody when the name or the Ref is not fit", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx))
		Expect(kata.Add(ctx, learner(), refTo(m), "cleanup")).To(MatchError(kata.ErrName), "Add of a finalizer without a domain")
		ref := refTo(m)
		ref.UID = ""
		Expect(kata.Add(ctx, learner(), ref, mine)).To(MatchError(kata.ErrNoUID), "Add to whoever has the name")
		Expect(asked(anyRequest)).To(BeEmpty(), "requests")
	})
})

// refuseStrategic answers strategic merge patches as the server does for custom resources.
func refuseStrategic() {
	refuse(func(r cluster.Request) bool {
		return strings.HasPrefix(r.ContentType, "application/strategic-merge-patch")
	}, metav1.StatusReasonUnsupportedMediaType, 415)
}

var _ = Describe("Remove", func() {
	It("takes off the finalizer, and leaves the others", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx), theirs, mine, third)
		Expect(kata.Remove(ctx, learner(), refTo(m), mine)).To(Succeed())
		Expect(get(ctx, m).Finalizers).To(ConsistOf(theirs, third), "the finalizers of configmap menu")
	})

	It("lets go an object that is being deleted, and has no other finalizer", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx), mine)
		remove(ctx, m)
		Expect(kata.Remove(ctx, learner(), refTo(m), mine)).To(Succeed())
		expectGone(ctx, m)
	})

	It("keeps the object for others' finalizers", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx), mine, theirs)
		remove(ctx, m)
		Expect(kata.Remove(ctx, learner(), refTo(m), mine)).To(Succeed())
		Expect(get(ctx, m).Finalizers).To(ConsistOf(theirs), "the finalizers of configmap menu, which is being deleted")
	})

	It("keeps a finalizer that somebody else adds in between", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx), mine)
		before(isWrite, func() { put(ctx, m, mine, third) })
		Expect(kata.Remove(ctx, learner(), refTo(m), mine)).To(Succeed())
		Expect(get(ctx, m).Finalizers).To(ConsistOf(third), "the finalizers of configmap menu, to which somebody has added %s just before Remove wrote", third)
	})

	It("takes off the right one when the list has shifted in between", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx), theirs, mine, third)
		before(isWrite, func() { put(ctx, m, mine, third) })
		Expect(kata.Remove(ctx, learner(), refTo(m), mine)).To(Succeed())
		Expect(get(ctx, m).Finalizers).To(ConsistOf(third), "the finalizers of configmap menu, from which somebody has removed the first one, %s, just before Remove wrote", theirs)
	})

	It("is content when somebody else takes it off in between", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx), mine, theirs)
		before(isWrite, func() { put(ctx, m, theirs) })
		Expect(kata.Remove(ctx, learner(), refTo(m), mine)).To(Succeed())
		Expect(get(ctx, m).Finalizers).To(ConsistOf(theirs), "the finalizers of configmap menu")
	})

	It("writes nothing when the finalizer is not there", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx), theirs)
		Expect(kata.Remove(ctx, learner(), refTo(m), mine)).To(Succeed())
		Expect(get(ctx, m).Finalizers).To(ConsistOf(theirs), "the finalizers of configmap menu")
		Expect(asked(isWrite)).To(BeEmpty(), "writes, with nothing to remove")
	})

	It("has nothing to do when the object is gone", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx))
		remove(ctx, m)
		Expect(kata.Remove(ctx, learner(), refTo(m), mine)).To(Succeed(), "Remove from configmap menu, which is gone")
	})

	It("has nothing to do when the object goes in between", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx), mine)
		remove(ctx, m)
		before(isWrite, func() { free(ctx, m) })
		Expect(kata.Remove(ctx, learner(), refTo(m), mine)).To(Succeed(), "Remove from configmap menu, which has gone just before Remove wrote")
	})

	It("leaves the finalizer of a successor of the name", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx), mine)
		replace(ctx, m, mine)
		Expect(kata.Remove(ctx, learner(), refTo(m), mine)).To(Succeed(), "Remove from configmap menu, which was replaced")
		Expect(get(ctx, m).Finalizers).To(ConsistOf(mine), "the finalizers of the new configmap menu, whose clean-up is still to come")
	})

	It("leaves the finalizer of a successor that comes in between", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx), mine)
		before(isWrite, func() { replace(ctx, m, mine) })
		Expect(kata.Remove(ctx, learner(), refTo(m), mine)).To(Succeed(), "Remove from configmap menu, which was replaced just before Remove wrote")
		Expect(get(ctx, m).Finalizers).To(ConsistOf(mine), "the finalizers of the new configmap menu, whose clean-up is still to come")
	})

	It("returns at once what the server refuses, and names what it was about", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx), mine)
		refuse(isWrite, metav1.StatusReasonForbidden, 403)
		err := kata.Remove(ctx, learner(), refTo(m), mine)
		expectForbidden(err)
		Expect(err).To(MatchError(And(ContainSubstring("menu"), ContainSubstring(mine))), "the object and the finalizer")
		Expect(asked(isWrite)).To(HaveLen(1), "writes: a refusal that is no conflict will be the same the next time")
	})

	It("sends no patch that custom resources do not know", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx), theirs, mine)
		refuseStrategic()
		Expect(kata.Remove(ctx, learner(), refTo(m), mine)).To(Succeed(), "Remove, on a server that answers a strategic merge patch as it does for a custom resource")
		Expect(get(ctx, m).Finalizers).To(ConsistOf(theirs), "the finalizers of configmap menu")
	})

	It("asks nobody when the name or the Ref is not fit", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx))
		Expect(kata.Remove(ctx, learner(), refTo(m), "cleanup")).To(MatchError(kata.ErrName), "Remove of a finalizer without a domain")
		ref := refTo(m)
		ref.UID = ""
		Expect(kata.Remove(ctx, learner(), ref, mine)).To(MatchError(kata.ErrNoUID), "Remove from whoever has the name")
		Expect(asked(anyRequest)).To(BeEmpty(), "requests")
	})
})
