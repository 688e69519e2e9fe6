package aggregated_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	aggregated "github.com/kubekata/kubekata/katas/stage6/06-aggregated-apiserver"
	"github.com/kubekata/kubekata/katas/stage6/06-aggregated-apiserver/till"
)

// refused is what the learner answers with an error.
func refused(err error) answer {
	GinkgoHelper()
	w := httptest.NewRecorder()
	aggregated.Refuse(w, err)
	return read(fmt.Sprintf("a request that has failed with %q", err), w.Code, w.Header(), w.Body.Bytes())
}

var missing = apierrors.NewNotFound(schema.GroupResource{Group: group, Resource: "tabs"}, "ada")

var _ = Describe("Refuse", func() {
	It("answers with the Status of the error", func() {
		status := refused(missing).expectRefusal(404, metav1.StatusReasonNotFound)
		Expect(status.Message).To(Equal(missing.Error()), "the message")
		Expect(status.Details).To(Equal(missing.Status().Details), "the details")
	})

	It("finds the Status of an error that is wrapped", func() {
		refused(fmt.Errorf("look for ada: %w", missing)).expectRefusal(404, metav1.StatusReasonNotFound)
	})

	It("answers with InternalError when the error has no Status", func() {
		status := refused(errors.New("the till is jammed")).expectRefusal(500, metav1.StatusReasonInternalError)
		Expect(status.Message).To(ContainSubstring("the till is jammed"), "the message")
	})

	It("answers with InternalError when the Status has no code", func() {
		refused(&apierrors.StatusError{ErrStatus: metav1.Status{Message: "the till is jammed"}}).expectRefusal(500, metav1.StatusReasonInternalError)
	})
})

