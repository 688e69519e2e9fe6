package admission_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubekata/kubekata/harness/admission"
)

func pod() *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "oven", Namespace: "napoli"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "oven", Image: "oven:1"}}}}
}

func shop() *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "pizza.kubekata.dev/v1", "kind": "Shop", "metadata": map[string]any{"name": "da-ada", "namespace": "napoli"}, "spec": map[string]any{"tables": int64(5)},
	}}
}

// answer is a handler that answers with a text, in which UID stands for the review's.
func answer(code int, contentType, text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		review := &admissionv1.AdmissionReview{}
		if err := json.NewDecoder(r.Body).Decode(review); err != nil {
			panic(err)
		}
		if contentType != "" {
			w.Header().Set("Content-Type", contentType)
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, strings.ReplaceAll(text, "UID", string(review.Request.UID)))
	})
}

const head = `{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": `

// "W10=" is [], "eyJ9" is no JSON.
func TestRefuses(t *testing.T) {
	for _, c := range []struct {
		name, contentType, body, want string
		code                          int
		mutating                      bool
	}{
		{name: "another UID", body: head + `{"uid": "1", "allowed": true}}`, want: `expected response.uid=`},
		{name: "no UID", body: head + `{"allowed": true}}`, want: `, got ""`},
		{name: "no response", body: `{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}`, want: "webhook response was absent"},
		{name: "no apiVersion and kind", body: `{"response": {"uid": "UID", "allowed": true}}`, want: "expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got /, Kind="},
		{name: "no kind", body: `{"apiVersion": "admission.k8s.io/v1", "response": {"uid": "UID", "allowed": true}}`, want: "expected webhook response of"},
		{name: "no apiVersion", body: `{"kind": "AdmissionReview", "response": {"uid": "UID", "allowed": true}}`, want: "expected webhook response of"},
		{name: "another version", body: `{"apiVersion": "admission.k8s.io/v1beta1", "kind": "AdmissionReview", "response": {"uid": "UID", "allowed": true}}`, want: "failed calling webhook"},
		{name: "another kind", body: `{"apiVersion": "admission.k8s.io/v1", "kind": "Review", "response": {"uid": "UID", "allowed": true}}`, want: `no kind "Review" is registered`},
		{name: "no JSON", body: `allowed`, want: "failed to call webhook"},
		{name: "nothing", body: ``, want: "0-length response with status code: 200"},
		{name: "allowed as a text", body: head + `{"uid": "UID", "allowed": "yes"}}`, want: "failed to call webhook"},
		{name: "a denial by code", code: 403, body: head + `{"uid": "UID", "allowed": false}}`, want: "failed to call webhook"},
		{name: "an error", code: 500, contentType: "text/plain", body: `oh`, want: "failed to call webhook: an error on the server"},
		{name: "a Content-Type that is none", contentType: "json; json; json", body: head + `{"uid": "UID", "allowed": true}}`, want: "failed to call webhook"},
		{name: "a patch from a validating webhook", body: head + `{"uid": "UID", "allowed": true, "patch": "W10=", "patchType": "JSONPatch"}}`, want: "validating webhook may not return response.patch"},
		{name: "a patch type from a validating webhook", body: head + `{"uid": "UID", "allowed": true, "patchType": "JSONPatch"}}`, want: "validating webhook may not return response.patchType"},
		{name: "a patch from a validating webhook that denies", body: head + `{"uid": "UID", "allowed": false, "patch": "W10="}}`, want: "validating webhook may not return response.patch"},
		{name: "a patch without a type", mutating: true, body: head + `{"uid": "UID", "allowed": true, "patch": "W10="}}`, want: "response.patch but not response.patchType"},
		{name: "a type without a patch", mutating: true, body: head + `{"uid": "UID", "allowed": true, "patchType": "JSONPatch"}}`, want: "response.patchType but not response.patch"},
		{name: "an empty type", mutating: true, body: head + `{"uid": "UID", "allowed": true, "patch": "W10=", "patchType": ""}}`, want: `invalid response.patchType of ""`},
		{name: "a patch that is no JSON", mutating: true, body: patched(`{`), want: "received undecodable patch"},
		{name: "a merge patch", mutating: true, body: patched(`{"metadata": {}}`), want: "received undecodable patch"},
		{name: "another patch type", mutating: true, body: strings.Replace(patched(`[{"op": "remove", "path": "/spec"}]`), "JSONPatch", "Merge", 1), want: `unsupported patch type "Merge"`},
		{name: "an operation that there is not", mutating: true, body: patched(`[{"op": "delete", "path": "/spec"}]`), want: "apply the patch"},
		{name: "a path that there is not", mutating: true, body: patched(`[{"op": "add", "path": "/metadata/labels/team", "value": "a"}]`), want: "apply the patch"},
		{name: "a test that fails", mutating: true, body: patched(`[{"op": "test", "path": "/metadata/name", "value": "a"}]`), want: "apply the patch"},
		{name: "a value of another type", mutating: true, body: patched(`[{"op": "add", "path": "/spec/containers", "value": "oven"}]`), want: "decode the object"},
		{name: "another kind of object", mutating: true, body: patched(`[{"op": "replace", "path": "/kind", "value": "Node"}]`), want: "the object is a /v1, Kind=Node"},
	} {
		t.Run(c.name, func(t *testing.T) {
			webhook := admission.Webhook{Name: "w.kubekata.dev", Mutating: c.mutating, Handler: answer(max(c.code, 200), c.contentType, c.body)}
			verdict, err := admission.Try(t.Context(), webhook, admission.Review(pod(), nil))
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "Internal error occurred: ") {
				t.Fatalf("the error is %v, and not one with %q", err, c.want)
			}
			if verdict.Allowed || verdict.Exchange.Code != max(c.code, 200) {
				t.Fatalf("allowed %v, exchange %v", verdict.Allowed, verdict.Exchange)
			}
		})
	}
}

