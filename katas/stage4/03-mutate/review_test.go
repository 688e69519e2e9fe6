package mutate_test

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	mutate "github.com/kubekata/kubekata/katas/stage4/03-mutate"

	"github.com/kubekata/kubekata/harness/admission"
	"github.com/kubekata/kubekata/harness/serving"
)

var _ = Describe("LabelValue", func() {
	DescribeTable("makes a value", func(name, want string) {
		Expect(mutate.LabelValue(name)).To(Equal(want), "the label's value for the name %q", name)
	},
		Entry("of a name that is one", "hawaii-2.0_b", "hawaii-2.0_b"),
		Entry("of a name with a colon", "system:node", "system-node"),
		Entry("of a name with letters that labels do not have", "caffè", "caff"),
		Entry("of a name with such letters inside", "müller:9", "m-ller-9"),
		Entry("of a generateName", "hawaii-", "hawaii"),
		Entry("of a name that begins with what may not stand there", ":.-_hawaii", "hawaii"),
		Entry("of 63 characters", strings.Repeat("a", 63), strings.Repeat("a", 63)),
		Entry("of 64 characters", strings.Repeat("a", 64), strings.Repeat("a", 63)),
		Entry("of a long name, and not with a dash at the cut", strings.Repeat("a", 62)+"-b", strings.Repeat("a", 62)),
		Entry("of a long name whose beginning is taken away", "-"+strings.Repeat("a", 63), strings.Repeat("a", 63)),
		Entry("of nothing", "", mutate.NotAvailable),
		Entry("of what has nothing that a label may have", "::", mutate.NotAvailable),
	)
})

