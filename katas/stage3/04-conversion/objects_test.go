package conversion_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	gomegatypes "github.com/onsi/gomega/types"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubekata/kubekata/katas/stage3/04-conversion/delivery/v1alpha1"
	"github.com/kubekata/kubekata/katas/stage3/04-conversion/delivery/v1beta1"
)

// testGroup is the group of Deliveries that are on no server.
const testGroup = "pizza.kubekata.dev"

// metadata is what an object of the server's has.
func metadata(name string) metav1.ObjectMeta {
	at := metav1.NewTime(time.Date(2026, 2, 28, 19, 30, 0, 0, time.UTC))
	return metav1.ObjectMeta{
		Name: name, Namespace: "napoli", UID: types.UID("uid-of-" + name), ResourceVersion: "812", Generation: 3, CreationTimestamp: at,
		Labels: map[string]string{"shop": "da-ada"}, Annotations: map[string]string{"rider": "Nino"},
		Finalizers:      []string{"kubekata.dev/paid"},
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "shops.kubekata.dev/v1", Kind: "Shop", Name: "da-ada", UID: "uid-of-da-ada"}},
		ManagedFields: []metav1.ManagedFieldsEntry{{
			Manager: "kubectl", Operation: metav1.ManagedFieldsOperationApply, APIVersion: testGroup + "/v1beta1", Time: &at,
			FieldsType: "FieldsV1", FieldsV1: &metav1.FieldsV1{Raw: []byte(`{"f:spec":{}}`)},
		}},
	}
}

// old is a v1alpha1 Delivery.
func old(name, address, eta string) *v1alpha1.Delivery {
	return &v1alpha1.Delivery{ObjectMeta: metadata(name), Spec: v1alpha1.DeliverySpec{Address: address, ETA: eta}, Status: v1alpha1.DeliveryStatus{Phase: "Baking"}}
}

// current is a v1beta1 Delivery.
func current(name string, address *v1beta1.Address, minutes *int32, instructions ...string) *v1beta1.Delivery {
	return &v1beta1.Delivery{
		ObjectMeta: metadata(name), Spec: v1beta1.DeliverySpec{Address: address, ETAMinutes: minutes, Instructions: instructions},
		Status: v1beta1.DeliveryStatus{Phase: "Baking"},
	}
}

func asJSON(v any) string {
	GinkgoHelper()
	data, err := json.Marshal(v)
	Expect(err).NotTo(HaveOccurred())
	return string(data)
}

// same compares objects, or parts of them, as JSON, in which nil and empty are one.
func same(want any) gomegatypes.GomegaMatcher {
	GinkgoHelper()
	return WithTransform(func(got any) (string, error) {
		data, err := json.Marshal(got)
		return string(data), err
	}, MatchJSON(asJSON(want)))
}

// expectSame compares two objects part by part, so that a failure shows the part that is another.
func expectSame(got, want any, format string, args ...any) {
	GinkgoHelper()
	what := fmt.Sprintf(format, args...)
	is, ought := travel(got, &map[string]any{}), travel(want, &map[string]any{})
	for _, path := range [][]string{{"spec"}, {"metadata", "annotations"}, {"metadata", "labels"}, {"status"}, {"metadata"}} {
		isPart, _, err := unstructured.NestedFieldNoCopy(*is, path...)
		Expect(err).NotTo(HaveOccurred())
		oughtPart, _, err := unstructured.NestedFieldNoCopy(*ought, path...)
		Expect(err).NotTo(HaveOccurred())
		Expect(isPart).To(same(oughtPart), "%s\nhas other %s", what, strings.Join(path, "."))
	}
}

// excerpt is a Delivery's annotations and spec.
func excerpt(obj metav1.Object) string {
	GinkgoHelper()
	spec, _, err := unstructured.NestedMap(*travel(obj, &map[string]any{}), "spec")
	Expect(err).NotTo(HaveOccurred())
	return "annotations " + asJSON(obj.GetAnnotations()) + ", spec " + asJSON(spec)
}

// travel sends an object through JSON.
func travel[T any](obj any, into T) T {
	GinkgoHelper()
	Expect(json.Unmarshal([]byte(asJSON(obj)), into)).To(Succeed())
	return into
}