func patched(patch string) string {
	data, err := json.Marshal([]byte(patch))
	if err != nil {
		panic(err)
	}
	return head + fmt.Sprintf(`{"uid": "UID", "allowed": true, "patchType": "JSONPatch", "patch": %s}}`, data)
}

func TestRefusesPatchWithoutObject(t *testing.T) {
	_, err := admission.Try(t.Context(), admission.Mutating(answer(200, "", patched(`[{"op": "remove", "path": "/spec"}]`))), admission.Review(nil, pod()))
	if err == nil || !strings.Contains(err.Error(), `attempted to modify the object, which is not supported for this operation`) {
		t.Fatal(err)
	}
}

func TestAccepts(t *testing.T) {
	for _, c := range []struct {
		name, contentType, body string
		code                    int
		mutating                bool
	}{
		{name: "the least", body: head + `{"uid": "UID", "allowed": true}}`},
		{name: "another Content-Type", contentType: "text/plain; charset=utf-8", body: head + `{"uid": "UID", "allowed": true}}`},
		{name: "201", code: 201, body: head + `{"uid": "UID", "allowed": true}}`},
		{name: "the request in the answer, and unknown fields", body: `{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "1"}, "x": 1, "response": {"uid": "UID", "allowed": true, "y": 2}}`},
		{name: "an empty patch", mutating: true, body: patched(`[]`)},
		{name: "a result besides", body: head + `{"uid": "UID", "allowed": true, "status": {"code": 200}}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			webhook := admission.Webhook{Mutating: c.mutating, Handler: answer(max(c.code, 200), c.contentType, c.body)}
			verdict, err := admission.Try(t.Context(), webhook, admission.Review(pod(), nil))
			if err != nil || !verdict.Allowed || verdict.Changed || verdict.Object.GetName() != "oven" || verdict.Code != 0 || verdict.Message != "" {
				t.Fatalf("%v %+v", err, verdict)
			}
		})
	}
}

func TestDenials(t *testing.T) {
	for _, c := range []struct {
		status  string
		code    int32
		kubectl string
	}{
		{`null`, 400, `Error from server: admission webhook "w.kubekata.dev" denied the request without explanation`},
		{`{"message": "no pineapple"}`, 400, `Error from server: admission webhook "w.kubekata.dev" denied the request: no pineapple`},
		{`{"code": 200, "status": "Success", "message": "no pineapple"}`, 400, `Error from server: admission webhook "w.kubekata.dev" denied the request: no pineapple`},
		{`{"code": 403, "reason": "Forbidden", "message": "no pineapple"}`, 403, `Error from server (Forbidden): admission webhook "w.kubekata.dev" denied the request: no pineapple`},
		{`{"code": 403, "reason": "Forbidden"}`, 403, `Error from server (Forbidden): admission webhook "w.kubekata.dev" denied the request: Forbidden`},
		{`{"code": 401, "reason": "Unauthorized", "message": "who?"}`, 401, `error: You must be logged in to the server (admission webhook "w.kubekata.dev" denied the request: who?)`},
		{`{"code": 422, "reason": "Invalid", "message": "no"}`, 422, `The request is invalid: admission webhook "w.kubekata.dev" denied the request: no`},
		{
			`{"code": 422, "reason": "Invalid", "message": "no", "details": {"kind": "Pod", "name": "oven", "causes": [{"field": "spec", "message": "a"}, {"field": "spec.x", "message": "b"}]}}`, 422,
			"The Pod \"oven\" is invalid: \n* spec: a\n* spec.x: b",
		},
	} {
		webhook := admission.Webhook{Name: "w.kubekata.dev", Handler: answer(200, "", head+`{"uid": "UID", "allowed": false, "status": `+c.status+`}}`)}
		verdict, err := admission.Try(t.Context(), webhook, admission.Review(pod(), nil))
		if err != nil || verdict.Allowed || verdict.Object != nil || verdict.Code != c.code || verdict.Kubectl != c.kubectl {
			t.Errorf("%s: %v, code %d\n got %s\nwant %s", c.status, err, verdict.Code, verdict.Kubectl, c.kubectl)
		}
	}
}

func TestPatch(t *testing.T) {
	patch := patched(`[{"op": "add", "path": "/metadata/labels", "value": {"team": "a"}}, {"op": "add", "path": "/spec/nobody", "value": 1}, {"op": "add", "path": "/spec/x", "value": 1}]`)
	verdict, err := admission.Try(t.Context(), admission.Mutating(answer(200, "", patch)), admission.Review(pod(), nil))
	if err != nil || !verdict.Changed || verdict.Object.GetLabels()["team"] != "a" {
		t.Fatalf("%v %v", err, verdict.Object)
	}
	if _, ok, _ := unstructured.NestedFieldNoCopy(verdict.Object.Object, "spec", "nobody"); ok {
		t.Error("a Pod keeps a field that its Go type does not have")
	}
	verdict, err = admission.Try(t.Context(), admission.Mutating(answer(200, "", patch)), admission.Review(shop(), nil))
	if err != nil || !verdict.Changed {
		t.Fatal(err)
	}
	if _, ok, _ := unstructured.NestedFieldNoCopy(verdict.Object.Object, "spec", "nobody"); !ok {
		t.Error("a custom object loses a field")
	}
	same := patched(`[{"op": "replace", "path": "/metadata/name", "value": "oven"}]`)
	if verdict, err = admission.Try(t.Context(), admission.Mutating(answer(200, "", same)), admission.Review(pod(), nil)); err != nil || verdict.Changed {
		t.Fatalf("a patch that changes nothing: %v, changed %v", err, verdict.Changed)
	}
}

func TestDropped(t *testing.T) {
	long := strings.Repeat("ü", 300)
	warnings := []string{"a", "", "a", "b\nc"}
	verdict := warned(t, warnings, map[string]string{"reason": "x", "a/b": "y", "no blanks": "z"})
	if got := fmt.Sprint(verdict.Warnings, verdict.AuditAnnotations, len(verdict.Dropped)); got != "[a] map[w.kubekata.dev/reason:x] 5" {
		t.Errorf("got %s: %q", got, verdict.Dropped)
	}

	warnings = nil
	for i := range 13 { // 3900 characters
		warnings = append(warnings, fmt.Sprintf("%02d", i)+long[:2*298])
	}
	if verdict = warned(t, warnings, nil); len(verdict.Warnings) != 13 || len(verdict.Dropped) > 0 || len([]rune(verdict.Warnings[12])) != 300 {
		t.Errorf("%d warnings, %q", len(verdict.Warnings), verdict.Dropped)
	}
	for i := range 10 {
		warnings = append(warnings, fmt.Sprintf("%02d", 13+i)+long[:2*298])
	}
	verdict = warned(t, warnings, nil) // 16 × 256 = 4096
	if len(verdict.Warnings) != 16 || len(verdict.Dropped) != 23 || len([]rune(verdict.Warnings[0])) != 256 {
		t.Errorf("%d warnings, %d dropped", len(verdict.Warnings), len(verdict.Dropped))
	}
}

func warned(t *testing.T, warnings []string, annotations map[string]string) admission.Verdict {
	t.Helper()
	w, _ := json.Marshal(warnings)
	a, _ := json.Marshal(annotations)
	webhook := admission.Webhook{Name: "w.kubekata.dev", Handler: answer(200, "", head+fmt.Sprintf(`{"uid": "UID", "allowed": true, "warnings": %s, "auditAnnotations": %s}}`, w, a))}
	verdict, err := admission.Try(t.Context(), webhook, admission.Review(pod(), nil))
	if err != nil {
		t.Fatal(err)
	}
	return verdict
}

func TestReview(t *testing.T) {
	changed := pod()
	changed.Spec.Containers[0].Image = "oven:2"
	for _, c := range []struct {
		review *admissionv1.AdmissionReview
		want   string
	}{
		{admission.Review(pod(), nil), "CREATE /v1, Kind=Pod /v1, Resource=pods  napoli/oven false ada"},
		{admission.Review(changed, pod(), admission.DryRun(), admission.By("bob", "cooks")), "UPDATE /v1, Kind=Pod /v1, Resource=pods  napoli/oven true bob"},
		{admission.Review(nil, shop(), admission.SubResource("status")), "DELETE pizza.kubekata.dev/v1, Kind=Shop pizza.kubekata.dev/v1, Resource=shops status napoli/oven false ada"},
	} {
		r := c.review.Request
		got := fmt.Sprintf("%s %s/%s, Kind=%s %s/%s, Resource=%s %s %s/%s %v %s", r.Operation, r.Kind.Group, r.Kind.Version, r.Kind.Kind, r.Resource.Group, r.Resource.Version, r.Resource.Resource,
			r.SubResource, r.Namespace, strings.Replace(r.Name, "da-ada", "oven", 1), *r.DryRun, r.UserInfo.Username)
		if got != c.want || r.UID == "" {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
	review := admission.Review(changed, pod())
	if !strings.Contains(string(review.Request.Object.Raw), `"kind":"Pod","apiVersion":"v1"`) || strings.Contains(string(review.Request.OldObject.Raw), "oven:2") {
		t.Errorf("%s\n%s", review.Request.Object.Raw, review.Request.OldObject.Raw)
	}
	if admission.Review(pod(), nil).Request.UID == review.Request.UID {
		t.Error("two reviews have one UID")
	}
}

// TestAsked looks at what the handler gets: in process and over TLS it is the same.
func TestAsked(t *testing.T) {
	var got string
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, deadline := r.Context().Deadline()
		got = fmt.Sprint(r.Method, " ", r.URL.RequestURI(), " ", r.Header.Get("Content-Type"), " ", r.ContentLength > 100, deadline)
		answer(200, "", head+`{"uid": "UID", "allowed": true}}`).ServeHTTP(w, r)
	})
	if _, err := admission.Try(t.Context(), admission.Webhook{Handler: handler, Timeout: 7 * time.Second}, admission.Review(pod(), nil)); err != nil {
		t.Fatal(err)
	}
	if got != "POST /?timeout=7s application/json true true" {
		t.Error(got)
	}
	server := httptest.NewTLSServer(handler)
	defer server.Close()
	bundle := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if _, err := admission.Try(t.Context(), admission.Webhook{URL: server.URL + "/hook", CABundle: bundle}, admission.Review(pod(), nil)); err != nil {
		t.Fatal(err)
	}
	if got != "POST /hook?timeout=10s application/json true false" {
		t.Error(got)
	}
	if _, err := admission.Try(t.Context(), admission.Webhook{URL: "https://kubernetes.io/hook"}, admission.Review(pod(), nil)); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Error("a webhook elsewhere:", err)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	handler := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { cancel() })
	if _, err := admission.Try(ctx, admission.Validating(handler), admission.Review(pod(), nil)); err == nil || !strings.Contains(err.Error(), "context canceled") {
		t.Fatal(err)
	}
}
