package aggregated

import (
	"context"
	"net/http"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"

	"github.com/kubekata/kubekata/katas/stage6/06-aggregated-apiserver/till"
)

// MaxBody is how much of a body is read, in bytes.
const MaxBody = 1 << 20

// Options are what a server is made of. All of them must be set.
type Options struct {
	// Group is the group of the API.
	Group string
	// Till has the tabs.
	Till *till.Till
	// Authenticate says who asks: (*RequestHeader).Authenticate. Its error is answered as it is.
	Authenticate func(*http.Request) (*authenticationv1.UserInfo, error)
	// Authorize says whether they may: Authorize, with a client. Its error is answered as it is.
	Authorize func(context.Context, *authenticationv1.UserInfo, authorizationv1.SubjectAccessReviewSpec) error
	// Now is the time, for ages.
	Now func() time.Time
}

// NewHandler returns the server. GET /healthz, /livez and /readyz are answered with 200 and the text ok, to everybody. Before any other answer, and before anything is read of the
// body or changed, a request is authenticated, authorized for its Attributes, and its Accept header negotiated, in this order. Errors are answered by Refuse. What is not mentioned
// here, is NotFound: the API server asks for /openapi/v2 and v3 as well, and understands that.
//
// Discovery is answered to GET, as JSON. Other methods are refused with MethodNotAllowed (405), as are those that the path of a resource does not have: POST has only that of a
// namespace's tabs, DELETE only that of a tab, GET all of them. There is no watch, so that is MethodNotAllowed as well, and not a list.
//
// Tabs have the kind Tab and the apiVersion GROUP/v1, lists the kind TabList and the till's resourceVersion, and their items are never null. A get and a list are answered in the form
// that was negotiated, Rows with the parameter includeObject; everything else as JSON.
//
// A list has the tabs that the labelSelector and the fieldSelector match; the latter knows metadata.name and metadata.namespace. One that cannot be read, or that has another field,
// is a BadRequest, since a selector that is not heeded selects everything. limit, continue and resourceVersion need not be heeded.
//
// A create takes JSON: the Content-Type application/json, with or without parameters, or none; any other is UnsupportedMediaType (415). A body of more than MaxBody is
// RequestEntityTooLarge (413). What is no Tab of GROUP/v1, and a namespace other than the path's, are a BadRequest; without a namespace it is the path's. A tab is Invalid (422), with
// a cause for each field that is wrong, unless metadata.name is a DNS subdomain, spec.guest is not empty, and spec.cents is positive. Its answer is the tab, with the code 201.
//
// A delete may have a body, of the same type and size: metav1.DeleteOptions, of which preconditions and dryRun are heeded. Its answer is a Status of Success (200) whose details have
// the group, the kind "tabs", the name and the uid of what is gone.
//
// Both have the parameter dryRun, which may be All: everything is answered as if, and nothing is changed. Any other value is a BadRequest, in the body as well.
func NewHandler(o Options) http.Handler {
	// TODO(kata): A health check, then three gates, then the path. Begin with discovery.
	panic("NewHandler is not implemented")
}

// TODO(kata): Everything that NewHandler needs.
