package patch_test

import (
	"errors"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubekata/kubekata/katas/stage1/11-patch"
)

var _ = Describe("Apply", func() {
	It("creates a Deployment that is not there", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		_, err := patch.Apply(ctx, api.Clientset(), ns, "web", "nginx:1.27", new(int32(0)), false)
		Expect(err).NotTo(HaveOccurred())
		got := deployment(ctx, ns)
		Expect(got.Spec.Replicas).To(HaveValue(BeEquivalentTo(0)), "spec.replicas of deployment %s/web", ns)
		Expect(got.Spec.Selector.MatchLabels).To(Equal(map[string]string{"app": "web"}), "the selector of deployment %s/web", ns)
		Expect(got.Spec.Template.Labels).To(Equal(map[string]string{"app": "web"}), "the labels of its pods")
		Expect(got.Spec.Template.Spec.Containers).To(HaveExactElements(And(HaveField("Name", "web"), HaveField("Image", "nginx:1.27"))), "its containers")
	})

	It("changes what it has declared before", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		for _, image := range []string{"nginx:1.27", "nginx:1.28"} {
			_, err := patch.Apply(ctx, api.Clientset(), ns, "web", image, new(int32(0)), false)
			Expect(err).NotTo(HaveOccurred(), "apply image %s: the image is ours, and nobody contests it", image)
		}
		Expect(deployment(ctx, ns).Spec.Template.Spec.Containers).To(HaveExactElements(HaveField("Image", "nginx:1.28")), "containers of deployment %s/web", ns)
	})

	It("returns the object as the server stored it", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		got, err := patch.Apply(ctx, api.Clientset(), ns, "web", "nginx:1.27", new(int32(0)), false)
		Expect(err).NotTo(HaveOccurred())
		Expect(got).NotTo(BeNil())
		Expect(got.UID).To(Equal(deployment(ctx, ns).UID), "the UID, which only the server can know")
	})

	It("keeps what others have put into the Deployment", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		_, err := patch.Apply(ctx, api.Clientset(), ns, "web", "nginx:1.27", new(int32(0)), false)
		Expect(err).NotTo(HaveOccurred())
		sidecar(ctx, ns)
		_, err = patch.Apply(ctx, api.Clientset(), ns, "web", "nginx:1.28", new(int32(0)), false)
		Expect(err).NotTo(HaveOccurred())
		got := deployment(ctx, ns)
		Expect(got.Spec.Template.Spec.Containers).To(ConsistOf(HaveField("Name", "web"), HaveField("Name", "mesh")),
			"containers of deployment %s/web, to which a service mesh has added one", ns)
		Expect(got.Annotations).To(HaveKeyWithValue("mesh", "on"), "annotations of deployment %s/web", ns)
	})

	It("leaves the replicas to their owner when it has no opinion", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		web(ctx, ns, nil)
		autoscale(ctx, ns, 7)
		_, err := patch.Apply(ctx, api.Clientset(), ns, "web", "nginx:1.27", nil, true)
		Expect(err).NotTo(HaveOccurred())
		Expect(deployment(ctx, ns).Spec.Replicas).To(HaveValue(BeEquivalentTo(7)), "spec.replicas of deployment %s/web, which an autoscaler set", ns)
		Expect(owned(ctx, ns, metav1.ManagedFieldsOperationApply)).NotTo(ContainElement("spec.replicas"), "the fields that %s owns", patch.FieldManager)
	})

	It("fails over a field that somebody else owns, and writes nothing", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		_, err := patch.Apply(ctx, api.Clientset(), ns, "web", "nginx:1.27", nil, false)
		Expect(err).NotTo(HaveOccurred())
		autoscale(ctx, ns, 7)
		got, err := patch.Apply(ctx, api.Clientset(), ns, "web", "nginx:1.28", new(int32(3)), false)
		Expect(err).To(Satisfy(apierrors.IsConflict), "want an error that apierrors.IsConflict recognises, got: %v", err)
		Expect(err).To(MatchError(ContainSubstring("autoscaler")), "whose field it is, which the server says")
		Expect(got).To(BeNil(), "an object together with an error")
		now := deployment(ctx, ns)
		Expect(now.Spec.Replicas).To(HaveValue(BeEquivalentTo(7)), "spec.replicas of deployment %s/web", ns)
		Expect(now.Spec.Template.Spec.Containers).To(HaveExactElements(HaveField("Image", "nginx:1.27")), "containers of deployment %s/web", ns)
	})

	It("shares a field with its owner when both want the same", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		_, err := patch.Apply(ctx, api.Clientset(), ns, "web", "nginx:1.27", nil, false)
		Expect(err).NotTo(HaveOccurred())
		autoscale(ctx, ns, 7)
		_, err = patch.Apply(ctx, api.Clientset(), ns, "web", "nginx:1.27", new(int32(7)), false)
		Expect(err).NotTo(HaveOccurred(), "a field that has the value already is no conflict")
	})

	It("takes a field over when the caller says so", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		_, err := patch.Apply(ctx, api.Clientset(), ns, "web", "nginx:1.27", nil, false)
		Expect(err).NotTo(HaveOccurred())
		autoscale(ctx, ns, 7)
		_, err = patch.Apply(ctx, api.Clientset(), ns, "web", "nginx:1.27", new(int32(0)), true)
		Expect(err).NotTo(HaveOccurred())
		Expect(deployment(ctx, ns).Spec.Replicas).To(HaveValue(BeEquivalentTo(0)), "spec.replicas of deployment %s/web", ns)
		Expect(owned(ctx, ns, metav1.ManagedFieldsOperationApply)).To(ContainElement("spec.replicas"), "the fields that %s owns", patch.FieldManager)
	})

	It("owns what it declares, and nothing more", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		_, err := patch.Apply(ctx, api.Clientset(), ns, "web", "nginx:1.27", nil, false)
		Expect(err).NotTo(HaveOccurred())
		Expect(owned(ctx, ns, metav1.ManagedFieldsOperationApply)).To(ConsistOf(
			"spec.selector",
			"spec.template.metadata.labels.app",
			`spec.template.spec.containers[name="web"]`,
			`spec.template.spec.containers[name="web"].image`,
			`spec.template.spec.containers[name="web"].name`,
		), "the fields of deployment %s/web that %s owns: an empty field is a declaration too", ns, patch.FieldManager)
	})

	It("sends one apply patch", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		_, err := patch.Apply(ctx, api.Clientset(), ns, "web", "nginx:1.27", new(int32(0)), false)
		Expect(err).NotTo(HaveOccurred())
		expectOne("application/apply-patch+yaml")
	})

	It("declares the Deployment of the name that it is given", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		_, err := patch.Apply(ctx, api.Clientset(), ns, "shop", "nginx:1.27", new(int32(0)), false)
		Expect(err).NotTo(HaveOccurred())
		got, err := api.Judge().AppsV1().Deployments(ns).Get(ctx, "shop", metav1.GetOptions{})
		Expect(err).NotTo(HaveOccurred(), "get deployment %s/shop", ns)
		Expect(got.Spec.Selector.MatchLabels).To(Equal(map[string]string{"app": "shop"}), "its selector")
		Expect(got.Spec.Template.Labels).To(Equal(map[string]string{"app": "shop"}), "the labels of its pods")
		Expect(got.Spec.Template.Spec.Containers).To(HaveExactElements(HaveField("Name", "shop")), "its containers")
	})

	It("takes an image over when it has no opinion about replicas", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		web(ctx, ns, nil)
		_, err := patch.Apply(ctx, api.Clientset(), ns, "web", "nginx:9.9", nil, true)
		Expect(err).NotTo(HaveOccurred(), "force is the caller's decision, also where replicas are left to others")
		Expect(deployment(ctx, ns).Spec.Template.Spec.Containers).To(ContainElement(HaveField("Image", "nginx:9.9")), "containers of deployment %s/web", ns)
	})

	It("passes on what the server has against the Deployment", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		got, err := patch.Apply(ctx, api.Clientset(), ns, "web", "nginx:1.27", new(int32(-1)), false)
		Expect(err).To(Satisfy(apierrors.IsInvalid), "want an error that apierrors.IsInvalid recognises, got: %v", err)
		Expect(got).To(BeNil(), "an object together with an error")
	})
})

