package serialization_test

import (
	"encoding/json"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/runtime/serializer/cbor"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
)

const (
	jsonType     = runtime.ContentTypeJSON
	yamlType     = runtime.ContentTypeYAML
	protobufType = runtime.ContentTypeProtobuf
	cborType     = runtime.ContentTypeCBOR
)

// beyondFloat is an integer that no float64 holds: the nearest one is 9007199254740992.
const beyondFloat = int64(9007199254740993)

var scheme = newScheme()

// Widget is a Go type without protobuf code. The scheme knows it under two kinds. It tells when its TypeMeta is written.
type Widget struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	onWrite func()
}

func (w *Widget) GetObjectKind() schema.ObjectKind { return w }

func (w *Widget) SetGroupVersionKind(gvk schema.GroupVersionKind) {
	if w.onWrite != nil {
		w.onWrite()
	}
	w.TypeMeta.SetGroupVersionKind(gvk)
}

func (w *Widget) DeepCopyObject() runtime.Object {
	out := &Widget{TypeMeta: w.TypeMeta}
	w.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
	return out
}

// newScheme knows the kinds of client-go, and Widget.
func newScheme() *runtime.Scheme {
	s := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(s); err != nil {
		panic(err)
	}
	kata := schema.GroupVersion{Group: "kata.example.com", Version: "v1"}
	s.AddKnownTypes(kata, &Widget{})
	s.AddKnownTypeWithName(kata.WithKind("Gadget"), &Widget{})
	return s
}

// judge is apimachinery's serializer for a media type.
func judge(mediaType string) runtime.Serializer {
	codecs := serializer.NewCodecFactory(scheme, serializer.WithSerializer(cbor.NewSerializerInfo))
	info, ok := runtime.SerializerInfoForMediaType(codecs.SupportedMediaTypes(), mediaType)
	if !ok {
		panic("no serializer for " + mediaType)
	}
	return info.Serializer
}

// encoded writes an object as it is, with or without its kind.
func encoded(mediaType string, obj runtime.Object) []byte {
	data, err := runtime.Encode(judge(mediaType), obj)
	if err != nil {
		panic(err)
	}
	return data
}

// deployment is a Deployment as programs make it: without a TypeMeta.
func deployment() *appsv1.Deployment {
	labels := map[string]string{"app": "web"}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Replicas: new(int32(3)),
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "nginx:1.27"}}},
			},
		},
	}
}

// typed says in a Deployment's TypeMeta what it is.
func typed(d *appsv1.Deployment) *appsv1.Deployment {
	d.TypeMeta = metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"}
	return d
}

func unstructuredDeployment() *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	if err := json.Unmarshal(encoded(jsonType, typed(deployment())), u); err != nil {
		panic(err)
	}
	return u
}

// cronTab is a custom resource.
func cronTab() *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "example.com/v1",
		"kind":       "CronTab",
		"metadata":   map[string]any{"name": "nightly"},
		"spec":       map[string]any{"schedule": "0 3 * * *", "retries": int64(2), "jitter": 0.5, "deadline": beyondFloat},
	}}
}

// number is a custom resource with a number in it.
func number(n any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{"apiVersion": "a/v1", "kind": "K", "size": n}}
}

func configMap(name string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: %s\n", name)
}

func configMapJSON(name string) string {
	return fmt.Sprintf(`{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": %q}}`, name)
}

func configMapKYAML(name string) string {
	return fmt.Sprintf("{\n  apiVersion: \"v1\",\n  kind: \"ConfigMap\",\n  metadata: {\n    name: %q,\n  },\n}\n", name)
}

// violations returns what a strict decoding error lists.
func violations(err error) []string {
	GinkgoHelper()
	strict, ok := runtime.AsStrictDecodingError(err)
	Expect(ok).To(BeTrue(), "want a strict decoding error, got: %v", err)
	found := []string{}
	for _, e := range strict.Errors() {
		found = append(found, e.Error())
	}
	return found
}
