package admissionreview_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	admissionreview "github.com/kubekata/kubekata/katas/stage4/02-admission-review"

	"github.com/kubekata/kubekata/harness/serving"
)

// bound is for what takes the API server a moment: it notices a new webhook configuration by watching.
const bound = 20 * time.Second

var _ = Describe("On the API server", func() {
	It("a denial reaches the user, with its reason", func(ctx SpecContext) {
		w := install(ctx, admissionregistrationv1.Fail, func(context.Context, *admissionv1.AdmissionRequest) (*admissionv1.AdmissionResponse, error) {
			return admissionreview.Denied(errors.New("no pineapple")), nil
		})
		err := w.create(ctx, "hawaii")
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "create configmap %s/hawaii is Forbidden: %v", w.namespace, err)
		Expect(err).To(MatchError(fmt.Sprintf("admission webhook %q denied the request: no pineapple", w.name)), "create configmap %s/hawaii", w.namespace)
	})

	It("a denial is one although the webhook may fail", func(ctx SpecContext) {
		w := install(ctx, admissionregistrationv1.Ignore, func(context.Context, *admissionv1.AdmissionRequest) (*admissionv1.AdmissionResponse, error) {
			return admissionreview.Denied(errors.New("no pineapple")), nil
		})
		Expect(w.create(ctx, "hawaii")).To(MatchError(ContainSubstring("no pineapple")), "create configmap %s/hawaii, with the failurePolicy Ignore", w.namespace)
	})

	It("an error is an error where the webhook may not fail", func(ctx SpecContext) {
		w := install(ctx, admissionregistrationv1.Fail, always(nil, errors.New("the menu cannot be read")))
		err := w.create(ctx, "hawaii")
		Expect(apierrors.IsInternalError(err)).To(BeTrue(), "create configmap %s/hawaii, with the failurePolicy Fail, is an InternalError: %v", w.namespace, err)
		Expect(err).To(MatchError(ContainSubstring("the menu cannot be read")), "create configmap %s/hawaii: what the user reads", w.namespace)
	})

	It("an error lets the request pass where the webhook may fail", func(ctx SpecContext) {
		w := install(ctx, admissionregistrationv1.Ignore, always(nil, errors.New("the menu cannot be read")))
		Expect(w.create(ctx, "hawaii")).To(Succeed(), "create configmap %s/hawaii, with the failurePolicy Ignore", w.namespace)
	})

	It("what is allowed is stored, and warnings are shown", func(ctx SpecContext) {
		w := install(ctx, admissionregistrationv1.Fail, always(&admissionv1.AdmissionResponse{Allowed: true, Warnings: []string{"are you sure?"}}, nil))
		Expect(w.create(ctx, "hawaii")).To(Succeed(), "create configmap %s/hawaii", w.namespace)
		_, err := api.Judge().CoreV1().ConfigMaps(w.namespace).Get(ctx, "hawaii", metav1.GetOptions{})
		Expect(err).NotTo(HaveOccurred(), "get configmap %s/hawaii", w.namespace)
		Expect(w.warned()).To(Equal([]string{"are you sure?"}), "the warnings that came with configmap %s/hawaii", w.namespace)
	})
})

// webhook is a reviewer behind the learner's handler, which the API server calls for the ConfigMaps of a namespace.
type webhook struct {
	name, namespace string
	client          kubernetes.Interface

	mu       sync.Mutex
	warnings []string
}

// probe is the name of the ConfigMap by which the spec sees that the API server calls the webhook. The reviewer is not asked about it.
const probe = "probe"

// install has the API server call the learner's handler from now on until the spec ends.
func install(ctx context.Context, policy admissionregistrationv1.FailurePolicyType, reviewer admissionreview.ReviewerFunc) *webhook {
	GinkgoHelper()
	ns := api.Namespace(ctx)
	w := &webhook{name: ns + ".kubekata.dev", namespace: ns}
	hook, err := serving.Start("/review", handler(func(ctx context.Context, request *admissionv1.AdmissionRequest) (*admissionv1.AdmissionResponse, error) {
		if request.Name == probe {
			return &admissionv1.AdmissionResponse{Result: &metav1.Status{Message: "the probe has arrived"}}, nil
		}
		return reviewer(ctx, request)
	}))
	Expect(err).NotTo(HaveOccurred(), "serve the webhook for the spec")
	DeferCleanup(hook.Close)
	config := api.JudgeConfig()
	config.WarningHandler = w
	w.client, err = kubernetes.NewForConfig(config)
	Expect(err).NotTo(HaveOccurred())

	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: w.name},
		Webhooks: []admissionregistrationv1.ValidatingWebhook{{
			Name: w.name, ClientConfig: admissionregistrationv1.WebhookClientConfig{URL: &hook.URL, CABundle: hook.CABundle}, FailurePolicy: &policy,
			AdmissionReviewVersions: []string{"v1"}, SideEffects: new(admissionregistrationv1.SideEffectClassNone),
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: ns}},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"}},
			}},
		}},
	}
	api.Own(configuration)
	configurations := api.Judge().AdmissionregistrationV1().ValidatingWebhookConfigurations()
	_, err = configurations.Create(ctx, configuration, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "create the ValidatingWebhookConfiguration %s", w.name)
	DeferCleanup(func(ctx SpecContext) {
		Expect(configurations.Delete(ctx, w.name, metav1.DeleteOptions{})).To(Succeed(), "delete the ValidatingWebhookConfiguration %s", w.name)
	})
	Eventually(ctx, func(ctx context.Context) error {
		err := w.create(ctx, probe, metav1.DryRunAll)
		if err != nil && strings.Contains(err.Error(), "failed calling webhook") {
			return StopTrying("the API server does not accept what the webhook answers to a request that its reviewer denies").Wrap(err)
		}
		return err
	}).WithTimeout(bound).WithPolling(20*time.Millisecond).Should(MatchError(ContainSubstring("the probe has arrived")),
		"create configmap %s/%s, which the webhook denies", ns, probe)
	return w
}

// create creates a ConfigMap.
func (w *webhook) create(ctx context.Context, name string, dryRun ...string) error {
	_, err := w.client.CoreV1().ConfigMaps(w.namespace).Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{DryRun: dryRun})
	return err
}

// HandleWarningHeader implements rest.WarningHandler.
func (w *webhook) HandleWarningHeader(_ int, _ string, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.warnings = append(w.warnings, text)
}

func (w *webhook) warned() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.warnings
}
