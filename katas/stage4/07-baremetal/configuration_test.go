package baremetal_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	baremetal "github.com/kubekata/kubekata/katas/stage4/07-baremetal"
)

var _ = Describe("Configuration", func() {
	const address = "https://192.0.2.7:8443/stamp"

	// configure returns the one webhook of a configuration.
	configure := func(failure admissionregistrationv1.FailurePolicyType) admissionregistrationv1.MutatingWebhook {
		GinkgoHelper()
		got, err := baremetal.Configuration("stamp.kubekata.dev", address, bundle, failure)
		Expect(err).NotTo(HaveOccurred())
		Expect(got.Name).To(Equal("stamp.kubekata.dev"), "the name of the configuration")
		Expect(got.Webhooks).To(HaveLen(1), "the webhooks of the configuration")
		return got.Webhooks[0]
	}

	It("has the address and the bundle, and no service", func(ctx SpecContext) {
		got := configure(admissionregistrationv1.Fail).ClientConfig
		Expect(got.URL).To(HaveValue(Equal(address)), "clientConfig.url")
		Expect(got.CABundle).To(Equal(bundle), "clientConfig.caBundle")
		Expect(got.Service).To(BeNil(), "clientConfig.service: it is either the url or the service")
	})

	for _, failure := range []admissionregistrationv1.FailurePolicyType{admissionregistrationv1.Fail, admissionregistrationv1.Ignore} {
		It("does what it is told when there is no answer: "+string(failure), func(ctx SpecContext) {
			Expect(configure(failure).FailurePolicy).To(HaveValue(Equal(failure)), "failurePolicy")
		})
	}

	It("waits for two seconds", func(ctx SpecContext) {
		Expect(configure(admissionregistrationv1.Fail).TimeoutSeconds).To(HaveValue(Equal(int32(2))), "timeoutSeconds")
	})

	It("is asked again, and for dry runs too", func(ctx SpecContext) {
		got := configure(admissionregistrationv1.Fail)
		Expect(got.ReinvocationPolicy).To(HaveValue(Equal(admissionregistrationv1.IfNeededReinvocationPolicy)), "reinvocationPolicy")
		Expect(got.SideEffects).To(HaveValue(Equal(admissionregistrationv1.SideEffectClassNone)), "sideEffects")
	})

	It("is about Pods that are created, in namespaces that want it", func(ctx SpecContext) {
		got := configure(admissionregistrationv1.Fail)
		Expect(got.Rules).To(ConsistOf(And(
			HaveField("Operations", ConsistOf(admissionregistrationv1.Create)), HaveField("APIGroups", ConsistOf("")), HaveField("APIVersions", ConsistOf("v1")), HaveField("Resources", ConsistOf("pods")),
		)), "rules")
		selector, err := metav1.LabelSelectorAsSelector(got.NamespaceSelector)
		Expect(err).NotTo(HaveOccurred(), "namespaceSelector")
		Expect(selector.Matches(labels.Set{baremetal.OptIn: "true"})).To(BeTrue(), "whether the namespaceSelector takes a namespace with %s: true", baremetal.OptIn)
		Expect(selector.Matches(labels.Set{baremetal.OptIn: "false"})).To(BeFalse(), "whether the namespaceSelector takes a namespace with %s: false", baremetal.OptIn)
		Expect(selector.Matches(labels.Set{})).To(BeFalse(), "whether the namespaceSelector takes a namespace without the label")
	})

	It("makes no exceptions among them", func(ctx SpecContext) {
		got := configure(admissionregistrationv1.Fail)
		Expect(got.ObjectSelector).To(Or(BeNil(), HaveValue(Equal(metav1.LabelSelector{}))), "objectSelector: a Pod could opt out by its own label")
		Expect(got.MatchConditions).To(BeEmpty(), "matchConditions: somebody's Pods would not be stamped")
	})

	It("has the configuration's name for the webhook, too", func(ctx SpecContext) {
		Expect(configure(admissionregistrationv1.Fail).Name).To(Equal("stamp.kubekata.dev"), "the name of the webhook")
	})

	DescribeTable("is accepted by the API server", func(ctx SpecContext, address string) {
		got, err := baremetal.Configuration("stamp.kubekata.dev", address, bundle, admissionregistrationv1.Ignore)
		Expect(err).NotTo(HaveOccurred())
		_, err = api.Judge().AdmissionregistrationV1().MutatingWebhookConfigurations().Create(ctx, got, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		Expect(err).NotTo(HaveOccurred(), "create the configuration, as a dry run")
	},
		Entry("with an IP and a port", "https://192.0.2.7:8443/stamp"),
		Entry("with a name", "https://stamps.example.org"),
		Entry("with IPv6", "https://[2001:db8::7]:8443/stamp"),
	)

	DescribeTable("refuses an address", func(address string) {
		got, err := baremetal.Configuration("stamp.kubekata.dev", address, bundle, admissionregistrationv1.Fail)
		Expect(err).To(MatchError(Not(ContainSubstring("not implemented"))), "the error for the address %q", address)
		Expect(got).To(BeNil(), "the configuration for the address %q", address)
	},
		Entry("without TLS", "http://192.0.2.7:8443/stamp"),
		Entry("without a scheme", "192.0.2.7/stamp"),
		Entry("that is none", "https://192.0.2.7:8443:/%zz"),
		Entry("without a host", "https:///stamp"),
		Entry("with a port and no host", "https://:8443/stamp"),
		Entry("with a user", "https://ada:secret@192.0.2.7/stamp"),
		Entry("with a query", "https://192.0.2.7/stamp?name=a"),
		Entry("with a fragment", "https://192.0.2.7/stamp#a"),
		Entry("that is empty", ""),
	)

	DescribeTable("refuses a bundle", func(bundle string) {
		_, err := baremetal.Configuration("stamp.kubekata.dev", address, []byte(bundle), admissionregistrationv1.Fail)
		Expect(err).To(MatchError(Not(ContainSubstring("not implemented"))), "the error for the bundle %q", bundle)
	},
		Entry("that is empty", ""),
		Entry("that has something else in the place of a certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
		Entry("that is no PEM", "a certificate"),
		Entry("that has a key instead of a certificate", "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n-----END PRIVATE KEY-----\n"),
	)
})