var _ = Describe("Review", func() {
	It("adds the six labels and the status", func(ctx SpecContext) {
		got := ask(ctx, labeler(), admission.Review(pizza(), nil)).Object
		Expect(got.GetLabels()).To(Equal(all("hawaii", nil)), "the labels of a ConfigMap hawaii that had none")
		Expect(got.GetAnnotations()).To(Equal(done), "its annotations")
	})

	It("changes nothing else", func(ctx SpecContext) {
		got := ask(ctx, labeler(), admission.Review(pizza(), nil)).Object
		Expect(got.Object).To(HaveKeyWithValue("data", map[string]any{"topping": "pineapple"}), "the object: its data")
		Expect(got.GetName()).To(Equal("hawaii"), "its name")
	})

	It("keeps what the user has written", func(ctx SpecContext) {
		mine := map[string]string{mutate.LabelName: "pizza", mutate.LabelVersion: "", "team": "a"}
		got := ask(ctx, labeler(), admission.Review(pizza(labelled(mine), annotated("note", "hot")), nil)).Object
		Expect(got.GetLabels()).To(Equal(all("hawaii", mine)), "the labels of a ConfigMap hawaii that had %v", mine)
		Expect(got.GetAnnotations()).To(Equal(map[string]string{"note": "hot", mutate.StatusAnnotation: mutate.Done}), "its annotations")
	})

	It("adds them when an object is updated, too", func(ctx SpecContext) {
		got := ask(ctx, labeler(), admission.Review(pizza(), pizza(labelled(all("hawaii", nil))))).Object
		Expect(got.GetLabels()).To(Equal(all("hawaii", nil)), "the labels of a ConfigMap whose update leaves them out")
	})

	It("has no patch for an object that lacks nothing", func(ctx SpecContext) {
		got := ask(ctx, labeler(), admission.Review(pizza(labelled(all("hawaii", nil)), annotated(mutate.StatusAnnotation, mutate.Done)), nil))
		expectUntouched(got)
		Expect(got.Response.PatchType).To(BeNil(), "the patch's type, when there is no patch")
	})

	It("adds a label that is missing although the status says that all is done", func(ctx SpecContext) {
		got := ask(ctx, labeler(), admission.Review(pizza(annotated(mutate.StatusAnnotation, mutate.Done)), nil)).Object
		Expect(got.GetLabels()).To(Equal(all("hawaii", nil)), "the labels: somebody has removed them since, or another webhook has")
	})

	It("leaves alone what the status annotation says, if it is there", func(ctx SpecContext) {
		got := ask(ctx, labeler(), admission.Review(pizza(annotated(mutate.StatusAnnotation, "by hand")), nil)).Object
		Expect(got.GetAnnotations()).To(Equal(map[string]string{mutate.StatusAnnotation: "by hand"}), "the annotations")
	})

	for name, patcher := range patchers {
		It("finds nothing to do in what it has done, with "+name, func(ctx SpecContext) {
			l := &mutate.Labeler{Patch: patcher, Defaults: map[string]string{mutate.LabelVersion: "2"}}
			for _, object := range []runtime.Object{pizza(), pizza(labelled(map[string]string{"team": "a"})), pizza(annotated("note", "hot"))} {
				first := ask(ctx, l, admission.Review(object, nil))
				Expect(first.Changed).To(BeTrue(), "whether the object has been changed the first time")
				expectUntouched(ask(ctx, l, admission.Review(first.Object, nil)))
			}
		})
	}

	It("takes the values from the defaults", func(ctx SpecContext) {
		l := labeler()
		l.Defaults = map[string]string{mutate.LabelManagedBy: "ada", mutate.LabelName: "pizza"}
		got := ask(ctx, l, admission.Review(pizza(labelled(map[string]string{mutate.LabelManagedBy: "nonna"})), nil)).Object
		Expect(got.GetLabels()).To(Equal(all("hawaii", map[string]string{mutate.LabelName: "pizza", mutate.LabelManagedBy: "nonna"})), "the labels; the user has written %s", mutate.LabelManagedBy)
	})

	It("takes an empty default for none, and another label in the defaults for nothing", func(ctx SpecContext) {
		l := labeler()
		l.Defaults = map[string]string{mutate.LabelManagedBy: "", mutate.LabelName: "", "team": "b"}
		got := ask(ctx, l, admission.Review(pizza(), nil)).Object
		Expect(got.GetLabels()).To(Equal(all("hawaii", nil)), "the labels, with the defaults %v", l.Defaults)
	})

	It("takes the generateName of an object that has no name yet", func(ctx SpecContext) {
		got := ask(ctx, labeler(), admission.Review(pizza(func(cm *corev1.ConfigMap) { cm.Name, cm.GenerateName = "", "hawaii-" }), nil)).Object
		Expect(got.GetLabels()).To(Equal(all("hawaii", nil)), "the labels of a ConfigMap with the generateName hawaii-")
	})

	It("makes values of names that are none", func(ctx SpecContext) {
		role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "system:pizza"}}
		got := ask(ctx, labeler(), admission.Review(role, nil)).Object
		Expect(got.GetLabels()).To(Equal(all("system-pizza", nil)), "the labels of the ClusterRole system:pizza")
	})

	It("leaves what is deleted alone", func(ctx SpecContext) {
		expectUntouched(ask(ctx, labeler(), admission.Review(nil, pizza())))
	})

	for _, part := range []string{"status", "scale", "binding"} {
		It("leaves a "+part+" alone", func(ctx SpecContext) {
			expectUntouched(ask(ctx, labeler(), admission.Review(pizza(), pizza(), admission.SubResource(part))))
		})
	}

	for _, ns := range []string{"kube-system", "kube-public", "kube-node-lease"} {
		It("leaves the objects of "+ns+" alone", func(ctx SpecContext) {
			expectUntouched(ask(ctx, labeler(), admission.Review(pizza(func(cm *corev1.ConfigMap) { cm.Namespace = ns }), nil)))
		})
	}

	It("takes no other namespace for the system's, whatever it is called", func(ctx SpecContext) {
		got := ask(ctx, labeler(), admission.Review(pizza(func(cm *corev1.ConfigMap) { cm.Namespace = "kube-pizza" }), nil))
		Expect(got.Object.GetLabels()).To(Equal(all("hawaii", nil)), "the labels of an object in the namespace kube-pizza, which is none of %v", mutate.SystemNamespaces)
	})

	It("goes by the request's namespace, and not by the object's", func(ctx SpecContext) {
		nowhere := pizza(func(cm *corev1.ConfigMap) { cm.Namespace = "" })
		expectUntouched(ask(ctx, labeler(), admission.Review(nowhere, nil, in("kube-system"))))
		inDisguise := pizza(func(cm *corev1.ConfigMap) { cm.Namespace = "kube-system" })
		got := ask(ctx, labeler(), admission.Review(inDisguise, nil, in("napoli")))
		Expect(got.Changed).To(BeTrue(), "whether an object that only says that it is in kube-system is changed")
	})

	for _, no := range []string{"false", "0", "F"} {
		It("leaves an object alone whose opt-out annotation is "+no, func(ctx SpecContext) {
			got := ask(ctx, labeler(), admission.Review(pizza(annotated(mutate.OptOutAnnotation, no)), nil))
			expectUntouched(got)
			Expect(got.Warnings).To(BeEmpty(), "the warnings")
		})
	}

	It("does not leave an object alone whose opt-out annotation is true", func(ctx SpecContext) {
		got := ask(ctx, labeler(), admission.Review(pizza(annotated(mutate.OptOutAnnotation, "true")), nil))
		Expect(got.Object.GetLabels()).To(Equal(all("hawaii", nil)), "the labels")
		Expect(got.Warnings).To(BeEmpty(), "the warnings")
	})

	It("warns of an opt-out annotation that is neither", func(ctx SpecContext) {
		got := ask(ctx, labeler(), admission.Review(pizza(annotated(mutate.OptOutAnnotation, "nope")), nil))
		Expect(got.Object.GetLabels()).To(Equal(all("hawaii", nil)), "the labels")
		Expect(got.Warnings).To(ConsistOf(ContainSubstring(mutate.OptOutAnnotation)), "the warnings that reach the user")
	})

	It("takes the opt-out from an annotation, and not from a label", func(ctx SpecContext) {
		got := ask(ctx, labeler(), admission.Review(pizza(labelled(map[string]string{mutate.OptOutAnnotation: "false"})), nil))
		Expect(got.Changed).To(BeTrue(), "whether an object is changed that has a label with the annotation's name")
	})

	It("answers a dry run as it would answer without", func(ctx SpecContext) {
		got := ask(ctx, labeler(), admission.Review(pizza(), nil, admission.DryRun()))
		Expect(got.Object.GetLabels()).To(Equal(all("hawaii", nil)), "the labels that a dry run shows: kubectl diff would show another object than will be stored")
	})

	It("has no answer about an object that it cannot read", func(ctx SpecContext) {
		review := admission.Review(pizza(), nil)
		review.Request.Object.Raw = []byte(`{"metadata": {"labels": "many"}}`)
		response, err := labeler().Review(ctx, review.Request)
		Expect(err).To(MatchError(ContainSubstring("labels")), "the error has the decoder's own in it; the answer is %v", response)
	})

	It("has no answer about a new object that is not there", func(ctx SpecContext) {
		review := admission.Review(pizza(), nil)
		review.Request.Object.Raw = nil
		response, err := labeler().Review(ctx, review.Request)
		Expect(err).To(MatchError(Not(ContainSubstring("not implemented"))), "the error about a creation without an object; the answer is %v", response)
		Expect(response).To(BeNil(), "the answer")
	})

	It("has no answer when there is no patch to be made", func(ctx SpecContext) {
		l := &mutate.Labeler{Patch: func([]byte, mutate.Metadata) ([]byte, error) { return nil, errors.New("the scissors are blunt") }}
		_, err := admission.Try(ctx, admission.Mutating(serving.NewHandler(l)), admission.Review(pizza(), nil))
		Expect(err).To(MatchError(ContainSubstring("the scissors are blunt")), "what the user is told")
	})

	It("writes into nobody's defaults, with many requests at once", func(ctx SpecContext) {
		l := labeler()
		l.Defaults = map[string]string{mutate.LabelManagedBy: "ada"}
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				defer GinkgoRecover()
				got, err := l.Review(ctx, admission.Review(pizza(), nil).Request)
				Expect(err).NotTo(HaveOccurred())
				Expect(got).To(HaveField("Allowed", true))
			})
		}
		all.Wait()
		Expect(l.Defaults).To(Equal(map[string]string{mutate.LabelManagedBy: "ada"}), "the defaults")
	})

	It("asks its patcher for what the object is to have, whatever it has", func(ctx SpecContext) {
		var asked mutate.Metadata
		l := &mutate.Labeler{Patch: func(_ []byte, want mutate.Metadata) ([]byte, error) {
			asked = mutate.Metadata{Labels: maps.Clone(want.Labels), Annotations: maps.Clone(want.Annotations)}
			return nil, nil
		}}
		_, err := l.Review(context.Background(), admission.Review(pizza(), nil).Request)
		Expect(err).NotTo(HaveOccurred())
		Expect(asked.Labels).To(Equal(all("hawaii", nil)), "the labels that the patcher is asked for")
		Expect(asked.Annotations).To(Equal(done), "the annotations that the patcher is asked for")
	})
})
