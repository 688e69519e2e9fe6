package serialization_test

import (
	"bytes"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	serialization "github.com/kubekata/kubekata/katas/stage1/12-serialization"
)

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
		got, err := serialization.Decode(scheme, []byte(`{"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 4294967299}}`))
		Expect(err).To(MatchError(And(ContainSubstring("spec.replicas"), ContainSubstring("4294967299"))))
		Expect(got).To(BeNil())
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

// twoInOne are texts with two objects in them, of which a careless decoder returns the first.
var twoInOne = []TableEntry{
	Entry("YAML", configMap("a")+"---\n"+configMap("b")),
	Entry("JSON below JSON", configMapJSON("a")+"\n"+configMapJSON("b")),
	Entry("JSON below JSON below a comment", "# licence\n"+configMapJSON("a")+"\n"+configMapJSON("b")),
	Entry("YAML behind an end mark", configMap("a")+"...\n"+configMap("b")),
}
