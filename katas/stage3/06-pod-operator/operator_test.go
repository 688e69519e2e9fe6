package podoperator_test

import (
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	. "github.com/onsi/gomega/gstruct"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubekata/kubekata/katas/stage3/06-pod-operator/podset"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
)

var _ = harness.NoLeaks()

var api = cluster.Lab()

// red is how many specs have failed.
var red int

var _ = ReportAfterEach(func(spec SpecReport) {
	if spec.Failed() {
		red++
	}
})

// patience is how long anything may take until it is so. It takes a second, where nothing else runs; and when several specs have
// failed, the next one is not worth waiting for any longer.
func patience() time.Duration {
	if red > 3 {
		return 4 * time.Second
	}
	return 20 * time.Second
}

func TestPodOperator(t *testing.T) {
	harness.RunSpecs(t, "Stage 3 · 06-pod-operator")
}

var _ = Describe("The pods", func() {
	It("are made, as many as wanted, of the template", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		set := open(ctx, ns, "web", 2, template("web:1", env("green"), func(t *corev1.PodTemplateSpec) {
			t.Annotations = map[string]string{"checked-by": "nonna"}
		}))
		wait, _ := run(ctx, ns)
		Eventually(names(set)).WithContext(wait).WithTimeout(patience()).Should(Equal(set.PodNames()), "the pods of podset %s/web", ns)
		got := pod(ctx, ns, set.PodNames()[0])
		Expect(got.Spec.Containers[0].Image).To(Equal("web:1"), "the image of pod %s", got.Name)
		Expect(got.Spec.Containers[0].Env).To(ConsistOf(corev1.EnvVar{Name: "COLOR", Value: "green"}), "the environment of pod %s", got.Name)
		Expect(got.Annotations).To(HaveKeyWithValue("checked-by", "nonna"), "the annotations of pod %s", got.Name)
		Expect(got.Labels).To(Equal(map[string]string{"app": "web", podset.NameLabel: "web", podset.HashLabel: set.Hash()}), "the labels of pod %s", got.Name)
	})

	It("have its labels, whatever labels the template has", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		plain := open(ctx, ns, "plain", 1, template("web:1", func(t *corev1.PodTemplateSpec) { t.Labels = nil }))
		other := open(ctx, ns, "other", 1, template("web:1", func(t *corev1.PodTemplateSpec) {
			t.Labels = map[string]string{podset.NameLabel: "somebody", podset.HashLabel: "x"}
		}))
		wait, _ := run(ctx, ns)
		for _, set := range []*podset.PodSet{plain, other} {
			Eventually(names(set)).WithContext(wait).WithTimeout(patience()).Should(Equal(set.PodNames()), "the pods of podset %s/%s", ns, set.Name)
			Expect(pod(ctx, ns, set.PodNames()[0]).Labels).To(Equal(map[string]string{podset.NameLabel: set.Name, podset.HashLabel: set.Hash()}),
				"the labels of pod %s", set.PodNames()[0])
		}
	})

	It("are owned by the PodSet, as its controller", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		_, _, set := opened(ctx, ns, "web", 1)
		Expect(pod(ctx, ns, set.PodNames()[0]).OwnerReferences).To(ConsistOf(MatchFields(IgnoreExtras, Fields{
			"APIVersion": Equal(owner(set).APIVersion), "Kind": Equal("PodSet"), "Name": Equal("web"), "UID": Equal(set.UID), "Controller": PointTo(BeTrue()),
		})), "owner references of pod %s", set.PodNames()[0])
	})

	It("become more and fewer, and the highest numbers go", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, _, set := opened(ctx, ns, "web", 1)
		first := pod(ctx, ns, set.PodNames()[0]).UID
		want(ctx, set, replicas(3))
		becomes(wait, set, "Ready: 3 live, 3 ready, 3 updated, generation 2", "with spec.replicas 3")
		want(ctx, set, replicas(1))
		becomes(wait, set, "Ready: 1 live, 1 ready, 1 updated, generation 3", "with spec.replicas 1")
		Expect(names(set)(ctx)).To(Equal(set.PodNames()), "the pods of podset %s/web", ns)
		Expect(uid(ns, set.PodNames()[0])(ctx)).To(Equal(first), "the UID of the pod that was there first")
		want(ctx, set, replicas(0))
		becomes(wait, set, "Ready: 0 live, 0 ready, 0 updated, generation 4", "with spec.replicas 0")
		Expect(names(set)(ctx)).To(BeEmpty(), "the pods of podset %s/web", ns)
	})

	It("are made again when somebody deletes one", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, _, set := opened(ctx, ns, "web", 2)
		before := pod(ctx, ns, set.PodNames()[0]).UID
		settled(wait)
		remove(ctx, ns, set.PodNames()[0])
		Eventually(uid(ns, set.PodNames()[0])).WithContext(wait).WithTimeout(patience()).
			ShouldNot(BeElementOf(before, gone), "the UID of pod %s, which somebody has deleted", set.PodNames()[0])
		becomes(wait, set, "Ready: 2 live, 2 ready, 2 updated, generation 1", "of which somebody has deleted a pod")
	})

	for _, phase := range []corev1.PodPhase{corev1.PodFailed, corev1.PodSucceeded} {
		It(fmt.Sprintf("are replaced when one has %s", map[corev1.PodPhase]string{corev1.PodFailed: "failed", corev1.PodSucceeded: "succeeded"}[phase]), func(ctx SpecContext) {
			ns := api.Namespace(ctx)
			wait, _, set := opened(ctx, ns, "web", 2)
			lost, stays := pod(ctx, ns, set.PodNames()[1]), pod(ctx, ns, set.PodNames()[0])
			end(ctx, ns, lost.Name, phase)
			Eventually(uid(ns, lost.Name)).WithContext(wait).WithTimeout(patience()).
				ShouldNot(BeElementOf(lost.UID, gone), "the UID of pod %s, whose phase was %s", lost.Name, phase)
			becomes(wait, set, "Ready: 2 live, 2 ready, 2 updated, generation 1", "of which a pod was %s", phase)
			Expect(uid(ns, stays.Name)(ctx)).To(Equal(stays.UID), "the UID of the other pod")
		})
	}

	It("do not count while they are being deleted", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, _, set := opened(ctx, ns, "web", 2)
		release := hold(ctx, ns, set.PodNames()[0])
		remove(ctx, ns, set.PodNames()[0])
		becomes(wait, set, "Degraded: 1 live, 1 ready, 1 updated, generation 1", "of which a pod is being deleted, and has a finalizer")
		release(ctx)
		becomes(wait, set, "Ready: 2 live, 2 ready, 2 updated, generation 1", "whose pod is gone at last")
	})

	It("do not count when they have failed, and are not yet gone", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, _, set := opened(ctx, ns, "web", 2)
		release := hold(ctx, ns, set.PodNames()[0])
		end(ctx, ns, set.PodNames()[0], corev1.PodFailed)
		becomes(wait, set, "Degraded: 1 live, 1 ready, 1 updated, generation 1", "of which a pod has failed, and has a finalizer")
		before := settled(wait)
		annotate(ctx, set, "checked-by", "nonna")
		Consistently(func() []string { return writes()[before:] }).WithContext(wait).WithTimeout(500*time.Millisecond).
			Should(BeEmpty(), "what is written while the pod that has failed is being deleted, and its name is not yet free")
		release(ctx)
		becomes(wait, set, "Ready: 2 live, 2 ready, 2 updated, generation 1", "whose pod is gone at last")
	})
})

