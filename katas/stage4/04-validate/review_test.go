package validate_test

import (
	"context"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admission/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	validate "github.com/kubekata/kubekata/katas/stage4/04-validate"

	"github.com/kubekata/kubekata/harness/admission"
)

var protected = annotated(validate.ProtectedAnnotation, "true")

var _ = Describe("What is created", func() {
	It("is allowed when nothing is wrong with it", func(ctx SpecContext) {
		got := ask(ctx, validator(), pizza(), nil)
		expectAllowed(got)
		Expect(got.Warnings).To(BeEmpty(), "the warnings")
	})

	It("is refused as the API server refuses a mistake in a field", func(ctx SpecContext) {
		got := ask(ctx, validator(), pizza(without(nameLabel)), nil)
		expectRefused(got, metav1.StatusReasonInvalid)
		Expect(got.Code).To(Equal(int32(422)), "the code that the client gets")
	})

	It("is refused with all its mistakes", func(ctx SpecContext) {
		got := ask(ctx, validator(), pizza(both(without(nameLabel), without(partOfLabel), with(tierLabel, "gold"))), nil)
		expectRefused(got, metav1.StatusReasonInvalid)
		details := got.Response.Result.Details
		Expect(details).NotTo(BeNil(), "the status's details, from which clients read the mistakes")
		var fields []string
		for _, cause := range details.Causes {
			fields = append(fields, cause.Field)
		}
		Expect(fields).To(HaveExactElements("metadata.labels[app.kubernetes.io/name]", "metadata.labels[app.kubernetes.io/part-of]", "metadata.labels[kubekata.dev/tier]"),
			"the fields of the causes")
	})

	It("is named in the refusal by kind and name", func(ctx SpecContext) {
		deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "oven", Namespace: "napoli"}}
		got := ask(ctx, validator(), deployment, nil)
		expectRefused(got, metav1.StatusReasonInvalid)
		Expect(got.Message).To(ContainSubstring(`Deployment.apps "oven" is invalid: `), "the message")
		Expect(got.Response.Result.Details).To(HaveValue(And(HaveField("Group", "apps"), HaveField("Kind", "Deployment"), HaveField("Name", "oven"))), "the status's details")
	})

	It("is allowed with a warning when it has an old label", func(ctx SpecContext) {
		got := ask(ctx, validator(), pizza(with("app", "hawaii")), nil)
		expectAllowed(got)
		Expect(got.Warnings).To(ConsistOf(ContainSubstring("metadata.labels[app]")), "the warnings that reach the user")
	})

	It("is refused to the namespace controller as to others", func(ctx SpecContext) {
		expectRefused(ask(ctx, validator(), pizza(without(nameLabel)), nil, admission.By(validate.NamespaceController, "system:serviceaccounts")), metav1.StatusReasonInvalid)
	})

	It("may be protected already", func(ctx SpecContext) {
		expectAllowed(ask(ctx, validator(), pizza(protected), nil))
	})
})

var _ = Describe("What is updated", func() {
	It("is refused when something is wrong that was not", func(ctx SpecContext) {
		expectRefused(ask(ctx, validator(), pizza(without(nameLabel)), pizza()), metav1.StatusReasonInvalid)
	})

	It("is allowed when it was so before, with a warning", func(ctx SpecContext) {
		got := ask(ctx, validator(), pizza(without(nameLabel), with("team", "a")), pizza(without(nameLabel)))
		expectAllowed(got)
		Expect(got.Warnings).To(ConsistOf(ContainSubstring("metadata.labels[app.kubernetes.io/name]")), "the warnings that reach the user")
	})

	It("is refused for the fresh mistakes, and not for the inherited ones", func(ctx SpecContext) {
		got := ask(ctx, validator(), pizza(without(nameLabel), without(partOfLabel)), pizza(without(nameLabel)))
		expectRefused(got, metav1.StatusReasonInvalid)
		Expect(got.Message).To(And(ContainSubstring(partOfLabel), Not(ContainSubstring(nameLabel))), "the message")
	})

	It("keeps its immutable labels", func(ctx SpecContext) {
		got := ask(ctx, validator(), pizza(with(instanceLabel, "second")), pizza())
		expectRefused(got, metav1.StatusReasonInvalid)
		Expect(got.Message).To(ContainSubstring(instanceLabel), "the message")
	})

	It("is compared with the old one, and not the other way round", func(ctx SpecContext) {
		expectAllowed(ask(ctx, validator(), pizza(), pizza(without(nameLabel))))
	})

	It("is allowed when it is being deleted, whatever is wrong", func(ctx SpecContext) {
		mistakes := both(func(cm *corev1.ConfigMap) { cm.Labels = nil }, dying, protected)
		expectAllowed(ask(ctx, validator(), pizza(mistakes, func(cm *corev1.ConfigMap) { cm.Finalizers = nil }), pizza(dying)))
	})

	It("is allowed when it is being deleted and keeps its finalizer", func(ctx SpecContext) {
		expectAllowed(ask(ctx, validator(), pizza(without(nameLabel), dying, annotated("oven", "off")), pizza(dying)))
	})

	It("is refused when it loses a finalizer and is not being deleted", func(ctx SpecContext) {
		finalized := func(cm *corev1.ConfigMap) { cm.Finalizers = []string{"kubekata.dev/oven"} }
		expectRefused(ask(ctx, validator(), pizza(without(nameLabel)), pizza(finalized)), metav1.StatusReasonInvalid)
	})

	It("may lose its protection", func(ctx SpecContext) {
		expectAllowed(ask(ctx, validator(), pizza(), pizza(protected)))
	})
})

