package podoperator_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubekata/kubekata/katas/stage3/06-pod-operator/podset"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
)

var _ = Describe("A pod of somebody else", func() {
	It("is neither counted nor touched, whatever its labels", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		set := open(ctx, ns, "web", 1, template("web:1"))
		other := plant(ctx, ns, "web-"+set.Hash()+"-x")
		wait, _ := run(ctx, ns)
		becomes(wait, set, "Ready: 1 live, 1 ready, 1 updated, generation 1", "beside which a pod of nobody's has its labels")
		got := pod(ctx, ns, other.Name)
		Expect(got.UID).To(Equal(other.UID), "the UID of the other pod")
		Expect(got.ResourceVersion).To(Equal(other.ResourceVersion), "the resource version of the other pod, which nobody has changed")
	})

	It("that has a name that is wanted is left alone, and blocks its own place alone", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		set := open(ctx, ns, "web", 2, template("web:1"))
		other := plant(ctx, ns, set.PodNames()[0])
		wait, _ := run(ctx, ns)
		becomes(wait, set, "Degraded: 1 live, 1 ready, 1 updated, generation 1", "one of whose names a pod of nobody's has")
		Expect(names(set)(ctx)).To(Equal(set.PodNames()[1:]), "the pods of podset %s/web", ns)
		got := pod(ctx, ns, other.Name)
		Expect(got.UID).To(Equal(other.UID), "the UID of the other pod")
		Expect(got.ResourceVersion).To(Equal(other.ResourceVersion), "the resource version of the other pod, which nobody has changed")
	})

	It("blocks its own place alone in a roll-out, too", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, _, set := opened(ctx, ns, "web", 2)
		next := set.DeepCopy()
		next.Spec.Template = template("web:2")
		plant(ctx, ns, next.PodNames()[0])
		want(ctx, set, becoming(template("web:2")))
		becomes(wait, set, "Degraded: 2 live, 2 ready, 1 updated, generation 2", "with another template, and a pod of nobody's that has the first name")
		Expect(names(set)(ctx)).To(ContainElement(set.PodNames()[1]), "the pods of podset %s/web: the second name is free", ns)
	})

	It("blocks until it is gone", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		set := open(ctx, ns, "web", 1, template("web:1"))
		plant(ctx, ns, set.PodNames()[0])
		wait, _ := run(ctx, ns)
		becomes(wait, set, "Degraded: 0 live, 0 ready, 0 updated, generation 1", "whose name a pod of nobody's has")
		becomes(wait, open(ctx, ns, "other", 1, template("web:1")), "Ready: 1 live, 1 ready, 1 updated, generation 1",
			"whose name is free") // so what that status has brought about is over
		Eventually(tried(set.PodNames()[0])).WithContext(wait).WithTimeout(15*time.Second).
			Should(BeNumerically(">=", 6), "how often the name that is blocked was tried: again after a second or two at the latest, in the beginning")
		remove(ctx, ns, set.PodNames()[0])
		becomes(wait, set, "Ready: 1 live, 1 ready, 1 updated, generation 1", "whose name is free again")
	})

	It("is somebody else's when its owner had the PodSet's name, and was another one", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		set := open(ctx, ns, "web", 1, template("web:1"))
		former := owner(set)
		former.UID = "5c8d1e2a-0000-0000-0000-000000000000"
		plant(ctx, ns, set.PodNames()[0])
		hold(ctx, ns, set.PodNames()[0]) // the garbage collector takes away what has no living owner
		patch(ctx, ns, set.PodNames()[0], map[string]any{"metadata": map[string]any{"ownerReferences": []any{former}}})
		wait, _ := run(ctx, ns)
		becomes(wait, set, "Degraded: 0 live, 0 ready, 0 updated, generation 1", "whose predecessor has left a pod")
		Expect(names(set)(ctx)).To(BeEmpty(), "the pods of podset %s/web", ns)
	})

	It("is somebody else's when the PodSet is one of its owners, and not its controller", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		set := open(ctx, ns, "web", 1, template("web:1"))
		shared := owner(set)
		shared.Controller = nil
		plant(ctx, ns, set.PodNames()[0], shared)
		wait, _ := run(ctx, ns)
		becomes(wait, set, "Degraded: 0 live, 0 ready, 0 updated, generation 1", "which is an owner of the pod that has its name, and not the controller")
		Expect(pod(ctx, ns, set.PodNames()[0]).OwnerReferences).To(ConsistOf(shared), "owner references of the other pod")
	})
})

