package kubebuilderwebhook_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-tools/pkg/webhook"

	"github.com/kubekata/kubekata/harness/controllergen"
	kata "github.com/kubekata/kubekata/katas/stage4/06-kubebuilder-webhook"
)

var project = controllergen.Project{Folder: "katas/stage4/06-kubebuilder-webhook", Files: kata.Files}

// hookOf is the one webhook in the configuration of a kind. What a mutating one has of its own is left out.
func hookOf(kind string) admissionregistrationv1.ValidatingWebhook {
	GinkgoHelper()
	var h admissionregistrationv1.ValidatingWebhook
	if kind == mutating {
		w := mutatingConfiguration().Webhooks[0]
		h = admissionregistrationv1.ValidatingWebhook{
			Name: w.Name, ClientConfig: w.ClientConfig, Rules: w.Rules, FailurePolicy: w.FailurePolicy, MatchPolicy: w.MatchPolicy, NamespaceSelector: w.NamespaceSelector,
			ObjectSelector: w.ObjectSelector, SideEffects: w.SideEffects, TimeoutSeconds: w.TimeoutSeconds, AdmissionReviewVersions: w.AdmissionReviewVersions, MatchConditions: w.MatchConditions,
		}
	} else {
		h = validatingConfiguration().Webhooks[0]
	}
	Expect(h.ClientConfig.Service).NotTo(BeNil(), "clientConfig.service of the webhook in the %s", kind)
	return h
}

var _ = Describe("The manifests", func() {
	It("are what controller-gen makes of the markers", func() {
		project.ExpectFresh(webhook.Generator{HeaderFile: "hack/header.yaml.txt"}, "internal/webhook/v1", manifestsFile, "manifests")
	})

	It("have names of their own in the cluster", func() {
		Expect(mutatingConfiguration().Name).To(Equal(configuration), "the name of the %s", mutating)
		Expect(validatingConfiguration().Name).To(Equal(configuration), "the name of the %s", validating)
		Expect(hookOf(mutating).Name).To(Equal("mutate."+configuration), "the name of the webhook in the %s", mutating)
		Expect(hookOf(validating).Name).To(Equal("validate."+configuration), "the name of the webhook in the %s", validating)
	})

	DescribeTable("call the Service", func(kind string) {
		called := hookOf(kind).ClientConfig.Service
		Expect(called.Namespace+"/"+called.Name).To(Equal(namespace+"/"+service().Name), "the Service of the webhook in the %s", kind)
		Expect(ptr.Deref(called.Port, 443)).To(Equal(service().Spec.Ports[0].Port), "the port of the webhook in the %s", kind)
	}, Entry("to fill in", mutating), Entry("to judge", validating))

	It("ask before something is stored: what is created and what is updated is filled in, and judged; what is deleted is judged", func() {
		for kind, want := range map[string][]admissionregistrationv1.OperationType{
			mutating:   {admissionregistrationv1.Create, admissionregistrationv1.Update},
			validating: {admissionregistrationv1.Create, admissionregistrationv1.Update, admissionregistrationv1.Delete},
		} {
			var operations []admissionregistrationv1.OperationType
			for _, rule := range hookOf(kind).Rules {
				operations = append(operations, rule.Operations...)
			}
			Expect(operations).To(ConsistOf(want), "operations of the webhook in the %s", kind)
		}
	})

	It("ask about Calculates, and about nothing by a star", func() {
		for _, kind := range []string{mutating, validating} {
			Expect(hookOf(kind).Rules).NotTo(BeEmpty(), "rules of the webhook in the %s", kind)
			for _, rule := range hookOf(kind).Rules {
				Expect(rule.APIGroups).To(ConsistOf(group), "apiGroups of the webhook in the %s", kind)
				Expect(rule.APIVersions).To(ConsistOf("v1"), "apiVersions of the webhook in the %s", kind)
				Expect(rule.Resources).To(ConsistOf("calculates"), "resources of the webhook in the %s: the status is the controller's", kind)
			}
			Expect(hookOf(kind).NamespaceSelector).To(BeNil(), "the namespaceSelector in the %s: a Calculate is the same in all namespaces", kind)
			Expect(hookOf(kind).ObjectSelector).To(BeNil(), "the objectSelector in the %s: whoever writes an object must not choose whether it is judged", kind)
			Expect(hookOf(kind).MatchConditions).To(BeEmpty(), "the matchConditions in the %s", kind)
		}
	})

	It("let nothing pass that was not judged", func() {
		for _, kind := range []string{mutating, validating} {
			Expect(hookOf(kind).FailurePolicy).To(HaveValue(Equal(admissionregistrationv1.Fail)), "failurePolicy of the webhook in the %s", kind)
		}
	})

	It("have dry runs answered, and nobody wait for more than five seconds", func() {
		for _, kind := range []string{mutating, validating} {
			Expect(hookOf(kind).SideEffects).To(HaveValue(Equal(admissionregistrationv1.SideEffectClassNone)), "sideEffects of the webhook in the %s", kind)
			Expect(ptr.Deref(hookOf(kind).TimeoutSeconds, 10)).To(BeNumerically("<=", 5), "timeoutSeconds of the webhook in the %s; the default is 10", kind)
			Expect(hookOf(kind).AdmissionReviewVersions).To(ConsistOf("v1"), "admissionReviewVersions of the webhook in the %s", kind)
		}
	})
})
