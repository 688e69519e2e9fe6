package serialization_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/runtime/serializer/cbor"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"

	serialization "github.com/kubekata/kubekata/katas/stage1/12-serialization"

	"github.com/kubekata/kubekata/harness"
)

func TestSerialization(t *testing.T) { harness.RunSpecs(t, "Stage 1 · 12-serialization") }

const (
	jsonType     = runtime.ContentTypeJSON
	yamlType     = runtime.ContentTypeYAML
	protobufType = runtime.ContentTypeProtobuf
	cborType     = runtime.ContentTypeCBOR
)

// beyondFloat is an integer that no float64 holds: the nearest one is 9007199254740992.
const beyondFloat = int64(9007199254740993)

var scheme = newScheme()

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

	DescribeTable("reports a media type that is none of the four:", func(mediaType string) {
		_, err := serialization.Encode(scheme, deployment(), mediaType)
		Expect(err).To(MatchError(serialization.ErrMediaType))
	},
		Entry("text/plain", "text/plain"),
		Entry("nothing", ""),
	)
})

var _ = Describe("Decode", func() {
	DescribeTable("returns the Go type, and its apiVersion and kind, from", func(mediaType string) {
		got, err := serialization.Decode(scheme, encoded(mediaType, typed(deployment())))
		Expect(err).NotTo(HaveOccurred())
		Expect(got).To(Equal(typed(deployment())))
	},
		Entry("JSON", jsonType),
		Entry("YAML", yamlType),
		Entry("protobuf", protobufType),
		Entry("CBOR", cborType),
	)

	It("reads KYAML, which begins like JSON and is none", func() {
		got, err := serialization.Decode(scheme, []byte(`{
  # the newest dress of YAML
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: {
    name: "prices",
  },
}
`))
		Expect(err).NotTo(HaveOccurred())
		Expect(got).To(HaveField("Name", "prices"))
	})

	It("sees through comments and empty documents around the object", func() {
		got, err := serialization.Decode(scheme, []byte("# licence\n---\n\n---\n"+configMap("prices")+"---\n# the end\n"))
		Expect(err).NotTo(HaveOccurred())
		Expect(got).To(HaveField("Name", "prices"))
	})

	It("names every unknown and every repeated field of JSON, with its path", func() {
		_, err := serialization.Decode(scheme, []byte(`{"apiVersion": "apps/v1", "kind": "Deployment", "colour": "red",
			"metadata": {"name": "web", "name": "shop"},
			"spec": {"Replicas": 3, "template": {"spec": {"containers": [{"name": "app"}, {"name": "log", "imag": "log:1"}]}}}}`))
		Expect(err).To(Satisfy(runtime.IsStrictDecodingError), "want an error that runtime.IsStrictDecodingError recognises, got: %v", err)
		Expect(violations(err)).To(ConsistOf(
			`unknown field "colour"`,
			`duplicate field "metadata.name"`,
			`unknown field "spec.Replicas"`,
			`unknown field "spec.template.spec.containers[1].imag"`,
		))
	})

	It("names every unknown field of YAML with its path, and every repeated one with its line", func() {
		_, err := serialization.Decode(scheme, []byte("apiVersion: v1\nkind: ConfigMap\ncolour: red\n"+
			"data:\n  bread: \"3\"\n  bread: \"4\"\n  milk: \"1\"\n  milk: \"2\"\nmetadata:\n  nam: prices\n"))
		Expect(err).To(Satisfy(runtime.IsStrictDecodingError), "want an error that runtime.IsStrictDecodingError recognises, got: %v", err)
		Expect(violations(err)).To(ConsistOf(
			And(ContainSubstring(`line 6: key "bread" already set`), ContainSubstring(`line 8: key "milk" already set`)),
			`unknown field "colour"`,
			`unknown field "metadata.nam"`,
		))
	})

	It("does not drop unknown fields of CBOR", func() {
		u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "colour": "red"}}
		_, err := serialization.Decode(scheme, encoded(cborType, u))
		Expect(err).To(Satisfy(runtime.IsStrictDecodingError),
			"the field colour is none of a ConfigMap's; want an error that runtime.IsStrictDecodingError recognises, got: %v", err)
	})

	DescribeTable("returns no object besides a strict decoding error, from", func(data string) {
		got, err := serialization.Decode(scheme, []byte(data))
		Expect(err).To(Satisfy(runtime.IsStrictDecodingError), "want an error that runtime.IsStrictDecodingError recognises, got: %v", err)
		Expect(got).To(BeNil(), "an object that lacks what its author wrote")
	},
		Entry("JSON", `{"apiVersion": "v1", "kind": "ConfigMap", "colour": "red"}`),
		Entry("YAML", configMap("prices")+"colour: red\n"),
	)

	It("refuses a number that does not fit its field, and names the field", func() {
		_, err := serialization.Decode(scheme, []byte(`{"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 4294967299}}`))
		Expect(err).To(MatchError(And(ContainSubstring("spec.replicas"), ContainSubstring("4294967299"))))
	})

	DescribeTable("reports a kind that the scheme does not know, in", func(mediaType string) {
		empty := runtime.NewScheme()
		got, err := serialization.Decode(empty, encoded(mediaType, typed(deployment())))
		Expect(err).To(Satisfy(runtime.IsNotRegisteredError), "want an error that runtime.IsNotRegisteredError recognises, got: %v", err)
		Expect(got).To(BeNil())
	},
		Entry("JSON", jsonType),
		Entry("YAML", yamlType),
		Entry("protobuf", protobufType),
		Entry("CBOR", cborType),
	)

	DescribeTable("reports that the kind is missing, in", func(data []byte) {
		_, err := serialization.Decode(scheme, data)
		Expect(err).To(Satisfy(runtime.IsMissingKind), "want an error that runtime.IsMissingKind recognises, got: %v", err)
	},
		Entry("JSON", []byte(`{"apiVersion": "v1"}`)),
		Entry("YAML", []byte("apiVersion: v1\n")),
		Entry("protobuf", encoded(protobufType, deployment())),
		Entry("an empty object", []byte("{}")),
		Entry("nothing at all", []byte{}),
		Entry("nothing but a comment", []byte("# soon\n---\n")),
	)

	It("reports that the apiVersion is missing", func() {
		_, err := serialization.Decode(scheme, []byte("kind: ConfigMap\n"))
		Expect(err).To(Satisfy(runtime.IsMissingVersion), "want an error that runtime.IsMissingVersion recognises, got: %v", err)
	})

	DescribeTable("reports more than one document:", func(data string) {
		got, err := serialization.Decode(scheme, []byte(data))
		Expect(err).To(MatchError(serialization.ErrSeveral), "got: %v", got)
	}, twoInOne)

	It("leaves the caller's bytes alone", func() {
		data := []byte("---\r\n" + strings.ReplaceAll(configMap("prices"), "\n", "\r\n"))
		before := bytes.Clone(data)
		got, err := serialization.Decode(scheme, data)
		Expect(err).NotTo(HaveOccurred())
		Expect(got).To(HaveField("Name", "prices"))
		Expect(data).To(Equal(before))
	})
})