var _ = Describe("The status", func() {
	It("is Pending while no pod is ready", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		set := open(ctx, ns, "web", 2, template("web:1", nowhere))
		wait, _ := run(ctx, ns)
		becomes(wait, set, "Pending: 2 live, 0 ready, 2 updated, generation 1", "whose pods do not get ready")
	})

	It("is Progressing when some are, and others could not be made", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		quota(ctx, ns, 1)
		set := open(ctx, ns, "web", 2, template("web:1"))
		wait, _ := run(ctx, ns)
		becomes(wait, set, "Progressing: 1 live, 1 ready, 1 updated, generation 1", "in a namespace whose quota allows one pod")
	})

	It("is Degraded when it was Ready, and a pod is no longer", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, _, set := opened(ctx, ns, "web", 2)
		before := pod(ctx, ns, set.PodNames()[0]).UID
		sicken(ctx, ns, set.PodNames()[0], corev1.ConditionFalse)
		becomes(wait, set, "Degraded: 2 live, 1 ready, 2 updated, generation 1", "of which a pod runs, and is not ready")
		sicken(ctx, ns, set.PodNames()[1], corev1.ConditionFalse)
		becomes(wait, set, "Degraded: 2 live, 0 ready, 2 updated, generation 1", "of which no pod is ready any longer")
		sicken(ctx, ns, set.PodNames()[0], corev1.ConditionTrue)
		becomes(wait, set, "Degraded: 2 live, 1 ready, 2 updated, generation 1", "of which one pod is ready again")
		sicken(ctx, ns, set.PodNames()[1], corev1.ConditionTrue)
		becomes(wait, set, "Ready: 2 live, 2 ready, 2 updated, generation 1", "all of whose pods are ready again")
		Expect(uid(ns, set.PodNames()[0])(ctx)).To(Equal(before), "the UID of the pod that was not ready for a while")
	})

	It("is Progressing again when a Degraded one wants something else", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, _, set := opened(ctx, ns, "web", 2)
		sicken(ctx, ns, set.PodNames()[0], corev1.ConditionFalse)
		becomes(wait, set, "Degraded: 2 live, 1 ready, 2 updated, generation 1", "of which a pod runs, and is not ready")
		want(ctx, set, replicas(3))
		becomes(wait, set, "Progressing: 3 live, 2 ready, 3 updated, generation 2", "with spec.replicas 3 and a pod that is not ready")
	})

	It("leaves the spec alone", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		_, _, set := opened(ctx, ns, "web", 1)
		got := &podset.PodSet{}
		Expect(judge(ctx).Get(ctx, client.ObjectKeyFromObject(set), got)).To(Succeed())
		Expect(got.Spec).To(Equal(set.Spec), "the spec of podset %s/web", ns)
		Expect(got.Generation).To(Equal(int64(1)), "the generation of podset %s/web, whose spec nobody has changed", ns)
	})
})

var _ = Describe("The events", func() {
	It("tell of each pod that was made", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, _, set := opened(ctx, ns, "web", 2)
		Eventually(told(set, "Normal Created")).WithContext(wait).WithTimeout(patience()).
			Should(ConsistOf(ContainSubstring(set.PodNames()[0]), ContainSubstring(set.PodNames()[1])), "the events Created of podset %s/web, with two pods", ns)
	})

	It("tell of a pod that was replaced", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, _, set := opened(ctx, ns, "web", 1)
		end(ctx, ns, set.PodNames()[0], corev1.PodFailed)
		Eventually(told(set, "Warning Replaced")).WithContext(wait).WithTimeout(patience()).Should(ContainElement(ContainSubstring(set.PodNames()[0])),
			"the events Replaced of podset %s/web, whose pod has failed", ns)
	})

	It("tell of a name that is blocked", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		set := open(ctx, ns, "web", 1, template("web:1"))
		plant(ctx, ns, set.PodNames()[0])
		wait, _ := run(ctx, ns)
		Eventually(told(set, "Warning Blocked")).WithContext(wait).WithTimeout(patience()).Should(ContainElement(ContainSubstring(set.PodNames()[0])),
			"the events Blocked of podset %s/web, whose name a pod of nobody's has", ns)
		Expect(told(set, "Normal Created")(ctx)).To(BeEmpty(), "the events Created of podset %s/web, of which no pod was made", ns)
	})
})

