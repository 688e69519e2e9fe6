package aggregated

import (
	"context"
	"errors"
	"net/http"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/client-go/kubernetes"
)

// Attributes says what a request is about, in the words of RBAC. The user is left out.
//
// These paths are about the resource "tabs" of the group's version v1, and get ResourceAttributes:
//
//	/apis/GROUP/v1/tabs                          of all namespaces
//	/apis/GROUP/v1/namespaces/NAMESPACE/tabs
//	/apis/GROUP/v1/namespaces/NAMESPACE/tabs/NAME
//
// with the verb create for POST, update for PUT, patch for PATCH; for GET it is get when there is a name, else watch when the parameter watch is there and is neither "false" nor "0",
// else list; for DELETE it is delete when there is a name, else deletecollection.
//
// Every other path gets NonResourceAttributes: the path itself, and the method in small letters. There are no subresources.
func Attributes(group string, r *http.Request) authorizationv1.SubjectAccessReviewSpec {
	// TODO(kata): Take the path apart. The handler will want the same.
	panic("Attributes is not implemented")
}

// TODO(kata): What Attributes needs.

// Authorize asks the API server whether a user may do something: a SubjectAccessReview of what Attributes has said, with all that Authenticate knows of the user. It returns nil when
// the answer is yes.
//
// Otherwise apierrors.IsForbidden is true of the error. Its message says who may not do what: the name of the user, the verb, and the resource or the path. If there is no answer,
// nothing is allowed, and the error is any other: whoever asks shall ask again, and not look for a role that is missing.
func Authorize(ctx context.Context, c kubernetes.Interface, user *authenticationv1.UserInfo, ask authorizationv1.SubjectAccessReviewSpec) error {
	// TODO(kata): SubjectAccessReviews().Create, and then read the status. Name, uid, groups, extra: a role may be bound to each.
	return errors.New("Authorize is not implemented")
}