var _ = Describe("Contested", func() {
	It("names the fields over which an apply has failed", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		web(ctx, ns, nil)
		autoscale(ctx, ns, 7)
		err := applyAs(ctx, ns, "intruder", 3, "nginx:1.28")
		Expect(apierrors.IsConflict(err)).To(BeTrue(), "make a conflict for the spec: %v", err)
		Expect(patch.Contested(err)).To(ConsistOf(".spec.replicas", `.spec.template.spec.containers[name="web"].image`))
	})

	It("names no field that is wrong for another reason", func() {
		err := &apierrors.StatusError{ErrStatus: metav1.Status{Reason: metav1.StatusReasonConflict, Code: 409, Details: &metav1.StatusDetails{
			Causes: []metav1.StatusCause{
				{Type: metav1.CauseTypeFieldManagerConflict, Field: ".spec.replicas"},
				{Type: metav1.CauseTypeFieldValueInvalid, Field: ".spec.selector"},
			},
		}}}
		Expect(patch.Contested(err)).To(ConsistOf(".spec.replicas"), "the type of a cause says what it is about")
	})

	It("looks through every wrapping", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		web(ctx, ns, nil)
		autoscale(ctx, ns, 7)
		err := applyAs(ctx, ns, "intruder", 3, "nginx:1.27")
		Expect(patch.Contested(fmt.Errorf("roll out: %w", fmt.Errorf("apply: %w", err)))).To(ConsistOf(".spec.replicas"))
	})

	DescribeTable("has nothing to say to", func(err error) {
		Expect(patch.Contested(err)).To(BeEmpty(), "fields, for the error: %v", err)
	},
		Entry("the conflict of an update", apierrors.NewConflict(schema.GroupResource{Group: "apps", Resource: "deployments"}, "web", errors.New("the object has been modified"))),
		Entry("an invalid field", &apierrors.StatusError{ErrStatus: metav1.Status{Reason: metav1.StatusReasonInvalid, Code: 422, Details: &metav1.StatusDetails{
			Causes: []metav1.StatusCause{{Type: metav1.CauseTypeFieldValueInvalid, Field: "spec.replicas"}},
		}}}),
		Entry("a conflict without details", &apierrors.StatusError{ErrStatus: metav1.Status{Reason: metav1.StatusReasonConflict, Code: 409}}),
		Entry("an error that is not the server's", errors.New("conflict")),
		Entry("no error", nil),
	)
})