var _ = Describe("Reconcile", func() {
	It("makes no pod twice while its cache does not know the first yet", func(ctx SpecContext) {
		ns, over := api.Namespace(ctx), harness.Closed(ctx)
		set := open(ctx, ns, "web", 2, template("web:1"))
		blind(ctx, ns, over)
		wait, _ := run(ctx, ns)
		Eventually(names(set)).WithContext(wait).WithTimeout(patience()).Should(HaveLen(2), "the pods of podset %s/web", ns)
		annotate(ctx, set, "asked-again", "once")
		annotate(ctx, set, "asked-again", "twice")
		Consistently(created).WithContext(wait).WithTimeout(700*time.Millisecond).
			Should(BeNumerically("<=", 2), "how many pods were made for podset %s/web, which wants 2, while the cache of pods is empty", ns)
		over.Open()
		becomes(wait, set, "Ready: 2 live, 2 ready, 2 updated, generation 1", "whose pods the cache knows now")
		Expect(created()).To(Equal(2), "how many pods were made in all for podset %s/web, which wants 2", ns)
		Expect(names(set)(ctx)).To(Equal(set.PodNames()), "the pods of podset %s/web", ns)
		Eventually(told(set, "Normal Created")).WithContext(wait).WithTimeout(patience()).
			Should(ConsistOf(ContainSubstring(set.PodNames()[0]), ContainSubstring(set.PodNames()[1])), "the events Created of podset %s/web, for which two pods were made", ns)
		Expect(told(set, "Warning Blocked")(ctx)).To(BeEmpty(), "the events Blocked of podset %s/web, which has made the pods itself", ns)
	})

	It("deletes the pod that has failed, and not its successor of the same name", func(ctx SpecContext) {
		ns, over := api.Namespace(ctx), harness.Closed(ctx)
		set := open(ctx, ns, "web", 1, template("web:1"))
		name := set.PodNames()[0]
		unscheduled(ctx, ns, name, owner(set))
		end(ctx, ns, name, corev1.PodFailed)
		failed := pod(ctx, ns, name)
		remove(ctx, ns, name)
		Eventually(uid(ns, name)).WithContext(ctx).WithTimeout(patience()).Should(Equal(gone), "the UID of the pod that the spec has deleted")
		successor := plant(ctx, ns, name, owner(set))

		api.InterruptWatch("pods", failed, over)
		wait, _ := run(ctx, ns)
		Consistently(uid(ns, name)).WithContext(wait).WithTimeout(700*time.Millisecond).
			Should(Equal(successor.UID), "the UID of pod %s, while the cache still has its predecessor, which has failed", name)
		over.Open()
		becomes(wait, set, "Ready: 1 live, 1 ready, 1 updated, generation 1", "whose pod the cache knows now")
		Expect(uid(ns, name)(ctx)).To(Equal(successor.UID), "the UID of pod %s", name)
		Expect(told(set, "Warning Replaced")(ctx)).To(BeEmpty(), "the events Replaced of podset %s/web, for which no pod was deleted", ns)
	})

	It("deletes the surplus pod that it has seen, and not a pod of somebody else that has its name by now", func(ctx SpecContext) {
		ns, over := api.Namespace(ctx), harness.Closed(ctx)
		set := open(ctx, ns, "web", 1, template("web:1"))
		name := set.PodNames()[0]
		surplus := unscheduled(ctx, ns, name, owner(set))
		remove(ctx, ns, name)
		Eventually(uid(ns, name)).WithContext(ctx).WithTimeout(patience()).Should(Equal(gone), "the UID of the pod that the spec has deleted")
		successor := plant(ctx, ns, name)
		want(ctx, set, becoming(template("web:2")))

		api.InterruptWatch("pods", surplus, over)
		wait, _ := run(ctx, ns)
		Consistently(uid(ns, name)).WithContext(wait).WithTimeout(700*time.Millisecond).
			Should(Equal(successor.UID), "the UID of pod %s, while the cache still has its predecessor, which is surplus and not ready", name)
		over.Open()
		becomes(wait, set, "Ready: 1 live, 1 ready, 1 updated, generation 2", "whose old pod is gone")
		Expect(uid(ns, name)(ctx)).To(Equal(successor.UID), "the UID of pod %s", name)
	})

	It("tries again to make a pod", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		set := open(ctx, ns, "web", 1, template("web:1"))
		refuse(4, making(set.PodNames()[0]))
		wait, _ := run(ctx, ns)
		becomes(wait, set, "Ready: 1 live, 1 ready, 1 updated, generation 1", "whose pod was refused four times")
	})

	It("tries again to delete a pod", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, _, set := opened(ctx, ns, "web", 2)
		refuse(4, func(r cluster.Request) bool { return r.Resource == "pods" && r.Verb == "delete" })
		want(ctx, set, replicas(1))
		becomes(wait, set, "Ready: 1 live, 1 ready, 1 updated, generation 2", "whose surplus pod could not be deleted four times")
	})

	It("tries again to write the status", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		set := open(ctx, ns, "web", 0, template("web:1"))
		refuse(4, func(r cluster.Request) bool { return r.Resource == "podsets" && r.Subresource == "status" })
		wait, _ := run(ctx, ns)
		becomes(wait, set, "Ready: 0 live, 0 ready, 0 updated, generation 1", "whose status was refused four times, and of which nothing else changes")
	})

	It("does what it can when a pod cannot be deleted", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		set := open(ctx, ns, "web", 2, template("web:1"))
		plant(ctx, ns, set.PodNames()[0], owner(set))
		end(ctx, ns, set.PodNames()[0], corev1.PodFailed)
		refuse(-1, func(r cluster.Request) bool { return r.Resource == "pods" && r.Verb == "delete" })
		wait, _ := run(ctx, ns)
		becomes(wait, set, "Progressing: 1 live, 1 ready, 1 updated, generation 1", "whose first pod has failed, and cannot be deleted")
		Expect(told(set, "Warning Replaced")(ctx)).To(BeEmpty(), "the events Replaced of podset %s/web, for which no pod was deleted", ns)
	})

	It("does what it can when a pod cannot be made", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		set := open(ctx, ns, "web", 2, template("web:1"))
		refuse(-1, making(set.PodNames()[0]))
		wait, _ := run(ctx, ns)
		becomes(wait, set, "Progressing: 1 live, 1 ready, 1 updated, generation 1", "whose first pod is refused each time")
		Expect(names(set)(ctx)).To(Equal(set.PodNames()[1:]), "the pods of podset %s/web", ns)
	})

	It("writes no status over one that its cache does not have yet", func(ctx SpecContext) {
		ns, over := api.Namespace(ctx), harness.Closed(ctx)
		set := open(ctx, ns, "web", 2, template("web:1"))
		for _, name := range set.PodNames() {
			plant(ctx, ns, name, owner(set))
		}
		sicken(ctx, ns, set.PodNames()[0], corev1.ConditionFalse)
		say(ctx, set, podset.Status{ObservedGeneration: 1, Phase: podset.Pending, Replicas: 1})
		old := set.DeepCopy()
		say(ctx, set, podset.Status{ObservedGeneration: 1, Phase: podset.Ready, Replicas: 2, Ready: 2, Updated: 2})

		api.InterruptWatch("podsets", old, over)
		wait, _ := run(ctx, ns)
		Consistently(status(set)).WithContext(wait).WithTimeout(700*time.Millisecond).Should(HavePrefix("Ready"),
			"the status of podset %s/web, while the cache still has the one before, with the phase Pending", ns)
		over.Open()
		becomes(wait, set, "Degraded: 2 live, 1 ready, 2 updated, generation 1", "which was Ready, and of which a pod is no longer")
	})

	It("reads from its cache", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, _, set := opened(ctx, ns, "web", 1)
		want(ctx, set, replicas(2))
		becomes(wait, set, "Ready: 2 live, 2 ready, 2 updated, generation 2", "with spec.replicas 2")
		for _, r := range api.Requests() {
			Expect(r.Verb == "list" && r.Resource == "pods" || r.Verb == "get" && r.Resource == "podsets").
				To(BeFalse(), "a request for what the cache has: %s", r)
		}
	})

	It("leaves a PodSet alone that is being deleted", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, _, set := opened(ctx, ns, "web", 1)
		bury(ctx, set)
		becomes(wait, open(ctx, ns, "other", 1, template("web:1")), "Ready: 1 live, 1 ready, 1 updated, generation 1",
			"which was made when the other one was being deleted") // so the cache knows that
		remove(ctx, ns, set.PodNames()[0])
		Eventually(uid(ns, set.PodNames()[0])).WithContext(wait).WithTimeout(patience()).Should(Equal(gone), "the UID of the pod that the spec has deleted")
		becomes(wait, open(ctx, ns, "last", 1, template("web:1")), "Ready: 1 live, 1 ready, 1 updated, generation 1", "which was made later")
		Expect(uid(ns, set.PodNames()[0])(ctx)).To(Equal(gone), "the UID of pod %s, whose podset is being deleted", set.PodNames()[0])
	})

	It("puts right what has changed while nobody looked", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		_, loop, set := opened(ctx, ns, "web", 2)
		Expect(loop.Stop()).To(Succeed())
		old := set.PodNames()
		remove(ctx, ns, old[0])
		want(ctx, set, becoming(template("web:2")))
		wait, _ := run(ctx, ns)
		becomes(wait, set, "Ready: 2 live, 2 ready, 2 updated, generation 2", "with another template and a pod less")
		Expect(names(set)(ctx)).To(Equal(set.PodNames()), "the pods of podset %s/web", ns)
	})

	It("writes nothing when all is well", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, _, set := opened(ctx, ns, "web", 2)
		before := settled(wait)
		patch(ctx, ns, set.PodNames()[0], map[string]any{"metadata": map[string]any{"annotations": map[string]any{"checked-by": "nonna"}}})
		Consistently(func() []string { return writes()[before:] }).WithContext(wait).WithTimeout(500*time.Millisecond).
			Should(BeEmpty(), "what is written when somebody annotates a pod")
	})
})

