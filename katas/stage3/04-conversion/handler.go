package conversion

import (
	"net/http"
)

// NewHandler returns the webhook that the API server calls to convert Deliveries of a group: it takes a ConversionReview of
// apiextensions.k8s.io/v1 with a request, and answers with one that has the response, and not the request.
//
// The response has the request's UID, the result Success, and all of the request's objects in the same order, in the desired
// version, converted by SpokeToHub and HubToSpoke. A Delivery that is in that version already is answered as it came, with all that the
// types do not know. When one of the objects cannot be converted, the result is Failure, with a message that says which and why, and there
// are no objects at all. That is so for an object that cannot be decoded, for another group or another kind or none, and for a version that
// there is not. Which: by namespace/name, or by its place, objects[1], when these cannot be read. Why: with the kind, the apiVersion or the
// field that is wrong. A desired version that there is not is a Failure that names it, with objects or without.
//
// These are answers with 200 OK. What is no conversation to begin with is refused with text: another method than POST with 405 and the header
// Allow; a body that is no such ConversionReview, has no request, or goes on behind it, with 400. How long it is does not matter.
func NewHandler(group string) http.Handler {
	// TODO(kata): Check method and body, convert object by object, and write the ConversionReview.
	panic("NewHandler is not implemented")
}

// TODO(kata): The handler.
