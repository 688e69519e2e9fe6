package byservice_test

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/kubekata/kubekata/harness/cluster"
	byservice "github.com/kubekata/kubekata/katas/stage4/05-by-service"
	"github.com/kubekata/kubekata/katas/stage4/05-by-service/pki"
)

func itoa(n int32) string { return strconv.Itoa(int(n)) }

var now = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

func namesOf(service, ns string) []string {
	return []string{service, service + "." + ns, service + "." + ns + ".svc"}
}

// secret makes the Secret, with data.
func secret(ctx context.Context, ns string, data map[string][]byte) {
	GinkgoHelper()
	_, err := api.Judge().CoreV1().Secrets(ns).Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: byservice.Secret}, Data: data}, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "make secret %s/%s for the spec", ns, byservice.Secret)
}

// stored are the data of the Secret.
func stored(ctx context.Context, ns string) map[string][]byte {
	GinkgoHelper()
	s, err := api.Judge().CoreV1().Secrets(ns).Get(ctx, byservice.Secret, metav1.GetOptions{})
	Expect(err).NotTo(HaveOccurred(), "get secret %s/%s", ns, byservice.Secret)
	return s.Data
}

// issued are the data of a certificate for the Service of a namespace.
func issued(at time.Time, names ...string) map[string][]byte {
	GinkgoHelper()
	cert, key, ca, err := pki.Issue(names, at)
	Expect(err).NotTo(HaveOccurred())
	return map[string][]byte{corev1.TLSCertKey: cert, corev1.TLSPrivateKeyKey: key, byservice.CAKey: ca}
}

// writes counts the learner's requests that change something.
func writes() int {
	n := 0
	for _, r := range api.Requests() {
		if r.Verb != "get" && r.Verb != "list" && r.Verb != "watch" {
			n++
		}
	}
	return n
}

