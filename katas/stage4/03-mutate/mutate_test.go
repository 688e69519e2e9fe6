package mutate_test

import (
	"context"
	"encoding/json"
	"maps"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	mutate "github.com/kubekata/kubekata/katas/stage4/03-mutate"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/admission"
	"github.com/kubekata/kubekata/harness/cluster"
	"github.com/kubekata/kubekata/harness/serving"
)

var _ = harness.NoLeaks()

var api = cluster.API()

func TestMutate(t *testing.T) {
	harness.RunSpecs(t, "Stage 4 · 03-mutate")
}

// patchers are both, of which the same is expected.
var patchers = map[string]mutate.Patcher{"ByHand": mutate.ByHand, "Computed": mutate.Computed}

// apply does what the API server does with a patch.
func apply(patch []byte, object string) string {
	GinkgoHelper()
	decoded, err := jsonpatch.DecodePatch(patch)
	Expect(err).NotTo(HaveOccurred(), "%s is no JSON Patch", patch)
	patched, err := decoded.Apply([]byte(object))
	Expect(err).NotTo(HaveOccurred(), "the patch %s cannot be applied to %s", patch, object)
	return string(patched)
}

// pizza is an object without labels; each change makes it another one.
func pizza(changes ...func(*corev1.ConfigMap)) *corev1.ConfigMap {
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "hawaii", Namespace: "napoli"}, Data: map[string]string{"topping": "pineapple"}}
	for _, change := range changes {
		change(cm)
	}
	return cm
}

func labelled(labels map[string]string) func(*corev1.ConfigMap) {
	return func(cm *corev1.ConfigMap) { cm.Labels = labels }
}

func annotated(key, value string) func(*corev1.ConfigMap) {
	return func(cm *corev1.ConfigMap) { metav1.SetMetaDataAnnotation(&cm.ObjectMeta, key, value) }
}

// in says in which namespace the request is.
func in(namespace string) admission.Option {
	return func(r *admissionv1.AdmissionRequest) { r.Namespace = namespace }
}

// all are the labels that an object of this name gets when there are no defaults, with those of more instead where it has them.
func all(name string, more map[string]string) map[string]string {
	labels := map[string]string{
		mutate.LabelName: name, mutate.LabelInstance: name, mutate.LabelVersion: mutate.NotAvailable,
		mutate.LabelComponent: mutate.NotAvailable, mutate.LabelPartOf: mutate.NotAvailable, mutate.LabelManagedBy: mutate.NotAvailable,
	}
	maps.Copy(labels, more)
	return labels
}

var done = map[string]string{mutate.StatusAnnotation: mutate.Done}

// labeler is the learner's. The specs of Review have a patcher of their own, so that they are about Review.
func labeler() *mutate.Labeler {
	return &mutate.Labeler{Patch: overwriteMetadata}
}

// overwriteMetadata is a patcher for objects whose maps are all there, or not at all.
func overwriteMetadata(object []byte, want mutate.Metadata) ([]byte, error) {
	has := &metav1.PartialObjectMetadata{}
	if err := json.Unmarshal(object, has); err != nil {
		return nil, err
	}
	var operations []map[string]any
	for field, m := range map[string][2]map[string]string{"labels": {want.Labels, has.Labels}, "annotations": {want.Annotations, has.Annotations}} {
		merged := maps.Clone(m[0])
		if merged == nil {
			merged = map[string]string{}
		}
		maps.Copy(merged, m[1])
		if len(merged) > len(m[1]) {
			operations = append(operations, map[string]any{"op": "add", "path": "/metadata/" + field, "value": merged})
		}
	}
	if operations == nil {
		return nil, nil
	}
	return json.Marshal(operations)
}

// ask asks the learner's Labeler as the API server would.
func ask(ctx context.Context, l *mutate.Labeler, review *admissionv1.AdmissionReview) admission.Verdict {
	GinkgoHelper()
	verdict := admission.Post(ctx, admission.Mutating(serving.NewHandler(l)), review)
	Expect(verdict.Allowed).To(BeTrue(), "a mutating webhook allows all; %s", verdict.Exchange)
	return verdict
}

// expectUntouched expects an answer without a patch.
func expectUntouched(verdict admission.Verdict) {
	GinkgoHelper()
	Expect(string(verdict.Response.Patch)).To(BeEmpty(), "the patch for an object that is to stay as it is")
}
