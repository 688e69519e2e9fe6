package mutate_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	mutate "github.com/kubekata/kubekata/katas/stage4/03-mutate"

	"github.com/kubekata/kubekata/harness/serving"
)

// bound is for what takes the API server a moment: it notices a new webhook configuration by watching.
const bound = 20 * time.Second

var _ = Describe("On the API server", func() {
	for name, patcher := range patchers {
		It("an object is stored with its labels, by "+name, func(ctx SpecContext) {
			ns := install(ctx, nil, &mutate.Labeler{Patch: patcher})
			got := create(ctx, ns, pizza(labelled(map[string]string{mutate.LabelName: "pizza", "team": "a"})))
			Expect(got.Labels).To(Equal(all("hawaii", map[string]string{mutate.LabelName: "pizza", "team": "a"})), "the labels of configmap %s/hawaii", ns)
			Expect(got.Annotations).To(Equal(done), "the annotations of configmap %s/hawaii", ns)
			Expect(got.Data).To(Equal(pizza().Data), "the data of configmap %s/hawaii", ns)
		})
	}

	It("an object without any metadata of its own is stored with its labels", func(ctx SpecContext) {
		ns := install(ctx, nil, &mutate.Labeler{Patch: mutate.ByHand})
		got := create(ctx, ns, pizza())
		Expect(got.Labels).To(Equal(all("hawaii", nil)), "the labels of configmap %s/hawaii", ns)
	})

	It("an object that has opted out is stored as it is", func(ctx SpecContext) {
		ns := install(ctx, nil, &mutate.Labeler{Patch: mutate.ByHand})
		got := create(ctx, ns, pizza(annotated(mutate.OptOutAnnotation, "false")))
		Expect(got.Labels).To(BeEmpty(), "the labels of configmap %s/hawaii", ns)
	})

	It("the labels are there although another webhook has removed one: we are asked again", func(ctx SpecContext) {
		var eraser eraser
		ns := install(ctx, &eraser, &mutate.Labeler{Patch: mutate.ByHand})
		got := create(ctx, ns, pizza())
		Expect(got.Labels).To(Equal(all("hawaii", nil)), "the labels of configmap %s/hawaii", ns)
		Expect(eraser.erased()).To(ContainElement("hawaii"), "the objects of which the other webhook has removed the label %s", mutate.LabelPartOf)
	})
})

// eraser is a webhook that removes a label.
type eraser struct {
	mu    sync.Mutex
	names []string
}

// Review implements serving.Reviewer.
func (e *eraser) Review(_ context.Context, request *admissionv1.AdmissionRequest) (*admissionv1.AdmissionResponse, error) {
	if !strings.Contains(string(request.Object.Raw), mutate.LabelPartOf) {
		return &admissionv1.AdmissionResponse{Allowed: true}, nil
	}
	e.mu.Lock()
	e.names = append(e.names, request.Name)
	e.mu.Unlock()
	return &admissionv1.AdmissionResponse{
		Allowed: true, PatchType: new(admissionv1.PatchTypeJSONPatch),
		Patch: []byte(`[{"op": "remove", "path": "/metadata/labels/app.kubernetes.io~1part-of"}]`),
	}, nil
}

func (e *eraser) erased() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.names
}

// create makes a ConfigMap, and returns what is stored.
func create(ctx context.Context, ns string, cm *corev1.ConfigMap) *corev1.ConfigMap {
	GinkgoHelper()
	cm.Namespace = ""
	client := api.Judge().CoreV1().ConfigMaps(ns)
	_, err := client.Create(ctx, cm, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "create configmap %s/%s", ns, cm.Name)
	got, err := client.Get(ctx, cm.Name, metav1.GetOptions{})
	Expect(err).NotTo(HaveOccurred(), "get configmap %s/%s", ns, cm.Name)
	return got
}

// install has the API server call the learner's labeler for the ConfigMaps of a new namespace until the spec ends, and after it the other
// webhook, if there is one. When that changes something, ours is called again.
func install(ctx context.Context, other serving.Reviewer, labeler *mutate.Labeler) (namespace string) {
	GinkgoHelper()
	ns := api.Namespace(ctx)
	configuration := &admissionregistrationv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: ns + ".kubekata.dev"}}
	for i, reviewer := range []serving.Reviewer{labeler, other} {
		if reviewer == nil {
			continue
		}
		again := admissionregistrationv1.IfNeededReinvocationPolicy
		if i > 0 {
			again = admissionregistrationv1.NeverReinvocationPolicy
		}
		hook, err := serving.Start("/review", serving.NewHandler(reviewer))
		Expect(err).NotTo(HaveOccurred(), "serve the webhook for the spec")
		DeferCleanup(hook.Close)
		configuration.Webhooks = append(configuration.Webhooks, admissionregistrationv1.MutatingWebhook{
			Name: fmt.Sprintf("hook%d.%s.kubekata.dev", i, ns), ClientConfig: admissionregistrationv1.WebhookClientConfig{URL: &hook.URL, CABundle: hook.CABundle},
			AdmissionReviewVersions: []string{"v1"}, SideEffects: new(admissionregistrationv1.SideEffectClassNone),
			FailurePolicy: new(admissionregistrationv1.Fail), ReinvocationPolicy: &again,
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: ns}},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create, admissionregistrationv1.Update},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"}},
			}},
		})
	}
	api.Own(configuration)
	configurations := api.Judge().AdmissionregistrationV1().MutatingWebhookConfigurations()
	_, err := configurations.Create(ctx, configuration, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "create the MutatingWebhookConfiguration %s", configuration.Name)
	DeferCleanup(func(ctx SpecContext) {
		Expect(configurations.Delete(ctx, configuration.Name, metav1.DeleteOptions{})).To(Succeed(), "delete the MutatingWebhookConfiguration %s", configuration.Name)
	})
	probe := pizza(func(cm *corev1.ConfigMap) { cm.Name, cm.Namespace = "probe", "" })
	Eventually(ctx, func(ctx context.Context) (map[string]string, error) {
		got, err := api.Judge().CoreV1().ConfigMaps(ns).Create(ctx, probe, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err != nil && strings.Contains(err.Error(), "failed calling webhook") {
			return nil, StopTrying("the API server does not accept what the webhook answers").Wrap(err)
		}
		if err != nil {
			return nil, err
		}
		return got.Labels, nil
	}).WithTimeout(bound).WithPolling(20*time.Millisecond).Should(HaveKey(mutate.LabelName), "the labels of configmap %s/probe, for which the API server calls the webhook", ns)
	return ns
}