// told is for Eventually: what the events of a PodSet say that have a type and a reason. One that came more than once says so.
func told(set *podset.PodSet, reason string) func(context.Context) ([]string, error) {
	return func(ctx context.Context) ([]string, error) {
		list, err := api.Judge().EventsV1().Events(set.Namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return nil, err
		}
		all := []string{}
		for _, event := range list.Items {
			if event.Regarding.UID != set.UID || event.Type+" "+event.Reason != reason {
				continue
			}
			all = append(all, event.Note)
			if event.Series != nil {
				all = append(all, event.Note+" (again)")
			}
		}
		return all, nil
	}
}

// tried is for Eventually: how often the learner has tried to make a pod of this name, or has looked whether it is there.
func tried(name string) func() int {
	return func() int {
		made, looked := 0, 0
		for _, r := range api.Requests() {
			switch {
			case making(name)(r):
				made++
			case r.Resource == "pods" && r.Verb == "get" && r.Name == name:
				looked++
			}
		}
		return max(made, looked)
	}
}

// making tells a request that makes the pod of a name.
func making(name string) func(cluster.Request) bool {
	return func(r cluster.Request) bool {
		return r.Resource == "pods" && slices.Contains([]string{"create", "update", "patch"}, r.Verb) && strings.Contains(string(r.Body), name)
	}
}

