package conversion_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	conversion "github.com/kubekata/kubekata/katas/stage3/04-conversion"
	"github.com/kubekata/kubekata/katas/stage3/04-conversion/delivery"
	"github.com/kubekata/kubekata/katas/stage3/04-conversion/delivery/v1alpha1"
	"github.com/kubekata/kubekata/katas/stage3/04-conversion/delivery/v1beta1"
)

var _ = Describe("The handler", func() {
	var handler http.Handler

	BeforeEach(func() { handler = conversion.NewHandler(testGroup) })

	It("answers a review with all objects, in their order, in the desired version", func() {
		got := converted(handler, "v1beta1",
			asOld(old("o-3", "Via Roma 3, 80100 Napoli", "30m")), asOld(old("o-1", "Via Roma 1, 80100 Napoli", "10m")),
			asOld(old("o-2", strings.Repeat("the blue door, ", 10_000), "soon")), asOld(old("o-1", "Via Roma 1, 80100 Napoli", "10m")))
		var lines []string
		for _, obj := range got {
			lines = append(lines, obj.GetAPIVersion()+" "+obj.GetKind()+" "+obj.GetName())
		}
		Expect(lines).To(Equal([]string{
			testGroup + "/v1beta1 Delivery o-3", testGroup + "/v1beta1 Delivery o-1", testGroup + "/v1beta1 Delivery o-2", testGroup + "/v1beta1 Delivery o-1",
		}), "apiVersion, kind and name of the converted objects")
		Expect(got[0].Object["spec"]).To(same(map[string]any{
			"address": map[string]any{"street": "Via Roma 3", "postcode": "80100", "city": "Napoli"}, "etaMinutes": 30,
		}), "the spec of o-3")
	})

	It("converts to v1alpha1 as well", func() {
		got := converted(handler, "v1alpha1", asCurrent(current("o-1", &v1beta1.Address{Street: "Via Roma 1", Postcode: "80100", City: "Napoli"}, new(int32(90)))))
		Expect(got[0].GetAPIVersion()).To(Equal(testGroup + "/v1alpha1"))
		Expect(got[0].Object["spec"]).To(same(map[string]any{"address": "Via Roma 1, 80100 Napoli", "eta": "90m"}), "the spec of o-1")
		Expect(got[0].Object["status"]).To(same(map[string]any{"phase": "Baking"}), "the status of o-1")
	})

	It("answers with the UID of the review", func() {
		review := newReview("v1beta1", asOld(old("o-1", "", "")))
		review.Request.UID = "705ab4f5-6393-11e8-b7cc-42010a800002"
		Expect(response(handler, review).UID).To(Equal(types.UID("705ab4f5-6393-11e8-b7cc-42010a800002")), "response.uid")
	})

	It("touches nothing of the metadata but the annotations that carry something", func() {
		for _, c := range []struct {
			desired string
			obj     runtime.RawExtension
		}{
			{"v1beta1", asOld(old("o-1", "the blue door", "soon"))},
			{"v1alpha1", asCurrent(current("o-1", nil, nil, "ring twice"))},
		} {
			before := &unstructured.Unstructured{}
			Expect(before.UnmarshalJSON(c.obj.Raw)).To(Succeed())
			after := converted(handler, c.desired, c.obj)[0]
			for _, annotation := range []string{delivery.CarriesV1alpha1, delivery.CarriesV1beta1} {
				unstructured.RemoveNestedField(after.Object, "metadata", "annotations", annotation)
			}
			Expect(after.Object["metadata"]).To(same(before.Object["metadata"]), "the metadata of a Delivery that was converted to %s", c.desired)
		}
	})

	It("answers an object that is in the desired version as it came", func() {
		src := asOld(old("o-1", "the blue door", "soon"))
		src.Raw = bytes.Replace(src.Raw, []byte(`"spec":{`), []byte(`"spec":{"colour":"a field that the type does not have",`), 1)
		got := converted(handler, "v1alpha1", src)
		Expect(got).To(HaveLen(1))
		before := &unstructured.Unstructured{}
		Expect(before.UnmarshalJSON(src.Raw)).To(Succeed())
		Expect(got[0].Object).To(same(before.Object), "a v1alpha1 Delivery that is to be v1alpha1")
	})

	It("answers a review of no objects", func() {
		Expect(converted(handler, "v1beta1")).To(BeEmpty(), "the converted objects")
	})

	DescribeTable("answers with a failure, which names the object, and with no objects", func(which, why, wrong string) {
		review := newReview("v1beta1", asOld(old("o-1", "", "")), runtime.RawExtension{Raw: []byte(wrong)})
		got := response(handler, review)
		Expect(got.UID).To(Equal(review.Request.UID), "response.uid")
		Expect(got.Result.Status).To(Equal(metav1.StatusFailure), "response.result.status")
		Expect(got.Result.Message).To(ContainSubstring(which), "response.result.message, which the user reads: which object")
		Expect(got.Result.Message).To(ContainSubstring(why), "response.result.message, which the user reads: why")
		Expect(got.ConvertedObjects).To(BeEmpty(), "response.convertedObjects")
	},
		Entry("for an object that cannot be decoded", "napoli/o-2", "spec.address",
			`{"apiVersion": "`+testGroup+`/v1alpha1", "kind": "Delivery", "metadata": {"name": "o-2", "namespace": "napoli"}, "spec": {"address": 5}}`),
		Entry("for an object that has no name", "objects[1]", "", `"o-2"`),
		Entry("for another kind in the desired version", "napoli/o-2", "Bill",
			`{"apiVersion": "`+testGroup+`/v1beta1", "kind": "Bill", "metadata": {"name": "o-2", "namespace": "napoli"}}`),
		Entry("for no kind", "napoli/o-2", "kind",
			`{"apiVersion": "`+testGroup+`/v1alpha1", "metadata": {"name": "o-2", "namespace": "napoli"}}`),
		Entry("for another kind", "napoli/o-2", "Bill",
			`{"apiVersion": "`+testGroup+`/v1alpha1", "kind": "Bill", "metadata": {"name": "o-2", "namespace": "napoli"}}`),
		Entry("for another group", "napoli/o-2", "bills.kubekata.dev",
			`{"apiVersion": "bills.kubekata.dev/v1alpha1", "kind": "Delivery", "metadata": {"name": "o-2", "namespace": "napoli"}}`),
		Entry("for a version that there is not", "napoli/o-2", "v1alpha2",
			`{"apiVersion": "`+testGroup+`/v1alpha2", "kind": "Delivery", "metadata": {"name": "o-2", "namespace": "napoli"}}`),
	)

	DescribeTable("answers with a failure when it is to convert to", func(desired string, objects ...runtime.RawExtension) {
		review := newReview("v1beta1", objects...)
		review.Request.DesiredAPIVersion = desired
		got := response(handler, review)
		Expect(got.Result.Status).To(Equal(metav1.StatusFailure), "response.result.status, with the desired version %s", desired)
		Expect(got.Result.Message).To(ContainSubstring(desired), "response.result.message, which the user reads")
		Expect(got.ConvertedObjects).To(BeEmpty(), "response.convertedObjects")
	},
		Entry("a version that there is not", testGroup+"/v1", asOld(old("o-1", "", ""))),
		Entry("a version that there is not, and there are no objects", testGroup+"/v1"),
		Entry("another group", "bills.kubekata.dev/v1beta1", asOld(old("o-1", "", ""))),
	)

	It("answers with a ConversionReview of v1, as JSON", func() {
		recorder := post(handler, asJSON(newReview("v1beta1", asOld(old("o-1", "", "")))))
		Expect(recorder.Code).To(Equal(http.StatusOK), "the answer's code")
		Expect(recorder.Header().Get("Content-Type")).To(HavePrefix("application/json"), "the answer's Content-Type")
		var answer apiextensionsv1.ConversionReview
		Expect(json.Unmarshal(recorder.Body.Bytes(), &answer)).To(Succeed(), "the answer's body:\n%s", recorder.Body)
		Expect(answer.TypeMeta).To(Equal(metav1.TypeMeta{APIVersion: "apiextensions.k8s.io/v1", Kind: "ConversionReview"}), "apiVersion and kind of the answer")
		Expect(answer.Request).To(BeNil(), "the request in the answer, which nobody has asked for")
	})

	DescribeTable("refuses with 400", func(body string) {
		recorder := post(handler, body)
		Expect(recorder.Code).To(Equal(http.StatusBadRequest), "the code of the answer to %s", body)
		Expect(strings.TrimSpace(recorder.Body.String())).NotTo(BeEmpty(), "the text of the answer to %s", body)
	},
		Entry("an empty body", ""),
		Entry("a body that is not JSON", "Delivery, please"),
		Entry("a review without a request", `{"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview"}`),
		Entry("a review of v1beta1", `{"apiVersion": "apiextensions.k8s.io/v1beta1", "kind": "ConversionReview", "request": {"uid": "1", "desiredAPIVersion": "`+testGroup+`/v1beta1", "objects": []}}`),
		Entry("a review with something after it", asJSON(newReview("v1beta1"))+"and so on"),
		Entry("another kind of the same version", `{"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionRequest", "request": {"uid": "1", "desiredAPIVersion": "`+testGroup+`/v1beta1", "objects": []}}`),
		Entry("a review of another kind", `{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "1"}}`),
	)

	It("refuses another method with 405, and says which one it takes", func() {
		for _, method := range []string{http.MethodGet, http.MethodPut} {
			recorder := httptest.NewRecorder()
			handler.ServeHTTP(recorder, httptest.NewRequest(method, "/convert", strings.NewReader(asJSON(newReview("v1beta1", asOld(old("o-1", "", "")))))))
			Expect(recorder.Code).To(Equal(http.StatusMethodNotAllowed), "the code of the answer to %s", method)
			Expect(recorder.Header().Get("Allow")).To(Equal(http.MethodPost), "the header Allow of the answer to %s", method)
		}
	})
})

