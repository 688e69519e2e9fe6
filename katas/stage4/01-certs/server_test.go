package certs_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	certs "github.com/kubekata/kubekata/katas/stage4/01-certs"
	"github.com/kubekata/kubekata/katas/stage4/01-certs/serving"
)

// bound is for what takes the API server a moment: it notices a new webhook configuration by watching.
const bound = 20 * time.Second

var _ = Describe("On the API server", func() {
	It("a webhook is called by its URL", func(ctx SpecContext) {
		w := newWebhook(ctx, certs.Service{Name: "hook", Namespace: "napoli", IPs: []net.IP{net.IPv4(127, 0, 0, 1)}})
		w.configure(ctx, admissionregistrationv1.WebhookClientConfig{URL: &w.server.URL, CABundle: w.bundle})
		w.expectCalled(ctx)
	})

	It("a webhook is called by the name of its Service", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		w := newWebhook(ctx, certs.Service{Name: "hook", Namespace: ns})
		// There is no pod, and no network of pods: the Service is another name for this machine. The certificate is checked for hook.NAMESPACE.svc.
		_, err := api.Judge().CoreV1().Services(ns).Create(ctx, &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Name: "hook"}, Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "localhost"},
		}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred(), "create service %s/hook", ns)
		w.configure(ctx, admissionregistrationv1.WebhookClientConfig{
			Service: &admissionregistrationv1.ServiceReference{Name: "hook", Namespace: ns, Port: &w.server.Port}, CABundle: w.bundle,
		})
		w.expectCalled(ctx)
	})

	It("a webhook is called through the renewal of its certificate", func(ctx SpecContext) {
		service := certs.Service{Name: "hook", Namespace: "napoli", IPs: []net.IP{net.IPv4(127, 0, 0, 1)}}
		w := newWebhook(ctx, service)
		w.configure(ctx, admissionregistrationv1.WebhookClientConfig{URL: &w.server.URL, CABundle: w.bundle})
		w.expectCalled(ctx)
		before := w.shown.Load()
		w.files.put(newPair(certs.NewServing(w.ca, service, time.Now())))
		w.expectCalled(ctx)
		Expect(w.shown.Load()).NotTo(Equal(before), "the certificate with which the API server was served, before and after the renewal")
	})
})

// webhook denies all that it is asked, and is served with the learner's certificate by the learner's Reloader.
type webhook struct {
	name, namespace string
	server          *serving.Server
	files           files
	ca              certs.Pair
	bundle          []byte
	// shown is the certificate of the last handshake.
	shown atomic.Value
}

func newWebhook(ctx context.Context, service certs.Service) *webhook {
	GinkgoHelper()
	d := directory(GinkgoT().TempDir())
	ns := api.Namespace(ctx)
	// Made an hour ago, since the API server's clock is a real one.
	bundle, err := certs.Ensure(string(d), service, time.Now().Add(-time.Hour))
	Expect(err).NotTo(HaveOccurred(), "Ensure")
	w := &webhook{name: ns + ".kubekata.dev", namespace: ns, files: d.serving(), ca: d.ca().read(), bundle: bundle}
	r := reloader(w.files)
	w.server, err = serving.Start(http.HandlerFunc(deny), func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		pair, err := r.GetCertificate(hello)
		if err == nil && pair != nil && len(pair.Certificate) > 0 {
			w.shown.Store(string(pair.Certificate[0]))
		}
		return pair, err
	})
	Expect(err).NotTo(HaveOccurred(), "serve the webhook for the spec")
	DeferCleanup(w.server.Close)
	return w
}

// deny answers an AdmissionReview.
func deny(rw http.ResponseWriter, r *http.Request) {
	review := &admissionv1.AdmissionReview{}
	if err := json.NewDecoder(r.Body).Decode(review); err != nil || review.Request == nil {
		http.Error(rw, "an AdmissionReview, please", http.StatusBadRequest)
		return
	}
	review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Result: &metav1.Status{Message: "not with pineapple"}}
	review.Request = nil
	rw.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(rw).Encode(review)
}

// configure has the webhook called for the ConfigMaps of its namespace.
func (w *webhook) configure(ctx context.Context, client admissionregistrationv1.WebhookClientConfig) {
	GinkgoHelper()
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: w.name},
		Webhooks: []admissionregistrationv1.ValidatingWebhook{{
			Name: w.name, ClientConfig: client, AdmissionReviewVersions: []string{"v1"}, SideEffects: new(admissionregistrationv1.SideEffectClassNone),
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: w.namespace}},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"}},
			}},
		}},
	}
	api.Own(configuration)
	configurations := api.Judge().AdmissionregistrationV1().ValidatingWebhookConfigurations()
	_, err := configurations.Create(ctx, configuration, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "create the ValidatingWebhookConfiguration %s", w.name)
	DeferCleanup(func(ctx SpecContext) {
		Expect(configurations.Delete(ctx, w.name, metav1.DeleteOptions{})).To(Succeed(), "delete the ValidatingWebhookConfiguration %s", w.name)
	})
}

// expectCalled expects the API server to get the webhook's denial, and no error of the connection.
func (w *webhook) expectCalled(ctx context.Context) {
	GinkgoHelper()
	Eventually(ctx, func(ctx context.Context) error {
		_, err := api.Judge().CoreV1().ConfigMaps(w.namespace).Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "pizza"}}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		switch {
		case err == nil:
			return fmt.Errorf("configmap %s/pizza was accepted: the API server has not called the webhook", w.namespace)
		case strings.Contains(err.Error(), "not with pineapple"):
			return nil
		case strings.Contains(err.Error(), "failed calling webhook"):
			return StopTrying("the API server cannot call the webhook").Wrap(err)
		}
		return err
	}).WithTimeout(bound).WithPolling(20 * time.Millisecond).Should(Succeed())
}

func newPair(pair certs.Pair, err error) certs.Pair {
	GinkgoHelper()
	Expect(err).NotTo(HaveOccurred(), "NewServing")
	return pair
}
