package serialization_test

import (
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	serialization "github.com/kubekata/kubekata/katas/stage1/12-serialization"
)

var _ = Describe("ToUnstructured", func() {
	It("returns the object's content under its apiVersion and kind", func() {
		got, err := serialization.ToUnstructured(scheme, deployment())
		Expect(err).NotTo(HaveOccurred())
		Expect(got.GroupVersionKind()).To(Equal(appsv1.SchemeGroupVersion.WithKind("Deployment")), "the kind, which a typed object rarely carries")
		Expect(got.GetName()).To(Equal("web"))
		Expect(got.Object["spec"]).To(HaveKeyWithValue("replicas", int64(3)), "spec.replicas, an int32 there and an int64 here")
	})

	It("keeps every digit of an integer", func() {
		d := deployment()
		d.Generation = beyondFloat
		got, err := serialization.ToUnstructured(scheme, d)
		Expect(err).NotTo(HaveOccurred())
		Expect(got.Object["metadata"]).To(HaveKeyWithValue("generation", beyondFloat), "metadata.generation, an int64")
	})

	It("takes the scheme's word for the kind", func() {
		lies := &corev1.ConfigMap{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}}
		got, err := serialization.ToUnstructured(scheme, lies)
		Expect(err).NotTo(HaveOccurred())
		Expect(got.GetKind()).To(Equal("ConfigMap"), "a corev1.ConfigMap whose TypeMeta says Secret")
	})

	It("leaves the object as it was", func() {
		d := deployment()
		_, err := serialization.ToUnstructured(scheme, d)
		Expect(err).NotTo(HaveOccurred())
		Expect(d).To(Equal(deployment()), "the caller's object, TypeMeta included")
	})

	It("shares nothing with an object that is unstructured already", func() {
		theirs := cronTab()
		got, err := serialization.ToUnstructured(scheme, theirs)
		Expect(err).NotTo(HaveOccurred())
		Expect(got).To(Equal(cronTab()))
		Expect(unstructured.SetNestedField(got.Object, "ours", "spec", "schedule")).To(Succeed())
		Expect(theirs).To(Equal(cronTab()), "the caller's object, after we changed the result")
	})

	It("reports a type that the scheme does not know", func() {
		_, err := serialization.ToUnstructured(runtime.NewScheme(), deployment())
		Expect(err).To(Satisfy(runtime.IsNotRegisteredError), "want an error that runtime.IsNotRegisteredError recognises, got: %v", err)
	})

	It("reports an unstructured object without a kind", func() {
		_, err := serialization.ToUnstructured(scheme, &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1"}})
		Expect(err).To(Satisfy(runtime.IsMissingKind), "want an error that runtime.IsMissingKind recognises, got: %v", err)
	})

	It("reports an unstructured object without an apiVersion", func() {
		_, err := serialization.ToUnstructured(scheme, &unstructured.Unstructured{Object: map[string]any{"kind": "CronTab"}})
		Expect(err).To(Satisfy(runtime.IsMissingVersion), "want an error that runtime.IsMissingVersion recognises, got: %v", err)
	})
})

var _ = Describe("FromUnstructured", func() {
	It("returns the Go type, and its apiVersion and kind", func() {
		u := unstructuredDeployment()
		got, err := serialization.FromUnstructured(scheme, u)
		Expect(err).NotTo(HaveOccurred())
		Expect(got).To(Equal(typed(deployment())))
		Expect(u).To(Equal(unstructuredDeployment()), "the caller's object")
	})

	It("names every unknown field with its path", func() {
		u := unstructuredDeployment()
		Expect(unstructured.SetNestedField(u.Object, int64(3), "spec", "Replicas")).To(Succeed())
		Expect(unstructured.SetNestedField(u.Object, "red", "metadata", "colour")).To(Succeed())
		got, err := serialization.FromUnstructured(scheme, u)
		Expect(err).To(Satisfy(runtime.IsStrictDecodingError), "want an error that runtime.IsStrictDecodingError recognises, got: %v", err)
		Expect(violations(err)).To(ConsistOf(`unknown field "spec.Replicas"`, `unknown field "metadata.colour"`))
		Expect(got).To(BeNil())
	})

	It("refuses a number that does not fit its field", func() {
		u := unstructuredDeployment()
		Expect(unstructured.SetNestedField(u.Object, int64(4294967299), "spec", "replicas")).To(Succeed())
		got, err := serialization.FromUnstructured(scheme, u)
		Expect(err).To(MatchError(And(ContainSubstring("spec.replicas"), ContainSubstring("4294967299"))),
			"spec.replicas is an int32, which the lower half of 4294967299 would fill with a 3; got: %s", replicas(got))
		Expect(got).To(BeNil())
	})

	It("keeps every digit of an integer", func() {
		u := unstructuredDeployment()
		Expect(unstructured.SetNestedField(u.Object, beyondFloat, "metadata", "generation")).To(Succeed())
		got, err := serialization.FromUnstructured(scheme, u)
		Expect(err).NotTo(HaveOccurred())
		Expect(got).To(HaveField("Generation", beyondFloat), "metadata.generation, an int64")
	})

	It("reports a kind that the scheme does not know", func() {
		_, err := serialization.FromUnstructured(scheme, cronTab())
		Expect(err).To(Satisfy(runtime.IsNotRegisteredError), "want an error that runtime.IsNotRegisteredError recognises, got: %v", err)
	})

	DescribeTable("reports that the kind is missing, in", func(u *unstructured.Unstructured) {
		_, err := serialization.FromUnstructured(scheme, u)
		Expect(err).To(Satisfy(runtime.IsMissingKind), "want an error that runtime.IsMissingKind recognises, got: %v", err)
	},
		Entry("an object without it", &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1"}}),
		Entry("an object without anything", &unstructured.Unstructured{}),
	)

	It("reports that the apiVersion is missing", func() {
		_, err := serialization.FromUnstructured(scheme, &unstructured.Unstructured{Object: map[string]any{"kind": "ConfigMap"}})
		Expect(err).To(Satisfy(runtime.IsMissingVersion), "want an error that runtime.IsMissingVersion recognises, got: %v", err)
	})
})

// replicas describes a Deployment in a failure message.
func replicas(obj runtime.Object) string {
	if d, ok := obj.(*appsv1.Deployment); ok && d.Spec.Replicas != nil {
		return fmt.Sprintf("a Deployment of %d", *d.Spec.Replicas)
	}
	return fmt.Sprintf("%T", obj)
}
