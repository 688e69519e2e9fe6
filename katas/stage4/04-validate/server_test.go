package validate_test

import (
	"context"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/kubekata/kubekata/harness/serving"
)

// bound is for what takes the API server a moment: it notices a new webhook configuration by watching.
const bound = 20 * time.Second

var _ = Describe("On the API server", func() {
	It("all mistakes reach the user", func(ctx SpecContext) {
		c := install(ctx)
		err := c.create(ctx, pizza(without(nameLabel), with(tierLabel, "gold")))
		Expect(apierrors.IsInvalid(err)).To(BeTrue(), "create configmap hawaii is Invalid: %v", err)
		Expect(err).To(MatchError(And(ContainSubstring(`metadata.labels[app.kubernetes.io/name]: Required value`), ContainSubstring(`metadata.labels[kubekata.dev/tier]: Unsupported value: "gold"`))))
	})

	It("an object that nobody has labelled can be changed, and not made worse", func(ctx SpecContext) {
		c := install(ctx, pizza(without(nameLabel)))
		_, err := c.configMaps.Patch(ctx, "hawaii", types.MergePatchType, []byte(`{"data":{"topping":"ham"}}`), metav1.PatchOptions{})
		Expect(err).NotTo(HaveOccurred(), "patch the data of configmap hawaii, which had no label %s before there was a webhook", nameLabel)
		Expect(c.warned()).To(ConsistOf(ContainSubstring(nameLabel)), "the warnings")
		_, err = c.configMaps.Patch(ctx, "hawaii", types.MergePatchType, []byte(`{"metadata":{"labels":{"app.kubernetes.io/part-of":null}}}`), metav1.PatchOptions{})
		Expect(apierrors.IsInvalid(err)).To(BeTrue(), "remove another label of configmap hawaii is Invalid: %v", err)
	})

	It("a protected object is deleted once it is not", func(ctx SpecContext) {
		c := install(ctx, pizza(protected))
		err := c.configMaps.Delete(ctx, "hawaii", metav1.DeleteOptions{})
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "delete configmap hawaii is Forbidden: %v", err)
		_, err = c.configMaps.Patch(ctx, "hawaii", types.MergePatchType, []byte(`{"metadata":{"annotations":null}}`), metav1.PatchOptions{})
		Expect(err).NotTo(HaveOccurred(), "take the annotation away from configmap hawaii")
		Expect(c.configMaps.Delete(ctx, "hawaii", metav1.DeleteOptions{})).To(Succeed(), "delete configmap hawaii")
	})

	It("a dry run is refused, and only the other one is recorded", func(ctx SpecContext) {
		c := install(ctx)
		err := c.create(ctx, pizza(without(nameLabel)), metav1.DryRunAll)
		Expect(apierrors.IsInvalid(err)).To(BeTrue(), "create configmap hawaii, as a dry run, is Invalid: %v", err)
		Expect(c.recorded.all()).To(BeEmpty(), "what the Validator says that it has refused")
		Expect(c.create(ctx, pizza(without(nameLabel)))).NotTo(Succeed())
		Expect(c.recorded.all()).To(HaveExactElements("CREATE hawaii: Invalid"), "what the Validator says that it has refused")
	})
})

// client is a user's, in a namespace for whose ConfigMaps the API server calls the learner's Validator.
type client struct {
	configMaps corev1client.ConfigMapInterface
	recorded   *record

	mu       sync.Mutex
	warnings []string
}

// HandleWarningHeader implements rest.WarningHandler.
func (c *client) HandleWarningHeader(_ int, _ string, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.warnings = append(c.warnings, text)
}

func (c *client) warned() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.warnings
}

func (c *client) create(ctx context.Context, cm *corev1.ConfigMap, dryRun ...string) error {
	cm.Namespace = ""
	_, err := c.configMaps.Create(ctx, cm, metav1.CreateOptions{DryRun: dryRun})
	return err
}

// install has the API server call the learner's Validator for the ConfigMaps of a new namespace until the spec ends. Some are there before.
func install(ctx context.Context, before ...*corev1.ConfigMap) *client {
	GinkgoHelper()
	ns, c := api.Namespace(ctx), &client{recorded: &record{}}
	config := api.JudgeConfig()
	config.WarningHandler = c
	set, err := kubernetes.NewForConfig(config)
	Expect(err).NotTo(HaveOccurred())
	c.configMaps = set.CoreV1().ConfigMaps(ns)
	for _, cm := range before {
		Expect(c.create(ctx, cm)).To(Succeed(), "make configmap %s/%s for the spec", ns, cm.Name)
	}

	v := validator()
	v.Refused = c.recorded.refused
	hook, err := serving.Start("/review", serving.NewHandler(v))
	Expect(err).NotTo(HaveOccurred(), "serve the webhook for the spec")
	DeferCleanup(hook.Close)
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: ns + ".kubekata.dev"},
		Webhooks: []admissionregistrationv1.ValidatingWebhook{{
			Name: ns + ".kubekata.dev", ClientConfig: admissionregistrationv1.WebhookClientConfig{URL: &hook.URL, CABundle: hook.CABundle},
			AdmissionReviewVersions: []string{"v1"}, SideEffects: new(admissionregistrationv1.SideEffectClassNoneOnDryRun),
			FailurePolicy:     new(admissionregistrationv1.Fail),
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: ns}},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.OperationAll},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"}},
			}},
		}},
	}
	api.Own(configuration)
	configurations := api.Judge().AdmissionregistrationV1().ValidatingWebhookConfigurations()
	_, err = configurations.Create(ctx, configuration, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "create the ValidatingWebhookConfiguration %s", configuration.Name)
	DeferCleanup(func(ctx SpecContext) {
		Expect(configurations.Delete(ctx, configuration.Name, metav1.DeleteOptions{})).To(Succeed(), "delete the ValidatingWebhookConfiguration %s", configuration.Name)
	})
	probe := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "probe"}} // without any label
	Eventually(ctx, func(ctx context.Context) error {
		err := c.create(ctx, probe, metav1.DryRunAll)
		if err != nil && strings.Contains(err.Error(), "failed calling webhook") {
			return StopTrying("the API server does not accept what the webhook answers").Wrap(err)
		}
		return err
	}).WithTimeout(bound).WithPolling(20*time.Millisecond).Should(MatchError(ContainSubstring("denied the request")), "create configmap %s/probe, which has no labels", ns)
	return c
}