// refuse lets the server refuse requests of a sort, a number of times or always.
func refuse(times int, sort func(cluster.Request) bool) {
	var mu sync.Mutex
	api.Intercept(func(r cluster.Request) *cluster.Answer {
		mu.Lock()
		defer mu.Unlock()
		if times == 0 || !sort(r) {
			return nil
		}
		times--
		return &cluster.Answer{Status: &metav1.Status{
			Code: http.StatusInternalServerError, Reason: metav1.StatusReasonInternalError, Message: "the server is having a bad day",
		}}
	})
}

// say writes a status, as an operator before the learner's would have.
func say(ctx context.Context, set *podset.PodSet, status podset.Status) {
	GinkgoHelper()
	set.Status = status
	Expect(judge(ctx).Status().Update(ctx, set)).To(Succeed(), "write the status of podset %s/%s for the spec", set.Namespace, set.Name)
	kinds, _, err := scheme.ObjectKinds(set)
	Expect(err).NotTo(HaveOccurred())
	set.SetGroupVersionKind(kinds[0])
}

// annotate changes nothing that the controller is for.
func annotate(ctx context.Context, set *podset.PodSet, key, value string) {
	GinkgoHelper()
	err := judge(ctx).Patch(ctx, set, client.RawPatch("application/merge-patch+json", fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, key, value)))
	Expect(err).NotTo(HaveOccurred(), "annotate podset %s/%s for the spec", set.Namespace, set.Name)
}

// bury deletes a PodSet that has a finalizer, which goes when the spec ends.
func bury(ctx context.Context, set *podset.PodSet) {
	GinkgoHelper()
	finalizers := func(ctx context.Context, list string) error {
		return judge(ctx).Patch(ctx, set.DeepCopy(), client.RawPatch("application/merge-patch+json", fmt.Appendf(nil, `{"metadata":{"finalizers":%s}}`, list)))
	}
	Expect(finalizers(ctx, fmt.Sprintf("[%q]", finalizer))).To(Succeed())
	DeferCleanup(func(ctx context.Context) {
		if err := finalizers(ctx, "null"); !apierrors.IsNotFound(err) {
			Expect(err).NotTo(HaveOccurred(), "let podset %s/%s go", set.Namespace, set.Name)
		}
	})
	Expect(judge(ctx).Delete(ctx, set.DeepCopy())).To(Succeed(), "delete podset %s/%s for the spec", set.Namespace, set.Name)
}