var _ = Describe("What is deleted", func() {
	It("is allowed, although there is no object to look at", func(ctx SpecContext) {
		expectAllowed(ask(ctx, validator(), nil, pizza()))
	})

	It("is allowed whatever is wrong with its labels", func(ctx SpecContext) {
		expectAllowed(ask(ctx, validator(), nil, pizza(func(cm *corev1.ConfigMap) { cm.Labels = nil })))
	})

	It("is refused while it is protected", func(ctx SpecContext) {
		got := ask(ctx, validator(), nil, pizza(protected))
		expectRefused(got, metav1.StatusReasonForbidden)
		Expect(got.Message).To(And(ContainSubstring(`configmaps "hawaii" is forbidden: `), ContainSubstring(validate.ProtectedAnnotation)), "the message")
		Expect(got.Code).To(Equal(int32(403)), "the code that the client gets")
	})

	It("has its own name in the refusal, when a whole collection is to be deleted and the request has none", func(ctx SpecContext) {
		got := ask(ctx, validator(), nil, pizza(protected), func(r *admissionv1.AdmissionRequest) { r.Name = "" })
		expectRefused(got, metav1.StatusReasonForbidden)
		Expect(got.Message).To(ContainSubstring(`configmaps "hawaii" is forbidden: `), "the message")
	})

	for _, text := range []string{"1", "t", "TRUE"} {
		It("is refused while its protection is "+text+", which is true", func(ctx SpecContext) {
			expectRefused(ask(ctx, validator(), nil, pizza(annotated(validate.ProtectedAnnotation, text))), metav1.StatusReasonForbidden)
		})
	}

	It("is refused while its protection is empty, which is no truth value", func(ctx SpecContext) {
		expectRefused(ask(ctx, validator(), nil, pizza(annotated(validate.ProtectedAnnotation, ""))), metav1.StatusReasonForbidden)
	})

	It("is named in the refusal by resource and name", func(ctx SpecContext) {
		deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "oven", Namespace: "napoli", Annotations: map[string]string{validate.ProtectedAnnotation: "true"}}}
		got := ask(ctx, validator(), nil, deployment)
		expectRefused(got, metav1.StatusReasonForbidden)
		Expect(got.Message).To(ContainSubstring(`deployments.apps "oven" is forbidden: `), "the message")
	})

	It("is refused while its protection is no truth value", func(ctx SpecContext) {
		expectRefused(ask(ctx, validator(), nil, pizza(annotated(validate.ProtectedAnnotation, "certainly"))), metav1.StatusReasonForbidden)
	})

	It("is allowed when its protection is false", func(ctx SpecContext) {
		expectAllowed(ask(ctx, validator(), nil, pizza(annotated(validate.ProtectedAnnotation, "0"))))
	})

	It("is allowed to the namespace controller, which empties a namespace that is being deleted", func(ctx SpecContext) {
		expectAllowed(ask(ctx, validator(), nil, pizza(protected), admission.By("system:serviceaccount:kube-system:namespace-controller", "system:serviceaccounts")))
	})

	It("is refused to other service accounts", func(ctx SpecContext) {
		expectRefused(ask(ctx, validator(), nil, pizza(protected), admission.By("system:serviceaccount:napoli:namespace-controller", "system:serviceaccounts", "system:masters")), metav1.StatusReasonForbidden)
	})

	It("is refused to the namespace controller's neighbours", func(ctx SpecContext) {
		expectRefused(ask(ctx, validator(), nil, pizza(protected),
			admission.By("system:serviceaccount:kube-system:generic-garbage-collector", "system:serviceaccounts", "system:serviceaccounts:kube-system")), metav1.StatusReasonForbidden)
	})
})