var _ = Describe("Certificate", func() {
	var ns string
	BeforeEach(func(ctx SpecContext) { ns = api.Namespace(ctx) })
	certificate := func(ctx context.Context) []byte {
		GinkgoHelper()
		pair, bundle, err := byservice.Certificate(ctx, api.Clientset(), ns, byservice.Name, byservice.Secret, now)
		Expect(err).NotTo(HaveOccurred(), "Certificate")
		Expect(pair.Certificate).NotTo(BeEmpty(), "the certificate that Certificate returns")
		data := stored(ctx, ns)
		Expect(pki.Usable(data[corev1.TLSCertKey], data[corev1.TLSPrivateKeyKey], data[byservice.CAKey], namesOf(byservice.Name, ns), now)).To(Succeed(), "what is in secret %s/%s", ns, byservice.Secret)
		Expect(string(bundle)).To(Equal(string(data[byservice.CAKey])), "the bundle is the CA's certificate in secret %s/%s", ns, byservice.Secret)
		return data[corev1.TLSCertKey]
	}

	It("makes one for all names of the Service, and stores it", func(ctx SpecContext) {
		secret(ctx, ns, nil)
		certificate(ctx)
	})

	It("makes one for another Service, and another Secret", func(ctx SpecContext) {
		_, err := api.Judge().CoreV1().Secrets(ns).Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "other"}}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		pair, bundle, err := byservice.Certificate(ctx, api.Clientset(), ns, "sorter", "other", now)
		Expect(err).NotTo(HaveOccurred(), "Certificate for the Service sorter")
		Expect(pair.Leaf).NotTo(BeNil())
		Expect(pair.Leaf.DNSNames).To(ConsistOf(namesOf("sorter", ns)), "the names in the certificate for the Service sorter")
		Expect(bundle).NotTo(BeEmpty(), "the bundle")
	})

	It("returns the one that is stored, and writes nothing", func(ctx SpecContext) {
		secret(ctx, ns, issued(now, namesOf(byservice.Name, ns)...))
		before := string(stored(ctx, ns)[corev1.TLSCertKey])
		Expect(string(certificate(ctx))).To(Equal(before), "the certificate in secret %s/%s", ns, byservice.Secret)
		Expect(writes()).To(BeZero(), "requests that change something, when the secret has a certificate that will do")
	})

	It("leaves what else is in the Secret", func(ctx SpecContext) {
		secret(ctx, ns, map[string][]byte{"note": []byte("call Ada")})
		certificate(ctx)
		Expect(string(stored(ctx, ns)["note"])).To(Equal("call Ada"), "somebody's key in secret %s/%s", ns, byservice.Secret)
	})

	DescribeTable("replaces", func(ctx SpecContext, data func() map[string][]byte) {
		secret(ctx, ns, data())
		before := string(stored(ctx, ns)[corev1.TLSCertKey])
		Expect(string(certificate(ctx))).NotTo(Equal(before), "the certificate in secret %s/%s", ns, byservice.Secret)
	},
		Entry("one that will soon be over", func() map[string][]byte {
			return issued(now.Add(-pki.Validity+pki.Renewal-time.Hour), namesOf(byservice.Name, ns)...)
		}),
		Entry("one with other names", func() map[string][]byte { return issued(now, byservice.Name, byservice.Name+"."+ns) }),
		Entry("one without its authority", func() map[string][]byte {
			data := issued(now, namesOf(byservice.Name, ns)...)
			delete(data, byservice.CAKey)
			return data
		}),
		Entry("what is none", func() map[string][]byte {
			return map[string][]byte{corev1.TLSCertKey: []byte("a"), corev1.TLSPrivateKeyKey: []byte("b"), byservice.CAKey: []byte("c")}
		}),
	)

	It("takes the one that another replica has written in the meantime", func(ctx SpecContext) {
		secret(ctx, ns, nil)
		theirs := issued(now, namesOf(byservice.Name, ns)...)
		var once sync.Once
		api.Intercept(func(r cluster.Request) *cluster.Answer {
			if r.Resource == "secrets" && r.Verb != "get" {
				once.Do(func() {
					defer GinkgoRecover()
					s, err := api.Judge().CoreV1().Secrets(ns).Get(ctx, byservice.Secret, metav1.GetOptions{})
					Expect(err).NotTo(HaveOccurred())
					s.Data = theirs
					_, err = api.Judge().CoreV1().Secrets(ns).Update(ctx, s, metav1.UpdateOptions{})
					Expect(err).NotTo(HaveOccurred(), "write the other replica's certificate for the spec")
				})
			}
			return nil
		})
		Expect(string(certificate(ctx))).To(Equal(string(theirs[corev1.TLSCertKey])), "the certificate in secret %s/%s, where another replica was faster", ns, byservice.Secret)
	})

	It("fails when there is no Secret, and makes none", func(ctx SpecContext) {
		_, _, err := byservice.Certificate(ctx, api.Clientset(), ns, byservice.Name, byservice.Secret, now)
		Expect(apierrors.IsNotFound(err)).To(BeTrue(), "Certificate without secret %s/%s is NotFound, and it is: %v", ns, byservice.Secret, err)
		_, err = api.Judge().CoreV1().Secrets(ns).Get(ctx, byservice.Secret, metav1.GetOptions{})
		Expect(apierrors.IsNotFound(err)).To(BeTrue(), "secret %s/%s is still not there: %v", ns, byservice.Secret, err)
	})
})

