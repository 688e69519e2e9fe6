package kubebuilderwebhook_test

import (
	"path"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// address is the name by which the API server calls the Service.
const address = "calculate-webhook.calculate-system.svc"

var _ = Describe("The certificate", func() {
	It("is one that cert-manager makes", func() {
		Expect(newCertManager().secrets).NotTo(BeEmpty(), "Secrets that cert-manager has written")
	})

	It("is where the webhook server looks for it, and stays up to date", func() {
		at, _ := mounted()
		Expect(path.Clean(at.Path)).To(Equal("/tmp/k8s-webhook-server/serving-certs"), "mountPath of the certificate")
		Expect(at.ReadOnly).To(BeTrue(), "readOnly of the certificate's mount")
		Expect(at.SubPath).To(BeFalse(), "subPath of the certificate's mount: what is mounted with one never changes")
		Expect(newCertManager().serving()).NotTo(BeEmpty(), "the Certificate for the Secret that is mounted")
	})

	It("has the name by which the API server calls", func() {
		Expect(newCertManager().served().tls.Leaf.VerifyHostname(address)).To(Succeed(), "the Certificate that the Deployment shows")
	})

	DescribeTable("is trusted by what is injected into the configuration", func(kind string) {
		m := newCertManager()
		Expect(trust(m.injected(kind), m.served(), address)).To(Succeed(), "the API server, with the caBundle that the %s has been given", kind)
	}, Entry("that fills in", mutating), Entry("that judges", validating))

	It("can be renewed, and what was injected before trusts it: the two do not change at the same moment", func() {
		m := newCertManager()
		before := map[string][]byte{mutating: m.injected(mutating), validating: m.injected(validating)}
		old := m.served().tls.Leaf
		m.issue(m.serving())
		Expect(m.served().tls.Leaf.Equal(old)).To(BeFalse(), "the certificate is another one")
		for kind, bundle := range before {
			Expect(trust(bundle, m.served(), address)).To(Succeed(), "the API server, with the caBundle that the %s had before the server's certificate was renewed", kind)
		}
	})

	It("is trusted still when the authority has been renewed, which has signed the next one only", func() {
		m := newCertManager()
		for _, name := range m.names {
			if name != m.serving() {
				m.issue(name)
			}
		}
		for _, kind := range []string{mutating, validating} {
			Expect(trust(m.injected(kind), m.served(), address)).To(Succeed(), "the API server, with the caBundle of the %s after everything but the server's certificate was renewed", kind)
		}
	})

	It("is outlived by its authority", func() {
		m := newCertManager()
		serving := m.certificates[m.serving()]
		authorities := 0
		for _, c := range m.certificates {
			if c.Spec.IsCA {
				authorities++
				Expect(c.duration()).To(BeNumerically(">", serving.duration()), "duration of the Certificate %s, which lasts longer than %s of the Certificate %s", c.Name, serving.duration().Round(time.Hour), serving.Name)
			}
		}
		Expect(authorities).To(BeNumerically(">", 0), "Certificates with isCA in %s", certificatesFile)
		Expect(serving.Spec.IsCA).To(BeFalse(), "isCA of the Certificate %s, whose key is in every replica", serving.Name)
	})
})

var _ = Describe("The patch", func() {
	It("is for the two configurations that are generated, and says whose bundle they are given, and nothing else", func() {
		names := map[string]string{mutating: mutatingConfiguration().Name, validating: validatingConfiguration().Name}
		patches := objects(injectionFile)
		Expect(patches).To(HaveLen(2), "patches in %s", injectionFile)
		for _, p := range patches {
			Expect(names).To(HaveKeyWithValue(p.GetKind(), p.GetName()), "kind and name of a patch in %s", injectionFile)
			delete(names, p.GetKind())
			Expect(p.GetAPIVersion()).To(Equal("admissionregistration.k8s.io/v1"), "apiVersion of the patch for the %s", p.GetKind())
			Expect(p.GetAnnotations()).To(HaveLen(1), "annotations of the patch for the %s", p.GetKind())
			Expect(p.Object).NotTo(HaveKey("webhooks"), "the patch for the %s: the rest is generated, and the caBundle is cert-manager's", p.GetKind())
		}
	})
})
