// Package admissionreview is the kata's: the HTTP side of an admission webhook. Start with [NewHandler].
package admissionreview

import (
	"context"
	"net/http"

	admissionv1 "k8s.io/api/admission/v1"
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
	// TODO(kata): Check method, type and size; decode; ask the reviewer; answer.
	panic("NewHandler is not implemented")
}

// Denied is the verdict no, for a reason that the user gets to read. Where err is one of Kubernetes' errors, or wraps one (apierrors.NewInvalid and
// the like), its status becomes the verdict's: code, reason, details. Otherwise it is 403, Forbidden. The message is err's text in either case.
func Denied(err error) *admissionv1.AdmissionResponse {
	// TODO(kata): Make a Status of the error.
	panic("Denied is not implemented")
}

// TODO(kata): The handler.