var _ = Describe("Trust", func() {
	var name string
	bundle := func() []byte { return issued(now, "labels")[byservice.CAKey] }
	client := func(path string) admissionregistrationv1.WebhookClientConfig {
		return admissionregistrationv1.WebhookClientConfig{Service: &admissionregistrationv1.ServiceReference{Namespace: "nowhere", Name: "labels", Path: &path, Port: ptr.To[int32](8443)}}
	}
	nobody := &metav1.LabelSelector{MatchLabels: map[string]string{"kubekata.dev/nobody": "has-this"}}
	rules := []admissionregistrationv1.RuleWithOperations{{
		Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
		Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"}},
	}}
	none := ptr.To(admissionregistrationv1.SideEffectClassNone)
	makeMutating := func(ctx context.Context) {
		GinkgoHelper()
		m := &admissionregistrationv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: name}}
		for _, hook := range []string{"a", "b"} {
			m.Webhooks = append(m.Webhooks, admissionregistrationv1.MutatingWebhook{Name: hook + ".kubekata.dev", ClientConfig: client("/" + hook), Rules: rules,
				NamespaceSelector: nobody, SideEffects: none, AdmissionReviewVersions: []string{"v1"}})
		}
		api.Own(m)
		_, err := api.Judge().AdmissionregistrationV1().MutatingWebhookConfigurations().Create(ctx, m, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func(ctx context.Context) {
			Expect(api.Judge().AdmissionregistrationV1().MutatingWebhookConfigurations().Delete(ctx, name, metav1.DeleteOptions{})).To(Succeed())
		})
	}
	makeValidating := func(ctx context.Context) {
		GinkgoHelper()
		v := &admissionregistrationv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: name}}
		for _, hook := range []string{"c", "d"} {
			v.Webhooks = append(v.Webhooks, admissionregistrationv1.ValidatingWebhook{Name: hook + ".kubekata.dev", ClientConfig: client("/" + hook), Rules: rules,
				NamespaceSelector: nobody, SideEffects: none, AdmissionReviewVersions: []string{"v1"}})
		}
		api.Own(v)
		_, err := api.Judge().AdmissionregistrationV1().ValidatingWebhookConfigurations().Create(ctx, v, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func(ctx context.Context) {
			Expect(api.Judge().AdmissionregistrationV1().ValidatingWebhookConfigurations().Delete(ctx, name, metav1.DeleteOptions{})).To(Succeed())
		})
	}
	getMutating := func(ctx context.Context) *admissionregistrationv1.MutatingWebhookConfiguration {
		GinkgoHelper()
		m, err := api.Judge().AdmissionregistrationV1().MutatingWebhookConfigurations().Get(ctx, name, metav1.GetOptions{})
		Expect(err).NotTo(HaveOccurred())
		return m
	}
	getValidating := func(ctx context.Context) *admissionregistrationv1.ValidatingWebhookConfiguration {
		GinkgoHelper()
		v, err := api.Judge().AdmissionregistrationV1().ValidatingWebhookConfigurations().Get(ctx, name, metav1.GetOptions{})
		Expect(err).NotTo(HaveOccurred())
		return v
	}
	// trusted are the bundles of all four webhooks.
	trusted := func(ctx context.Context) map[string]string {
		GinkgoHelper()
		all := map[string]string{}
		for _, w := range getMutating(ctx).Webhooks {
			all[w.Name] = string(w.ClientConfig.CABundle)
		}
		for _, w := range getValidating(ctx).Webhooks {
			all[w.Name] = string(w.ClientConfig.CABundle)
		}
		return all
	}
	BeforeEach(func(ctx SpecContext) { name = api.Namespace(ctx) + ".kubekata.dev" })

	It("gives each webhook of both configurations the bundle, and changes nothing else", func(ctx SpecContext) {
		makeMutating(ctx)
		makeValidating(ctx)
		m, v, b := getMutating(ctx), getValidating(ctx), bundle()
		Expect(byservice.Trust(ctx, api.Clientset(), name, b)).To(Succeed(), "Trust")
		for i := range m.Webhooks {
			m.Webhooks[i].ClientConfig.CABundle = b
		}
		for i := range v.Webhooks {
			v.Webhooks[i].ClientConfig.CABundle = b
		}
		Expect(getMutating(ctx).Webhooks).To(Equal(m.Webhooks), "the mutating configuration's webhooks")
		Expect(getValidating(ctx).Webhooks).To(Equal(v.Webhooks), "the validating configuration's webhooks")
	})

	It("replaces a bundle that is another one, and writes nothing where it is the same", func(ctx SpecContext) {
		makeMutating(ctx)
		makeValidating(ctx)
		Expect(byservice.Trust(ctx, api.Clientset(), name, bundle())).To(Succeed(), "Trust")
		b := bundle()
		Expect(byservice.Trust(ctx, api.Clientset(), name, b)).To(Succeed(), "Trust, with another bundle")
		for hook, text := range trusted(ctx) {
			Expect(text).To(Equal(string(b)), "the caBundle of %s, after the second bundle", hook)
		}
		before := writes()
		Expect(before).To(BeNumerically(">", 0), "requests that change something")
		Expect(byservice.Trust(ctx, api.Clientset(), name, b)).To(Succeed(), "Trust, with the same bundle")
		Expect(writes()).To(Equal(before), "requests that change something, after the same bundle")
	})

	It("keeps what somebody else changes at the same moment", func(ctx SpecContext) {
		makeMutating(ctx)
		makeValidating(ctx)
		var m, v sync.Once
		api.Intercept(func(r cluster.Request) *cluster.Answer {
			if r.Verb == "get" || r.Verb == "list" {
				return nil
			}
			defer GinkgoRecover()
			switch r.Resource {
			case "mutatingwebhookconfigurations":
				m.Do(func() {
					c := getMutating(ctx)
					c.Webhooks[1].TimeoutSeconds = ptr.To[int32](7)
					_, err := api.Judge().AdmissionregistrationV1().MutatingWebhookConfigurations().Update(ctx, c, metav1.UpdateOptions{})
					Expect(err).NotTo(HaveOccurred())
				})
			case "validatingwebhookconfigurations":
				v.Do(func() {
					c := getValidating(ctx)
					c.Webhooks[0].TimeoutSeconds = ptr.To[int32](8)
					_, err := api.Judge().AdmissionregistrationV1().ValidatingWebhookConfigurations().Update(ctx, c, metav1.UpdateOptions{})
					Expect(err).NotTo(HaveOccurred())
				})
			}
			return nil
		})
		b := bundle()
		Expect(byservice.Trust(ctx, api.Clientset(), name, b)).To(Succeed(), "Trust, while somebody changes the timeouts")
		for hook, text := range trusted(ctx) {
			Expect(text).To(Equal(string(b)), "the caBundle of %s", hook)
		}
		Expect(*getMutating(ctx).Webhooks[1].TimeoutSeconds).To(BeEquivalentTo(7), "somebody's timeoutSeconds of b.kubekata.dev")
		Expect(*getValidating(ctx).Webhooks[0].TimeoutSeconds).To(BeEquivalentTo(8), "somebody's timeoutSeconds of c.kubekata.dev")
	})

	It("is content without the mutating configuration, and looks after the other one", func(ctx SpecContext) {
		makeValidating(ctx)
		b := bundle()
		Expect(byservice.Trust(ctx, api.Clientset(), name, b)).To(Succeed(), "Trust, without a mutating configuration")
		Expect(string(getValidating(ctx).Webhooks[1].ClientConfig.CABundle)).To(Equal(string(b)), "the caBundle of d.kubekata.dev")
	})

	It("is content without the validating configuration, and looks after the other one", func(ctx SpecContext) {
		makeMutating(ctx)
		b := bundle()
		Expect(byservice.Trust(ctx, api.Clientset(), name, b)).To(Succeed(), "Trust, without a validating configuration")
		Expect(string(getMutating(ctx).Webhooks[1].ClientConfig.CABundle)).To(Equal(string(b)), "the caBundle of b.kubekata.dev")
	})

	DescribeTable("fails when the API server does, over", func(ctx SpecContext, resource string) {
		makeMutating(ctx)
		makeValidating(ctx)
		api.Intercept(func(r cluster.Request) *cluster.Answer {
			if r.Resource != resource {
				return nil
			}
			return &cluster.Answer{Status: &metav1.Status{Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden, Message: "not you"}}
		})
		err := byservice.Trust(ctx, api.Clientset(), name, bundle())
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "Trust, which may not touch %s, is Forbidden, and it is: %v", resource, err)
	},
		Entry("the mutating configuration", "mutatingwebhookconfigurations"),
		Entry("the validating configuration", "validatingwebhookconfigurations"),
	)
})
