package conversion

import (
	"net/http"
)

// NewHandler returns the webhook that the API server calls to convert Deliveries of a group: it takes a ConversionReview of
// apiextensions.k8s.io/v1 with a request, and answers with one that has the response.
//
// The response has the request's UID, the result Success, and all of the request's objects in the same order, in the desired
// version, converted by SpokeToHub and HubToSpoke. An object that is in that version already is answered as it came. When one of them cannot
// be converted, the result is Failure, with a message that says which (namespace/name) and why, and there are no objects at all. That is so
// for an object that cannot be decoded, for another group or kind, for a version that there is not, and for a desired version that there is not.
//
// These are answers with 200 OK. What is no conversation to begin with is refused with text: another method than POST with 405 and the header
// Allow, a body that is no such ConversionReview or has no request with 400.
func NewHandler(group string) http.Handler {
	// TODO(kata): Check method and body, convert object by object, and write the ConversionReview.
	panic("NewHandler is not implemented")
}

// TODO(kata): The handler.
