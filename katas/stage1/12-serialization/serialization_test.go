package serialization_test

import (
	"bytes"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"

	serialization "github.com/kubekata/kubekata/katas/stage1/12-serialization"

	"github.com/kubekata/kubekata/harness"
)

func TestSerialization(t *testing.T) { harness.RunSpecs(t, "Stage 1 · 12-serialization") }

var _ = Describe("Encode", func() {
	DescribeTable("writes the object with its apiVersion and kind as", func(mediaType string) {
		data, err := serialization.Encode(scheme, deployment(), mediaType)
		Expect(err).NotTo(HaveOccurred())
		got, gvk, err := judge(mediaType).Decode(data, nil, nil)
		Expect(err).NotTo(HaveOccurred(), "what was encoded: %q", data)
		Expect(*gvk).To(Equal(appsv1.SchemeGroupVersion.WithKind("Deployment")), "the kind in what was encoded: %q", data)
		Expect(got).To(Equal(typed(deployment())), "the object, decoded again")
	},
		Entry("JSON", jsonType),
		Entry("YAML", yamlType),
		Entry("protobuf", protobufType),
		Entry("CBOR", cborType),
	)

	DescribeTable("does not write to the caller's object, not even to put back what was there, for", func(mediaType string) {
		writes := 0
		widget := &Widget{ObjectMeta: metav1.ObjectMeta{Name: "w"}, onWrite: func() { writes++ }}
		data, err := serialization.Encode(scheme, widget, mediaType)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(data)).To(ContainSubstring("Widget"), "the kind in what was encoded")
		Expect(writes).To(BeZero(), "writes to the TypeMeta of the caller's object, which may be one of a cache that others read")
	},
		Entry("JSON", jsonType),
		Entry("YAML", yamlType),
		Entry("CBOR", cborType),
	)

	It("takes the scheme's word for the kind", func() {
		lies := &corev1.ConfigMap{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}}
		data, err := serialization.Encode(scheme, lies, jsonType)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(data)).To(ContainSubstring(`"kind":"ConfigMap"`), "a corev1.ConfigMap whose TypeMeta says Secret")
	})

	It("keeps the kind that the object names when its type has several", func() {
		gadget := &Widget{TypeMeta: metav1.TypeMeta{APIVersion: "kata.example.com/v1", Kind: "Gadget"}}
		data, err := serialization.Encode(scheme, gadget, jsonType)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(data)).To(ContainSubstring(`"kind":"Gadget"`), "Go type Widget, known to the scheme as Widget and as Gadget")
	})

	It("puts protobuf into an envelope that says what is in it", func() {
		data, err := serialization.Encode(scheme, deployment(), protobufType)
		Expect(err).NotTo(HaveOccurred())
		envelope, isEnvelope := bytes.CutPrefix(data, []byte("k8s\x00"))
		Expect(isEnvelope).To(BeTrue(), `want the prefix "k8s\x00", got %q`, data[:min(len(data), 8)])
		var unknown runtime.Unknown
		Expect(unknown.Unmarshal(envelope)).To(Succeed(), "the envelope is a runtime.Unknown")
		Expect(unknown.TypeMeta).To(Equal(runtime.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"}), "the envelope's TypeMeta")
	})

	It("marks CBOR with the self-described tag", func() {
		data, err := serialization.Encode(scheme, cronTab(), cborType)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(data)).To(HavePrefix("\xd9\xd9\xf7"), "tag 55799, by which everybody recognises CBOR")
	})

	DescribeTable("writes an unstructured object whose kind the scheme does not know as", func(mediaType string) {
		data, err := serialization.Encode(scheme, cronTab(), mediaType)
		Expect(err).NotTo(HaveOccurred(), "a custom resource needs no Go type here")
		u := &unstructured.Unstructured{}
		_, _, err = judge(mediaType).Decode(data, nil, u)
		Expect(err).NotTo(HaveOccurred(), "what was encoded: %q", data)
		Expect(u).To(Equal(cronTab()), "the object, decoded again")
	},
		Entry("JSON", jsonType),
		Entry("YAML", yamlType),
		Entry("CBOR", cborType),
	)

	DescribeTable("refuses protobuf for", func(obj runtime.Object) {
		data, err := serialization.Encode(scheme, obj, protobufType)
		Expect(err).To(Satisfy(protobuf.IsNotMarshalable), "want the serializer's own error, as it is; got: %v", err)
		Expect(data).To(BeEmpty())
	},
		Entry("an unstructured object", cronTab()),
		Entry("a Go type without generated code", &Widget{}),
	)

	It("reports a type that the scheme does not know", func() {
		_, err := serialization.Encode(runtime.NewScheme(), deployment(), jsonType)
		Expect(err).To(Satisfy(runtime.IsNotRegisteredError), "without a kind nobody can read it; got: %v", err)
	})

	It("reports an unstructured object without a kind", func() {
		nameless := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1"}}
		_, err := serialization.Encode(scheme, nameless, cborType)
		Expect(err).To(Satisfy(runtime.IsMissingKind), "want an error that runtime.IsMissingKind recognises, got: %v", err)
	})

	It("reports an unstructured object without an apiVersion", func() {
		data, err := serialization.Encode(scheme, &unstructured.Unstructured{Object: map[string]any{"kind": "CronTab"}}, jsonType)
		Expect(err).To(Satisfy(runtime.IsMissingVersion), "want an error that runtime.IsMissingVersion recognises, got: %v and %s", err, data)
	})

	DescribeTable("reports a media type that is none of the four:", func(mediaType string) {
		_, err := serialization.Encode(scheme, deployment(), mediaType)
		Expect(err).To(MatchError(serialization.ErrMediaType))
	},
		Entry("text/plain", "text/plain"),
		Entry("nothing", ""),
	)
})
