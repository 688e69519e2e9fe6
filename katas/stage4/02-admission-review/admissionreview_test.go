package admissionreview_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	admissionreview "github.com/kubekata/kubekata/katas/stage4/02-admission-review"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/admission"
	"github.com/kubekata/kubekata/harness/cluster"
)

var _ = harness.NoLeaks()

var api = cluster.API()

func TestAdmissionReview(t *testing.T) {
	harness.RunSpecs(t, "Stage 4 · 02-admission-review")
}

// review is the question that most specs ask.
func review(options ...admission.Option) *admissionv1.AdmissionReview {
	GinkgoHelper()
	return admission.Review(pizza("hawaii", map[string]string{"topping": "pineapple"}), nil, options...)
}

func pizza(name string, labels map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "napoli", Labels: labels}}
}

// says makes a handler of the learner's whose reviewer always says the same.
func says(response *admissionv1.AdmissionResponse, err error) http.Handler {
	GinkgoHelper()
	return handler(always(response, err))
}

// always is a reviewer that always says the same.
func always(response *admissionv1.AdmissionResponse, err error) admissionreview.ReviewerFunc {
	return func(context.Context, *admissionv1.AdmissionRequest) (*admissionv1.AdmissionResponse, error) {
		return response, err
	}
}

func handler(reviewer admissionreview.ReviewerFunc) http.Handler {
	GinkgoHelper()
	h := admissionreview.NewHandler(reviewer)
	Expect(h).NotTo(BeNil(), "what NewHandler returns")
	return h
}

// unheard makes a handler of the learner's whose reviewer must not be asked.
func unheard() http.Handler {
	GinkgoHelper()
	return handler(func(_ context.Context, request *admissionv1.AdmissionRequest) (*admissionv1.AdmissionResponse, error) {
		Fail("the reviewer was asked, about " + text(request))
		return nil, nil
	})
}

// send sends a request as nobody should; a review goes through admission.Post.
func send(h http.Handler, request *http.Request) *httptest.ResponseRecorder {
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, request)
	return recorder
}

func text(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(data)
}
