package serving

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// maxBody is how much is read of a review, in bytes.
const maxBody = 7 << 20

// Reviewer answers a request, or returns an error when it cannot.
type Reviewer interface {
	Review(ctx context.Context, request *admissionv1.AdmissionRequest) (*admissionv1.AdmissionResponse, error)
}

// ReviewerFunc is a Reviewer that is a function.
type ReviewerFunc func(ctx context.Context, request *admissionv1.AdmissionRequest) (*admissionv1.AdmissionResponse, error)

// Review calls the function.
func (f ReviewerFunc) Review(ctx context.Context, request *admissionv1.AdmissionRequest) (*admissionv1.AdmissionResponse, error) {
	return f(ctx, request)
}

// NewHandler returns the handler that the API server calls: kata admission-review's, short of what an API server never sends. An error of the
// reviewer's is answered with 500, as is a panic; a body that is too large with 413.
func NewHandler(reviewer Reviewer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		review := &admissionv1.AdmissionReview{}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
			return
		}
		if err == nil {
			err = json.Unmarshal(body, review)
		}
		if err != nil || review.Request == nil {
			http.Error(w, fmt.Sprintf("the body is no AdmissionReview with a request: %v", err), http.StatusBadRequest)
			return
		}
		response, err := ask(r.Context(), reviewer, review.Request)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		response = response.DeepCopy()
		response.UID = review.Request.UID
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(admissionv1.AdmissionReview{
			TypeMeta: metav1.TypeMeta{APIVersion: admissionv1.SchemeGroupVersion.String(), Kind: "AdmissionReview"}, Response: response,
		})
	})
}

func ask(ctx context.Context, reviewer Reviewer, request *admissionv1.AdmissionRequest) (response *admissionv1.AdmissionResponse, err error) {
	defer func() {
		if p := recover(); p != nil {
			response, err = nil, fmt.Errorf("the reviewer has panicked: %v", p)
		}
	}()
	response, err = reviewer.Review(ctx, request)
	if response == nil && err == nil {
		err = errors.New("the reviewer has neither an answer nor an error")
	}
	return response, err
}
