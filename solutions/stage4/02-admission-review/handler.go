// Package admissionreview is the kata's: the HTTP side of an admission webhook. Start with [NewHandler].
package admissionreview

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// MaxBody is how much the handler reads of a body, in bytes. An object may have 3 MiB, a review has two, and something besides.
const MaxBody = 7 << 20

// Reviewer decides about a request.
type Reviewer interface {
	// Review returns a verdict, or an error when it cannot come to one. ctx ends when nobody waits for the verdict any more. The handler
	// sets the verdict's UID, in a copy: a reviewer may return the same verdict again and again. It may be called by many requests at once.
	Review(ctx context.Context, request *admissionv1.AdmissionRequest) (*admissionv1.AdmissionResponse, error)
}

// ReviewerFunc is a Reviewer that is a function.
type ReviewerFunc func(context.Context, *admissionv1.AdmissionRequest) (*admissionv1.AdmissionResponse, error)

// Review implements [Reviewer].
func (f ReviewerFunc) Review(ctx context.Context, request *admissionv1.AdmissionRequest) (*admissionv1.AdmissionResponse, error) {
	return f(ctx, request)
}

// NewHandler returns the handler that the API server calls: it asks the reviewer about each AdmissionReview of admission.k8s.io/v1, and answers
// with an AdmissionReview of the same version, as application/json, whose response is the reviewer's with the UID of the request. That
// answer has the code 200, be the verdict yes or no. What it does not know in a review, it ignores.
//
// The reviewer gets the request's context, with a deadline if the URL has a parameter timeout that time.ParseDuration understands ("10s"): by
// then the API server has gone. Requests do not wait for each other.
//
// Where there is no verdict, because the reviewer has returned an error, or neither error nor verdict, or has panicked, the answer is 500 with
// a text that says why. What then happens to the user's request is the webhook's failurePolicy. The handler itself goes on.
//
// What is no question is refused with a text, and the reviewer does not hear of it: another method than POST with 405 and the header
// Allow, another media type than application/json with 415, a body of more than MaxBody bytes with 413, without reading all of it, and with 400
// a body that is no JSON, no AdmissionReview of v1, or has no request or no UID in it.
func NewHandler(reviewer Reviewer) http.Handler {
	// kata:begin Check method, type and size; decode; ask the reviewer; answer.
	return &handler{reviewer: reviewer}
	// kata:end
}

// Denied is the verdict no, for a reason that the user gets to read. Where err is one of Kubernetes' errors, or wraps one (apierrors.NewInvalid and
// the like), its status becomes the verdict's: code, reason, details. Otherwise it is 403, Forbidden. The message is err's text in either case.
func Denied(err error) *admissionv1.AdmissionResponse {
	// kata:begin Make a Status of the error.
	status := metav1.Status{Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden}
	if known := apierrors.APIStatus(nil); errors.As(err, &known) {
		shared := known.Status()
		status = *shared.DeepCopy()
	}
	status.Status, status.Message = metav1.StatusFailure, err.Error()
	return &admissionv1.AdmissionResponse{Result: &status}
	// kata:end
}

// kata:begin The handler.
// kata:stub

type handler struct {
	reviewer Reviewer
}

// ServeHTTP implements [http.Handler].
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	request, err := read(w, r)
	if err != nil {
		http.Error(w, err.Error(), err.code)
		return
	}
	ctx := r.Context()
	if timeout, err := time.ParseDuration(r.URL.Query().Get("timeout")); err == nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	response, failure := h.ask(ctx, request)
	if failure != nil {
		http.Error(w, failure.Error(), http.StatusInternalServerError)
		return
	}
	response = response.DeepCopy()
	response.UID = request.UID
	answer := admissionv1.AdmissionReview{TypeMeta: metav1.TypeMeta{APIVersion: admissionv1.SchemeGroupVersion.String(), Kind: "AdmissionReview"}, Response: response}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer) // an error is the connection's, and nobody is there to be told
}

// ask asks the reviewer. What is no verdict is an error.
func (h *handler) ask(ctx context.Context, request *admissionv1.AdmissionRequest) (response *admissionv1.AdmissionResponse, err error) {
	defer func() {
		if p := recover(); p != nil {
			response, err = nil, fmt.Errorf("the reviewer has panicked: %v", p)
		}
	}()
	response, err = h.reviewer.Review(ctx, request)
	if response == nil && err == nil {
		err = errors.New("the reviewer has come to no verdict")
	}
	return response, err
}

// refusal is an error with the HTTP code that goes with it.
type refusal struct {
	error
	code int
}

// read returns what is asked.
func read(w http.ResponseWriter, r *http.Request) (*admissionv1.AdmissionRequest, *refusal) {
	refuse := func(code int, format string, args ...any) (*admissionv1.AdmissionRequest, *refusal) {
		return nil, &refusal{fmt.Errorf(format, args...), code}
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return refuse(http.StatusMethodNotAllowed, "an AdmissionReview is sent with POST")
	}
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
		return refuse(http.StatusUnsupportedMediaType, "an AdmissionReview is application/json, and not %q", r.Header.Get("Content-Type"))
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return refuse(http.StatusRequestEntityTooLarge, "the body has more than %d bytes", tooLarge.Limit)
	}
	if err != nil {
		return refuse(http.StatusBadRequest, "read the body: %w", err)
	}
	review := &admissionv1.AdmissionReview{}
	if err := json.Unmarshal(body, review); err != nil {
		return refuse(http.StatusBadRequest, "the body is not an AdmissionReview: %w", err)
	}
	if want := admissionv1.SchemeGroupVersion.WithKind("AdmissionReview"); review.GroupVersionKind() != want {
		return refuse(http.StatusBadRequest, "the body is a %s, and not a %s", review.GroupVersionKind(), want)
	}
	if review.Request == nil || review.Request.UID == "" {
		return refuse(http.StatusBadRequest, "the AdmissionReview has no request, or its request has no UID")
	}
	return review.Request, nil
}

// kata:end