var _ = Describe("DecodeUnstructured", func() {
	DescribeTable("returns the object as it stands, from", func(mediaType string) {
		got, err := serialization.DecodeUnstructured(encoded(mediaType, cronTab()))
		Expect(err).NotTo(HaveOccurred())
		Expect(got).To(Equal(cronTab()))
	},
		Entry("JSON", jsonType),
		Entry("YAML", yamlType),
		Entry("CBOR", cborType),
	)

	DescribeTable("keeps every digit of an integer, from", func(data []byte) {
		got, err := serialization.DecodeUnstructured(data)
		Expect(err).NotTo(HaveOccurred())
		Expect(got.Object["size"]).To(Equal(beyondFloat), "want an int64: a float64 has 53 bits for the digits, and this number needs 54")
	},
		Entry("JSON", []byte(`{"apiVersion": "a/v1", "kind": "K", "size": 9007199254740993}`)),
		Entry("YAML", []byte("apiVersion: a/v1\nkind: K\nsize: 9007199254740993\n")),
		Entry("CBOR", encoded(cborType, number(beyondFloat))),
	)

	DescribeTable("keeps a floating point number one, from", func(data []byte, want float64) {
		got, err := serialization.DecodeUnstructured(data)
		Expect(err).NotTo(HaveOccurred())
		Expect(got.Object["size"]).To(Equal(want), "want a float64, as it was written")
	},
		Entry("JSON with an exponent", []byte(`{"apiVersion": "a/v1", "kind": "K", "size": 1e3}`), 1000.0),
		Entry("JSON with an exponent, below a separator", []byte("---\n"+`{"apiVersion": "a/v1", "kind": "K", "size": 1e3}`+"\n"), 1000.0),
		Entry("YAML with a fraction", []byte("apiVersion: a/v1\nkind: K\nsize: 0.5\n"), 0.5),
		Entry("CBOR, also without a fraction", encoded(cborType, number(1000.0)), 1000.0),
	)

	DescribeTable("reports fields that occur twice, in", func(data string, want string) {
		got, err := serialization.DecodeUnstructured([]byte(data))
		Expect(err).To(Satisfy(runtime.IsStrictDecodingError), "want an error that runtime.IsStrictDecodingError recognises, got: %v", err)
		Expect(err).To(MatchError(ContainSubstring(want)))
		Expect(got).To(BeNil())
	},
		Entry("JSON", `{"apiVersion": "a/v1", "kind": "K", "spec": {"size": 1, "size": 2}}`, `duplicate field "spec.size"`),
		Entry("YAML", "apiVersion: a/v1\nkind: K\nspec:\n  size: 1\n  size: 2\n", `line 5: key "size" already set`),
	)

	It("refuses protobuf", func() {
		_, err := serialization.DecodeUnstructured(encoded(protobufType, typed(deployment())))
		Expect(err).To(MatchError(serialization.ErrNeedsGoType), "protobuf has field numbers, and no names")
	})

	DescribeTable("reports that the kind is missing, in", func(data []byte) {
		_, err := serialization.DecodeUnstructured(data)
		Expect(err).To(Satisfy(runtime.IsMissingKind), "want an error that runtime.IsMissingKind recognises, got: %v", err)
	},
		Entry("JSON", []byte(`{"apiVersion": "a/v1"}`)),
		Entry("YAML", []byte("apiVersion: a/v1\n")),
		Entry("nothing at all", []byte{}),
	)

	DescribeTable("reports that the apiVersion is missing, in", func(data []byte) {
		got, err := serialization.DecodeUnstructured(data)
		Expect(err).To(Satisfy(runtime.IsMissingVersion), "want an error that runtime.IsMissingVersion recognises, got: %v", err)
		Expect(got).To(BeNil())
	},
		Entry("JSON", []byte(`{"kind": "K"}`)),
		Entry("YAML", []byte("kind: K\n")),
		Entry("CBOR", encoded(cborType, &unstructured.Unstructured{Object: map[string]any{"kind": "K"}})),
	)

	DescribeTable("reports more than one document:", func(data string) {
		got, err := serialization.DecodeUnstructured([]byte(data))
		Expect(err).To(MatchError(serialization.ErrSeveral), "got: %v", got)
	}, twoInOne)
})