// asOld is a v1alpha1 Delivery as the API server sends it.
func asOld(d *v1alpha1.Delivery) runtime.RawExtension {
	GinkgoHelper()
	d.TypeMeta = metav1.TypeMeta{APIVersion: testGroup + "/v1alpha1", Kind: delivery.Kind}
	return runtime.RawExtension{Raw: []byte(asJSON(d))}
}

// asCurrent is a v1beta1 Delivery as the API server sends it.
func asCurrent(d *v1beta1.Delivery) runtime.RawExtension {
	GinkgoHelper()
	d.TypeMeta = metav1.TypeMeta{APIVersion: testGroup + "/v1beta1", Kind: delivery.Kind}
	return runtime.RawExtension{Raw: []byte(asJSON(d))}
}

func newReview(desired string, objects ...runtime.RawExtension) *apiextensionsv1.ConversionReview {
	return &apiextensionsv1.ConversionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "apiextensions.k8s.io/v1", Kind: "ConversionReview"},
		Request:  &apiextensionsv1.ConversionRequest{UID: "uid-of-the-review", DesiredAPIVersion: testGroup + "/" + desired, Objects: objects},
	}
}

func post(handler http.Handler, body string) *httptest.ResponseRecorder {
	recorder := httptest.NewRecorder()
	request := httptest.NewRequest(http.MethodPost, "/convert", strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	handler.ServeHTTP(recorder, request)
	return recorder
}

// response is what the learner's handler answers to a review.
func response(handler http.Handler, review *apiextensionsv1.ConversionReview) *apiextensionsv1.ConversionResponse {
	GinkgoHelper()
	recorder := post(handler, asJSON(review))
	Expect(recorder.Code).To(Equal(http.StatusOK), "the answer's code; its body:\n%s", recorder.Body)
	var answer apiextensionsv1.ConversionReview
	Expect(json.Unmarshal(recorder.Body.Bytes(), &answer)).To(Succeed(), "the answer's body:\n%s", recorder.Body)
	Expect(answer.Response).NotTo(BeNil(), "the response in the answer:\n%s", recorder.Body)
	return answer.Response
}

// converted is what the learner's handler makes of objects, all of them.
func converted(handler http.Handler, desired string, objects ...runtime.RawExtension) []*unstructured.Unstructured {
	GinkgoHelper()
	got := response(handler, newReview(desired, objects...))
	Expect(got.Result.Status).To(Equal(metav1.StatusSuccess), "response.result.status; the message: %s", got.Result.Message)
	Expect(got.ConvertedObjects).To(HaveLen(len(objects)), "response.convertedObjects")
	all := []*unstructured.Unstructured{}
	for _, raw := range got.ConvertedObjects {
		obj := &unstructured.Unstructured{}
		Expect(obj.UnmarshalJSON(raw.Raw)).To(Succeed(), "a converted object: %s", raw.Raw)
		all = append(all, obj)
	}
	return all
}