var _ = Describe("Whatever is asked,", func() {
	It("an exempt namespace is the request's, and not the object's", func(ctx SpecContext) {
		request := func(ns string) admission.Option {
			return func(r *admissionv1.AdmissionRequest) { r.Namespace = ns }
		}
		expectAllowed(ask(ctx, validator(), pizza(without(nameLabel), in("")), nil, request("kube-system")))
		expectRefused(ask(ctx, validator(), pizza(without(nameLabel), in("kube-system")), nil, request("napoli")), metav1.StatusReasonInvalid)
		expectAllowed(ask(ctx, validator(), nil, pizza(protected, in("kube-system"))))
	})

	It("a namespace is exempt by its name, and not by how that begins", func(ctx SpecContext) {
		expectRefused(ask(ctx, validator(), pizza(without(nameLabel), in("kube-system-napoli")), nil), metav1.StatusReasonInvalid)
	})

	for _, part := range []string{"status", "scale", "binding"} {
		It("a "+part+" is allowed", func(ctx SpecContext) {
			expectAllowed(ask(ctx, validator(), pizza(without(nameLabel)), pizza(), admission.SubResource(part)))
		})
	}

	It("a connection is allowed", func(ctx SpecContext) {
		expectAllowed(ask(ctx, validator(), pizza(without(nameLabel)), nil, func(r *admissionv1.AdmissionRequest) { r.Operation = admissionv1.Connect }))
	})

	It("what is refused is recorded", func(ctx SpecContext) {
		v, recorded := validator(), &record{}
		v.Refused = recorded.refused
		ask(ctx, v, pizza(without(nameLabel)), nil)
		ask(ctx, v, pizza(), nil)
		ask(ctx, v, pizza(without(nameLabel)), pizza())
		ask(ctx, v, nil, pizza(protected))
		Expect(recorded.all()).To(HaveExactElements("CREATE hawaii: Invalid", "UPDATE hawaii: Invalid", "DELETE hawaii: Forbidden"), "what the Validator says that it has refused")
	})

	It("a dry run is refused all the same, and leaves no record", func(ctx SpecContext) {
		v, recorded := validator(), &record{}
		v.Refused = recorded.refused
		expectRefused(ask(ctx, v, pizza(without(nameLabel)), nil, admission.DryRun()), metav1.StatusReasonInvalid)
		expectRefused(ask(ctx, v, nil, pizza(protected), admission.DryRun()), metav1.StatusReasonForbidden)
		Expect(recorded.all()).To(BeEmpty(), "what the Validator says that it has refused, when nothing was going to be stored")
	})

	It("a request that does not say whether it is a dry run, is none", func(ctx SpecContext) {
		v, recorded := validator(), &record{}
		v.Refused = recorded.refused
		expectRefused(ask(ctx, v, pizza(without(nameLabel)), nil, func(r *admissionv1.AdmissionRequest) { r.DryRun = nil }), metav1.StatusReasonInvalid)
		Expect(recorded.all()).To(HaveLen(1), "what the Validator says that it has refused")
	})

	DescribeTable("what cannot be read is an error, and no answer:", func(operation admissionv1.Operation, object, old string) {
		request := admission.Review(pizza(), pizza()).Request
		request.Operation, request.Object.Raw, request.OldObject.Raw = operation, []byte(object), []byte(old)
		response, err := validator().Review(context.Background(), request)
		Expect(err).To(MatchError(Not(ContainSubstring("not implemented"))), "the error; the answer is %v", response)
		Expect(response).To(BeNil(), "the answer")
	},
		Entry("a new object", admissionv1.Create, `{"metadata": {"labels": "many"}}`, ``),
		Entry("an object in an update", admissionv1.Update, strings.Repeat("[", 3), `{}`),
		Entry("an old object in an update", admissionv1.Update, `{"metadata": {"labels": {"app.kubernetes.io/name": "a"}}}`, `{"metadata": {"labels": "many"}}`),
		Entry("an old object in a deletion", admissionv1.Delete, ``, `{"metadata": {"annotations": 1}}`),
		Entry("nothing, in a deletion", admissionv1.Delete, ``, ``),
		Entry("nothing, in a creation", admissionv1.Create, ``, ``),
	)
})