var _ = Describe("Negotiate", func() {
	DescribeTable("an Accept header:", func(accept string, want aggregated.Form) {
		got, err := aggregated.Negotiate(accept)
		Expect(err).NotTo(HaveOccurred(), "Negotiate(%q)", accept)
		Expect(got).To(Equal(want), "Negotiate(%q); JSON is %d and Rows is %d", accept, aggregated.JSON, aggregated.Rows)
	},
		Entry("none", "", aggregated.JSON),
		Entry("JSON", "application/json", aggregated.JSON),
		Entry("JSON with a charset", "application/json; charset=utf-8", aggregated.JSON),
		Entry("anything, as curl says", "*/*", aggregated.JSON),
		Entry("any application", "application/*", aggregated.JSON),
		Entry("kubectl get", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json", aggregated.Rows),
		Entry("a Table or nothing", asTable, aggregated.Rows),
		Entry("a Table with spaces, in another order", "application/json; g=meta.k8s.io; v=v1; as=Table", aggregated.Rows),
		Entry("a Table, as a second choice, of which the first is a Table we do not have", "application/json;as=Table;v=v1beta1;g=meta.k8s.io, "+asTable, aggregated.Rows),
		Entry("a Table after JSON", "application/json,"+asTable, aggregated.JSON),
		Entry("an old Table, or JSON", "application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json", aggregated.JSON),
		Entry("another group's Table, or JSON", "application/json;as=Table;v=v1;g=example.com,application/json", aggregated.JSON),
		Entry("a Table in protobuf, or JSON", "application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io,application/json", aggregated.JSON),
		Entry("metadata, or JSON, as the namespace controller says", "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json", aggregated.JSON),
		Entry("protobuf, or JSON", "application/vnd.kubernetes.protobuf,application/json", aggregated.JSON),
		Entry("something that is no media type, or JSON", "a b c;;,application/json", aggregated.JSON),
	)

	DescribeTable("is NotAcceptable:", func(accept string) {
		_, err := aggregated.Negotiate(accept)
		Expect(apierrors.ReasonForError(err)).To(Equal(metav1.StatusReasonNotAcceptable), "the reason in the error of Negotiate(%q), which is %s", accept, quoted(err))
		Expect(err.(apierrors.APIStatus).Status().Code).To(BeEquivalentTo(406), "the code in the error of Negotiate(%q)", accept)
	},
		Entry("protobuf", "application/vnd.kubernetes.protobuf"),
		Entry("YAML", "application/yaml"),
		Entry("a web page", "text/html,application/xhtml+xml"),
		Entry("metadata", "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"),
		Entry("an old Table", "application/json;as=Table;v=v1beta1;g=meta.k8s.io"),
		Entry("a type that begins like JSON", "application/json-seq"),
	)
})

// table is the learner's of two tabs, as it is on the wire.
func table(include metav1.IncludeObjectPolicy) map[string]any {
	GinkgoHelper()
	got, err := aggregated.Table(twoTabs(), include, now)
	Expect(err).NotTo(HaveOccurred(), "Table, with includeObject %q", include)
	var object map[string]any
	Expect(json.Unmarshal(must(json.Marshal(got)), &object)).To(Succeed())
	Expect(object).To(HaveKeyWithValue("rows", HaveLen(2)), "the rows of a Table of two tabs")
	return object
}

func twoTabs() []till.Tab {
	tab := func(name, guest string, cents int64) till.Tab {
		return till.Tab{
			TypeMeta:   metav1.TypeMeta{Kind: "Tab", APIVersion: group + "/v1"},
			ObjectMeta: metav1.ObjectMeta{Namespace: "osteria", Name: name, Labels: map[string]string{"room": "blue"}, CreationTimestamp: metav1.NewTime(opened)},
			Spec:       till.TabSpec{Guest: guest, Cents: cents},
		}
	}
	return []till.Tab{tab("ada", "Ada", 1205), tab("bob", "Bob", 99)}
}

var _ = Describe("Table", func() {
	It("has its kind and apiVersion", func() {
		Expect(table("")).To(And(HaveKeyWithValue("kind", "Table"), HaveKeyWithValue("apiVersion", "meta.k8s.io/v1")))
	})

	It("has the columns Name, Guest, Owes and Age", func() {
		var columns []string
		for _, column := range table("")["columnDefinitions"].([]any) {
			c := column.(map[string]any)
			columns = append(columns, fmt.Sprintf("%v %v %v", c["name"], c["type"], c["format"]))
		}
		Expect(columns).To(Equal([]string{"Name string name", "Guest string ", "Owes string ", "Age string "}), "name, type and format of each column")
	})

	It("has a cell for each column, in the words of people", func() {
		rows := table("")["rows"].([]any)
		Expect(rows[0]).To(HaveKeyWithValue("cells", Equal([]any{"ada", "Ada", "12.05", "5m"})), "the cells of a tab of 1205 cents, five minutes after it was opened")
		Expect(rows[1]).To(HaveKeyWithValue("cells", Equal([]any{"bob", "Bob", "0.99", "5m"})), "the cells of a tab of 99 cents")
	})

	It("has no rows, and not null, when there are no tabs", func() {
		got, err := aggregated.Table(nil, "", now)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(must(json.Marshal(got)))).To(ContainSubstring(`"rows":[]`), "a Table without tabs")
	})

	for _, include := range []metav1.IncludeObjectPolicy{"", metav1.IncludeMetadata} {
		It(fmt.Sprintf("has the metadata of each tab when includeObject is %q", include), func() {
			object := table(include)["rows"].([]any)[0].(map[string]any)["object"]
			Expect(object).To(And(HaveKeyWithValue("kind", "PartialObjectMetadata"), HaveKeyWithValue("apiVersion", "meta.k8s.io/v1")), "the object of a row")
			Expect(object).NotTo(HaveKey("spec"), "the object of a row")
			Expect(nestedString(object.(map[string]any), "metadata", "namespace")).To(Equal("osteria"), "metadata.namespace of the object of a row, which kubectl prints with -A")
			Expect(nestedString(object.(map[string]any), "metadata", "labels", "room")).To(Equal("blue"), "metadata.labels of the object of a row, which kubectl prints with --show-labels")
		})
	}

	It("has the tabs themselves when includeObject is Object", func() {
		object := table(metav1.IncludeObject)["rows"].([]any)[1].(map[string]any)["object"]
		Expect(object).To(And(HaveKeyWithValue("kind", "Tab"), HaveKeyWithValue("apiVersion", group+"/v1")), "the object of a row")
		Expect(object).To(HaveKeyWithValue("spec", HaveKeyWithValue("guest", "Bob")), "the object of a row")
	})

	It("has no objects when includeObject is None", func() {
		Expect(table(metav1.IncludeNone)["rows"].([]any)[0]).To(HaveKeyWithValue("object", BeNil()), "a row")
	})

	It("is a BadRequest when includeObject is anything else", func() {
		for _, tabs := range [][]till.Tab{nil, twoTabs()} {
			_, err := aggregated.Table(tabs, "Everything", now)
			Expect(apierrors.IsBadRequest(err)).To(BeTrue(), "the error for includeObject Everything, with %d tabs, is a BadRequest. It is %s", len(tabs), quoted(err))
		}
	})
})
