package validate_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	validate "github.com/kubekata/kubekata/katas/stage4/04-validate"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/admission"
	"github.com/kubekata/kubekata/harness/cluster"
	"github.com/kubekata/kubekata/harness/serving"
)

var _ = harness.NoLeaks()

var api = cluster.API()

func TestValidate(t *testing.T) {
	harness.RunSpecs(t, "Stage 4 · 04-validate")
}

const (
	nameLabel     = "app.kubernetes.io/name"
	partOfLabel   = "app.kubernetes.io/part-of"
	instanceLabel = "app.kubernetes.io/instance"
	tierLabel     = "kubekata.dev/tier"
)

func policy() *validate.Policy {
	return &validate.Policy{
		Required:  []string{partOfLabel, nameLabel},
		Supported: map[string][]string{tierLabel: {"silver", "bronze"}, partOfLabel: {"menu", "dolci"}},
		Immutable: []string{instanceLabel},
	}
}

// pizza is an object with which nothing is wrong; each change makes it another one.
func pizza(changes ...func(*corev1.ConfigMap)) *corev1.ConfigMap {
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "hawaii", Namespace: "napoli", Labels: map[string]string{
		nameLabel: "hawaii", partOfLabel: "menu", instanceLabel: "first", tierLabel: "silver",
	}}}
	for _, change := range changes {
		change(cm)
	}
	return cm
}

// as leaves the object as it is.
func as(*corev1.ConfigMap) {}

func with(key, value string) func(*corev1.ConfigMap) {
	return func(cm *corev1.ConfigMap) { metav1.SetMetaDataLabel(&cm.ObjectMeta, key, value) }
}

func without(key string) func(*corev1.ConfigMap) {
	return func(cm *corev1.ConfigMap) { delete(cm.Labels, key) }
}

func annotated(key, value string) func(*corev1.ConfigMap) {
	return func(cm *corev1.ConfigMap) { metav1.SetMetaDataAnnotation(&cm.ObjectMeta, key, value) }
}

func in(namespace string) func(*corev1.ConfigMap) {
	return func(cm *corev1.ConfigMap) { cm.Namespace = namespace }
}

func both(changes ...func(*corev1.ConfigMap)) func(*corev1.ConfigMap) {
	return func(cm *corev1.ConfigMap) {
		for _, change := range changes {
			change(cm)
		}
	}
}

// dying is an object that is being deleted, and has a finalizer.
func dying(cm *corev1.ConfigMap) {
	cm.DeletionTimestamp, cm.Finalizers = new(metav1.Now()), []string{"kubekata.dev/oven"}
}

func anys(texts []string) []any {
	all := []any{}
	for _, text := range texts {
		all = append(all, text)
	}
	return all
}

// record is what a Validator has said that it has refused.
type record struct {
	mu   sync.Mutex
	said []string
}

func (r *record) refused(request *admissionv1.AdmissionRequest, status metav1.Status) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, fmt.Sprintf("%s %s: %s", request.Operation, request.Name, status.Reason))
}

func (r *record) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.said
}

// validator is the learner's, for which kube-system is exempt.
func validator() *validate.Validator {
	return &validate.Validator{Policy: policy(), Exempt: []string{"kube-system"}}
}

// ask asks the learner's Validator as the API server would.
func ask(ctx context.Context, v *validate.Validator, object, old runtime.Object, options ...admission.Option) admission.Verdict {
	GinkgoHelper()
	return admission.Post(ctx, admission.Validating(serving.NewHandler(v)), admission.Review(object, old, options...))
}

// expectAllowed expects a yes.
func expectAllowed(verdict admission.Verdict) {
	GinkgoHelper()
	Expect(verdict.Allowed).To(BeTrue(), "whether it is allowed; the user is told: %s", verdict.Message)
}

// expectRefused expects a no, with a reason.
func expectRefused(verdict admission.Verdict, reason metav1.StatusReason) {
	GinkgoHelper()
	Expect(verdict.Allowed).To(BeFalse(), "whether it is allowed")
	Expect(verdict.Reason).To(Equal(reason), "the reason of the refusal, whose message is %s", verdict.Message)
}