var _ = Describe("ToUnstructured", func() {
	It("returns the object's content under its apiVersion and kind", func() {
		got, err := serialization.ToUnstructured(scheme, deployment())
		Expect(err).NotTo(HaveOccurred())
		Expect(got.GroupVersionKind()).To(Equal(appsv1.SchemeGroupVersion.WithKind("Deployment")), "the kind, which a typed object rarely carries")
		Expect(got.GetName()).To(Equal("web"))
		Expect(got.Object["spec"]).To(HaveKeyWithValue("replicas", int64(3)), "spec.replicas, an int32 there and an int64 here")
	})

	It("keeps every digit of an integer", func() {
		d := deployment()
		d.Generation = beyondFloat
		got, err := serialization.ToUnstructured(scheme, d)
		Expect(err).NotTo(HaveOccurred())
		Expect(got.Object["metadata"]).To(HaveKeyWithValue("generation", beyondFloat), "metadata.generation, an int64")
	})

	It("takes the scheme's word for the kind", func() {
		lies := &corev1.ConfigMap{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}}
		got, err := serialization.ToUnstructured(scheme, lies)
		Expect(err).NotTo(HaveOccurred())
		Expect(got.GetKind()).To(Equal("ConfigMap"), "a corev1.ConfigMap whose TypeMeta says Secret")
	})

	It("leaves the object as it was", func() {
		d := deployment()
		_, err := serialization.ToUnstructured(scheme, d)
		Expect(err).NotTo(HaveOccurred())
		Expect(d).To(Equal(deployment()), "the caller's object, TypeMeta included")
	})

	It("shares nothing with an object that is unstructured already", func() {
		theirs := cronTab()
		got, err := serialization.ToUnstructured(scheme, theirs)
		Expect(err).NotTo(HaveOccurred())
		Expect(got).To(Equal(cronTab()))
		Expect(unstructured.SetNestedField(got.Object, "ours", "spec", "schedule")).To(Succeed())
		Expect(theirs).To(Equal(cronTab()), "the caller's object, after we changed the result")
	})

	It("reports a type that the scheme does not know", func() {
		_, err := serialization.ToUnstructured(runtime.NewScheme(), deployment())
		Expect(err).To(Satisfy(runtime.IsNotRegisteredError), "want an error that runtime.IsNotRegisteredError recognises, got: %v", err)
	})

	It("reports an unstructured object without a kind", func() {
		_, err := serialization.ToUnstructured(scheme, &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1"}})
		Expect(err).To(Satisfy(runtime.IsMissingKind), "want an error that runtime.IsMissingKind recognises, got: %v", err)
	})
})

