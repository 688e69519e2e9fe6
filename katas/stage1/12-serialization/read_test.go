package serialization_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing/iotest"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"

	serialization "github.com/kubekata/kubekata/katas/stage1/12-serialization"
)

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

	It("leaves a List of another group as it is", func() {
		stream := `{"apiVersion": "example.com/v1", "kind": "List", "items": [` + configMapJSON("a") + "]}"
		got, err := serialization.Read(scheme, strings.NewReader(stream))
		Expect(err).NotTo(HaveOccurred())
		Expect(got).To(HaveExactElements(HaveField("GetAPIVersion()", "example.com/v1")), "a kind is known by its apiVersion, too")
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

func documentError(err error) *serialization.DocumentError {
	GinkgoHelper()
	var fault *serialization.DocumentError
	Expect(errors.As(err, &fault)).To(BeTrue(), "want a *DocumentError, got: %v", err)
	return fault
}
