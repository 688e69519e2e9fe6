// Package serving has what is given: the HTTP of kata 02, and a certificate for an address, which is made in memory.
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

// ReviewerFunc answers a request, or returns an error when it cannot.
type ReviewerFunc func(ctx context.Context, request *admissionv1.AdmissionRequest) (*admissionv1.AdmissionResponse, error)

// NewHandler returns the handler that the API server calls. It is kata 02's, short of what an API server never sends: an error of the reviewer's is 500, a
// body that ends with an *http.MaxBytesError is 413. How much is read is not its business.
func NewHandler(review ReviewerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
			return
		}
		question := &admissionv1.AdmissionReview{}
		if err == nil {
			err = json.Unmarshal(body, question)
		}
		if err != nil || question.Request == nil {
			http.Error(w, fmt.Sprintf("the body is no AdmissionReview with a request: %v", err), http.StatusBadRequest)
			return
		}
		response, err := review(r.Context(), question.Request)
		if err == nil && response == nil {
			err = errors.New("the reviewer has neither an answer nor an error")
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		response = response.DeepCopy()
		response.UID = question.Request.UID
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(admissionv1.AdmissionReview{
			TypeMeta: metav1.TypeMeta{APIVersion: admissionv1.SchemeGroupVersion.String(), Kind: "AdmissionReview"}, Response: response,
		})
	})
}