var _ = Describe("A new template", func() {
	It("is rolled out to all pods", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, _, set := opened(ctx, ns, "web", 2)
		want(ctx, set, becoming(template("web:1", env("blue"))))
		becomes(wait, set, "Ready: 2 live, 2 ready, 2 updated, generation 2", "with another template")
		Expect(names(set)(ctx)).To(Equal(set.PodNames()), "the pods of podset %s/web", ns)
		for _, name := range set.PodNames() {
			Expect(pod(ctx, ns, name).Spec.Containers[0].Env).To(ConsistOf(corev1.EnvVar{Name: "COLOR", Value: "blue"}), "the environment of pod %s", name)
		}
	})

	It("leaves as many pods ready as are wanted, all the time", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, _, set := opened(ctx, ns, "web", 3)
		counted := count(ctx, set)
		want(ctx, set, becoming(template("web:2")))
		becomes(wait, set, "Ready: 3 live, 3 ready, 3 updated, generation 2", "with another template")
		Expect(counted.fewest()).To(Equal(3), "the fewest pods that were ready at a time, of the 3 that are wanted")
	})

	It("needs one pod more than wanted, and not two", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, _, set := opened(ctx, ns, "web", 3)
		counted := count(ctx, set)
		want(ctx, set, becoming(template("web:2")))
		becomes(wait, set, "Ready: 3 live, 3 ready, 3 updated, generation 2", "with another template")
		Expect(counted.most()).To(Equal(4), "the most pods that were live at a time, of the 3 that are wanted")
	})

	It("goes no further than one pod that does not get ready", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, _, set := opened(ctx, ns, "web", 2)
		old := set.PodNames()
		counted := count(ctx, set)
		want(ctx, set, becoming(template("web:1", nowhere)))
		becomes(wait, set, "Progressing: 3 live, 2 ready, 1 updated, generation 2", "whose new pod does not get ready")
		settled(wait)
		Expect(names(set)(ctx)).To(ConsistOf(old[0], old[1], set.PodNames()[0]), "the pods of podset %s/web", ns)
		Expect(counted.most()).To(Equal(3), "the most pods that were live at a time, of the 2 that are wanted")
	})

	It("can be taken back", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, _, set := opened(ctx, ns, "web", 2)
		first, second := pod(ctx, ns, set.PodNames()[0]).UID, pod(ctx, ns, set.PodNames()[1]).UID
		want(ctx, set, becoming(template("web:1", nowhere)))
		becomes(wait, set, "Progressing: 3 live, 2 ready, 1 updated, generation 2", "whose new pod does not get ready")
		want(ctx, set, becoming(template("web:1")))
		becomes(wait, set, "Ready: 2 live, 2 ready, 2 updated, generation 3", "with the old template again")
		Expect(names(set)(ctx)).To(Equal(set.PodNames()), "the pods of podset %s/web", ns)
		Expect(uid(ns, set.PodNames()[0])(ctx)).To(Equal(first), "the UID of the first pod, which has been there all the time")
		Expect(uid(ns, set.PodNames()[1])(ctx)).To(Equal(second), "the UID of the second pod, which has been there all the time")
	})

	It("does not wait for old pods that are not ready", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		set := open(ctx, ns, "web", 2, template("web:1", nowhere))
		wait, _ := run(ctx, ns)
		becomes(wait, set, "Pending: 2 live, 0 ready, 2 updated, generation 1", "whose pods do not get ready")
		want(ctx, set, becoming(template("web:1")))
		becomes(wait, set, "Ready: 2 live, 2 ready, 2 updated, generation 2", "with a better template")
		Expect(names(set)(ctx)).To(Equal(set.PodNames()), "the pods of podset %s/web", ns)
	})

	It("is the only reason for new pods: an annotation of the PodSet is none", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, _, set := opened(ctx, ns, "web", 1)
		before := settled(wait)
		annotate(ctx, set, "checked-by", "nonna")
		Consistently(func() []string { return writes()[before:] }).WithContext(wait).WithTimeout(500*time.Millisecond).
			Should(BeEmpty(), "what is written when somebody annotates podset %s/web", ns)
	})
})