var _ = Describe("FromUnstructured", func() {
	It("returns the Go type, and its apiVersion and kind", func() {
		u := unstructuredDeployment()
		got, err := serialization.FromUnstructured(scheme, u)
		Expect(err).NotTo(HaveOccurred())
		Expect(got).To(Equal(typed(deployment())))
		Expect(u).To(Equal(unstructuredDeployment()), "the caller's object")
	})

	It("names every unknown field with its path", func() {
		u := unstructuredDeployment()
		Expect(unstructured.SetNestedField(u.Object, int64(3), "spec", "Replicas")).To(Succeed())
		Expect(unstructured.SetNestedField(u.Object, "red", "metadata", "colour")).To(Succeed())
		got, err := serialization.FromUnstructured(scheme, u)
		Expect(err).To(Satisfy(runtime.IsStrictDecodingError), "want an error that runtime.IsStrictDecodingError recognises, got: %v", err)
		Expect(violations(err)).To(ConsistOf(`unknown field "spec.Replicas"`, `unknown field "metadata.colour"`))
		Expect(got).To(BeNil())
	})

	It("refuses a number that does not fit its field", func() {
		u := unstructuredDeployment()
		Expect(unstructured.SetNestedField(u.Object, int64(4294967299), "spec", "replicas")).To(Succeed())
		got, err := serialization.FromUnstructured(scheme, u)
		Expect(err).To(MatchError(And(ContainSubstring("spec.replicas"), ContainSubstring("4294967299"))),
			"spec.replicas is an int32, which the lower half of 4294967299 would fill with a 3; got: %s", replicas(got))
	})

	It("keeps every digit of an integer", func() {
		u := unstructuredDeployment()
		Expect(unstructured.SetNestedField(u.Object, beyondFloat, "metadata", "generation")).To(Succeed())
		got, err := serialization.FromUnstructured(scheme, u)
		Expect(err).NotTo(HaveOccurred())
		Expect(got).To(HaveField("Generation", beyondFloat), "metadata.generation, an int64")
	})

	It("reports a kind that the scheme does not know", func() {
		_, err := serialization.FromUnstructured(scheme, cronTab())
		Expect(err).To(Satisfy(runtime.IsNotRegisteredError), "want an error that runtime.IsNotRegisteredError recognises, got: %v", err)
	})

	DescribeTable("reports that the kind is missing, in", func(u *unstructured.Unstructured) {
		_, err := serialization.FromUnstructured(scheme, u)
		Expect(err).To(Satisfy(runtime.IsMissingKind), "want an error that runtime.IsMissingKind recognises, got: %v", err)
	},
		Entry("an object without it", &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1"}}),
		Entry("an object without anything", &unstructured.Unstructured{}),
	)
})

var _ = Describe("Read", func() {
	DescribeTable("returns the objects of all documents, in their order:", func(stream string, want ...string) {
		got, err := serialization.Read(scheme, strings.NewReader(stream))
		Expect(err).NotTo(HaveOccurred())
		Expect(names(got)).To(Equal(want))
	},
		Entry("one", configMap("a"), "a"),
		Entry("three", configMap("a")+"---\n"+configMap("b")+"---\n"+configMap("c"), "a", "b", "c"),
		Entry("separators at the start and the end", "---\n"+configMap("a")+"---\n"+configMap("b")+"---\n", "a", "b"),
		Entry("empty documents between", "---\n---\n"+configMap("a")+"---\n\n---\n---\n"+configMap("b")+"---\n---\n", "a", "b"),
		Entry("documents of comments only", "# licence\n---\n"+configMap("a")+"---\n# nothing to see\n---\n  # here\n"+configMap("b"), "a", "b"),
		Entry("no line end at the end", configMap("a")+"---\n"+strings.TrimSuffix(configMap("b"), "\n"), "a", "b"),
		Entry("separators with blanks and comments", configMap("a")+"---  \n"+configMap("b")+"--- # the third\n"+configMap("c"), "a", "b", "c"),
		Entry("Windows line ends", strings.ReplaceAll("---\n"+configMap("a")+"---\n---\n"+configMap("b"), "\n", "\r\n"), "a", "b"),
		Entry("an end mark before the separator", configMap("a")+"...\n---\n"+configMap("b")+"...\n", "a", "b"),
		Entry("JSON and YAML in turn", configMapJSON("a")+"\n---\n"+configMap("b")+"---\n"+configMapJSON("c"), "a", "b", "c"),
		Entry("JSON without separators", configMapJSON("a")+configMapJSON("b")+"\n\n"+configMapJSON("c")+"\n---\n"+configMap("d"), "a", "b", "c", "d"),
		Entry("JSON, indented with tabs, below a comment", "# licence\n{\n\t\"apiVersion\": \"v1\",\n\t\"kind\": \"ConfigMap\",\n\t\"metadata\": {\"name\": \"a\"}\n}\n"+configMapJSON("b"), "a", "b"),
		Entry("KYAML", "---\n"+configMapKYAML("a")+"---\n"+configMapKYAML("b"), "a", "b"),
	)

	DescribeTable("returns nothing, and no error, for", func(stream string) {
		got, err := serialization.Read(scheme, strings.NewReader(stream))
		Expect(err).NotTo(HaveOccurred())
		Expect(got).To(BeEmpty())
	},
		Entry("an empty stream", ""),
		Entry("separators", "---\n---\r\n"),
		Entry("comments", "# kind: ConfigMap\n\n   # soon\n"),
		Entry("an empty List", "apiVersion: v1\nkind: List\nitems: []\n"),
	)

	It("reads lines of any length", func() {
		long := strings.Repeat("x", 200_000)
		got, err := serialization.Read(scheme, strings.NewReader(configMap("a")+"data: {long: "+long+"}\n---\n"+configMap("b")))
		Expect(err).NotTo(HaveOccurred())
		Expect(names(got)).To(Equal([]string{"a", "b"}))
		Expect(got[0].(*corev1.ConfigMap).Data["long"]).To(HaveLen(len(long)), "a bufio.Scanner ends at 64 KiB")
	})

	It("keeps what only looks like a separator or a comment", func() {
		stream := configMap("a") + "data:\n  script: |\n    # first\n    ---\n    echo a---b\n"
		got, err := serialization.Read(scheme, strings.NewReader(stream))
		Expect(err).NotTo(HaveOccurred())
		Expect(got).To(HaveExactElements(HaveField("Data", HaveKeyWithValue("script", "# first\n---\necho a---b\n"))))
	})

	It("returns Go types, with their apiVersion and kind, for the kinds of the scheme", func() {
		got, err := serialization.Read(scheme, bytes.NewReader(encoded(yamlType, typed(deployment()))))
		Expect(err).NotTo(HaveOccurred())
		Expect(got).To(HaveExactElements(Equal(typed(deployment()))))
	})

	It("returns unstructured objects for all other kinds", func() {
		stream := bytes.Join([][]byte{encoded(yamlType, cronTab()), []byte(configMap("a")), encoded(jsonType, cronTab())}, []byte("---\n"))
		got, err := serialization.Read(scheme, bytes.NewReader(stream))
		Expect(err).NotTo(HaveOccurred())
		Expect(got).To(HaveExactElements(Equal(cronTab()), BeAssignableToTypeOf(&corev1.ConfigMap{}), Equal(cronTab())))
	})

	It("replaces a List by its items, each with its own kind", func() {
		stream := "apiVersion: v1\nkind: List\nitems:\n- " + configMapJSON("a") + "\n- " + `{"apiVersion": "example.com/v1", "kind": "CronTab", "metadata": {"name": "b"}, "size": 9007199254740993}` +
			"\n- {apiVersion: v1, kind: List, items: [" + configMapJSON("c") + "]}\n---\n" + configMap("d")
		got, err := serialization.Read(scheme, strings.NewReader(stream))
		Expect(err).NotTo(HaveOccurred())
		Expect(names(got)).To(Equal([]string{"a", "b", "c", "d"}))
		Expect(got[0]).To(BeAssignableToTypeOf(&corev1.ConfigMap{}), "a kind of the scheme")
		Expect(got[1]).To(BeAssignableToTypeOf(&unstructured.Unstructured{}), "a kind that the scheme does not know")
		Expect(got[1].(*unstructured.Unstructured).Object["size"]).To(Equal(beyondFloat))
	})

	It("knows a List also when the scheme does not", func() {
		stream := `{"apiVersion": "v1", "kind": "List", "items": [` + configMapJSON("a") + "]}"
		got, err := serialization.Read(runtime.NewScheme(), strings.NewReader(stream))
		Expect(err).NotTo(HaveOccurred())
		Expect(names(got)).To(Equal([]string{"a"}))
	})

	It("leaves the list of one kind as it is", func() {
		stream := `{"apiVersion": "v1", "kind": "ConfigMapList", "items": [{"metadata": {"name": "a"}}]}`
		got, err := serialization.Read(scheme, strings.NewReader(stream))
		Expect(err).NotTo(HaveOccurred())
		Expect(got).To(HaveExactElements(BeAssignableToTypeOf(&corev1.ConfigMapList{})))
	})

	It("says in which document the fields are wrong, and which they are", func() {
		stream := "# licence\n---\n" + configMap("a") + "---\n---\n" + configMapJSON("b") + configMapJSON("c") + "\n---\n" + configMap("d") + "colour: red\nsize: 3\n---\n" + configMap("e")
		got, err := serialization.Read(scheme, strings.NewReader(stream))
		fault := documentError(err)
		Expect(fault.Number).To(Equal(4), "the number of the document with the name d: count those that hold something")
		Expect(fault.Err).To(Satisfy(runtime.IsStrictDecodingError), "want the error of Decode as it is, in Err; got: %v", fault.Err)
		Expect(violations(fault.Err)).To(ConsistOf(`unknown field "colour"`, `unknown field "size"`))
		Expect(err).To(MatchError(ContainSubstring("document 4")), "what the person reads who has to find it")
		Expect(got).To(BeEmpty(), "some of the objects pass for all of them")
	})

	It("says which item of a List is at fault", func() {
		stream := configMap("a") + "---\n" + `{"apiVersion": "v1", "kind": "List", "items": [` + configMapJSON("b") +
			`, {"apiVersion": "v1", "kind": "List", "items": [` + configMapJSON("c") + `, {"apiVersion": "v1", "kind": "ConfigMap", "data": {"size": "1", "size": "2"}}]}]}`
		_, err := serialization.Read(scheme, strings.NewReader(stream))
		fault := documentError(err)
		Expect(fault.Number).To(Equal(2))
		Expect(fault.Item).To(Equal("items[1].items[1]"))
		Expect(fault.Err).To(Satisfy(runtime.IsStrictDecodingError), "want the error of Decode as it is, in Err; got: %v", fault.Err)
		Expect(violations(fault.Err)).To(ConsistOf(`duplicate field "data.size"`))
	})

	It("is strict with the List itself, too", func() {
		_, err := serialization.Read(scheme, strings.NewReader("apiVersion: v1\nkind: List\nitem:\n- "+configMapJSON("a")+"\n"))
		fault := documentError(err)
		Expect(fault.Err).To(Satisfy(runtime.IsStrictDecodingError), "item is not items; got: %v", fault.Err)
	})

	It("reports fields that occur twice in a kind that the scheme does not know", func() {
		_, err := serialization.Read(scheme, strings.NewReader("apiVersion: a/v1\nkind: K\nspec:\n  size: 1\n  size: 2\n"))
		Expect(documentError(err).Err).To(Satisfy(runtime.IsStrictDecodingError))
	})

	DescribeTable("reports the document that has no kind:", func(stream string, number int, item string) {
		_, err := serialization.Read(scheme, strings.NewReader(stream))
		fault := documentError(err)
		Expect(fault.Err).To(Satisfy(runtime.IsMissingKind), "want an error that runtime.IsMissingKind recognises, got: %v", fault.Err)
		Expect(fault.Number).To(Equal(number), "the number of the document")
		Expect(fault.Item).To(Equal(item), "the item")
	},
		Entry("YAML", configMap("a")+"---\nmetadata: {name: b}\n", 2, ""),
		Entry("JSON", configMapJSON("a")+"\n---\n{}\n", 2, ""),
		Entry("an item of a List", `{"apiVersion": "v1", "kind": "List", "items": [`+configMapJSON("a")+`, {"metadata": {"name": "b"}}]}`, 1, "items[1]"),
		Entry("an item that is null", "apiVersion: v1\nkind: List\nitems:\n-\n", 1, "items[0]"),
	)

	It("says which document is no YAML", func() {
		got, err := serialization.Read(scheme, strings.NewReader(configMap("a")+"---\n"+configMap("b")+"data: {\n---\n"+configMap("c")))
		Expect(documentError(err).Number).To(Equal(2))
		Expect(err).To(MatchError(ContainSubstring("yaml: ")), "the parser's own words")
		Expect(got).To(BeEmpty())
	})

	It("refuses a separator with a document behind it", func() {
		_, err := serialization.Read(scheme, strings.NewReader(configMap("a")+"--- "+configMapJSON("b")+"\n"))
		var syntax utilyaml.YAMLSyntaxError
		Expect(errors.As(documentError(err).Err, &syntax)).To(BeTrue(), "want the reader's utilyaml.YAMLSyntaxError, got: %v", err)
	})

	DescribeTable("refuses a document that holds a second one without a separator:", func(stream string) {
		_, err := serialization.Read(scheme, strings.NewReader(configMap("a")+"---\n"+stream))
		fault := documentError(err)
		Expect(fault.Err).To(MatchError(serialization.ErrSeveral))
		Expect(fault.Number).To(Equal(2))
	},
		Entry("behind the end mark of YAML", configMap("b")+"...\n"+configMap("c")),
		Entry("KYAML behind KYAML", configMapKYAML("b")+configMapKYAML("c")),
		Entry("JSON, broken, behind JSON", configMapJSON("b")+"\n{\"apiVersion\": \n"),
	)

	It("reports a stream that breaks off", func() {
		broken := errors.New("the connection is gone")
		got, err := serialization.Read(scheme, io.MultiReader(strings.NewReader(configMap("a")+"---\n"+configMap("b")), iotest.ErrReader(broken)))
		Expect(err).To(MatchError(broken))
		Expect(got).To(BeEmpty(), "some of the objects pass for all of them")
	})
})

// twoInOne are texts with two objects in them, of which a careless decoder returns the first.
var twoInOne = []TableEntry{
	Entry("YAML", configMap("a")+"---\n"+configMap("b")),
	Entry("JSON below JSON", configMapJSON("a")+"\n"+configMapJSON("b")),
	Entry("JSON below JSON below a comment", "# licence\n"+configMapJSON("a")+"\n"+configMapJSON("b")),
	Entry("YAML behind an end mark", configMap("a")+"...\n"+configMap("b")),
}

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

func names(objs []runtime.Object) []string {
	GinkgoHelper()
	found := []string{}
	for _, obj := range objs {
		m, err := meta.Accessor(obj)
		Expect(err).NotTo(HaveOccurred(), "%T has no metadata", obj)
		found = append(found, m.GetName())
	}
	return found
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

func documentError(err error) *serialization.DocumentError {
	GinkgoHelper()
	var fault *serialization.DocumentError
	Expect(errors.As(err, &fault)).To(BeTrue(), "want a *DocumentError, got: %v", err)
	return fault
}

// replicas describes a Deployment in a failure message.
func replicas(obj runtime.Object) string {
	if d, ok := obj.(*appsv1.Deployment); ok && d.Spec.Replicas != nil {
		return fmt.Sprintf("a Deployment of %d", *d.Spec.Replicas)
	}
	return fmt.Sprintf("%T", obj)
}
