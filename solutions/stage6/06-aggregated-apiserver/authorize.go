package aggregated

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
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
	// kata:begin Take the path apart. The handler will want the same.
	namespace, name, ok := parse(group, r.URL.Path)
	if !ok {
		return authorizationv1.SubjectAccessReviewSpec{NonResourceAttributes: &authorizationv1.NonResourceAttributes{Path: r.URL.Path, Verb: strings.ToLower(r.Method)}}
	}
	return authorizationv1.SubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
		Group: group, Version: Version, Resource: Resource, Namespace: namespace, Name: name, Verb: verb(r, name),
	}}
	// kata:end
}

// kata:begin What Attributes needs.
// kata:stub

// parse finds the namespace and the name in the path of a resource. It says false of any other path.
func parse(group, path string) (namespace, name string, ok bool) {
	rest, ok := strings.CutPrefix(path, "/apis/"+group+"/"+Version+"/")
	if !ok {
		return "", "", false
	}
	if rest == Resource {
		return "", "", true
	}
	parts := strings.Split(rest, "/")
	if len(parts) < 3 || parts[0] != "namespaces" || parts[1] == "" || parts[2] != Resource {
		return "", "", false
	}
	switch {
	case len(parts) == 3:
		return parts[1], "", true
	case len(parts) == 4 && parts[3] != "":
		return parts[1], parts[3], true
	}
	return "", "", false
}

func verb(r *http.Request, name string) string {
	switch r.Method {
	case http.MethodGet:
		query := r.URL.Query()
		switch watch := query.Get("watch"); {
		case name != "":
			return "get"
		case query.Has("watch") && watch != "false" && watch != "0":
			return "watch"
		}
		return "list"
	case http.MethodPost:
		return "create"
	case http.MethodPut:
		return "update"
	case http.MethodDelete:
		if name == "" {
			return "deletecollection"
		}
		return "delete"
	}
	return strings.ToLower(r.Method)
}

// kata:end

// Authorize asks the API server whether a user may do something: a SubjectAccessReview of what Attributes has said, with all that Authenticate knows of the user. It returns nil when
// the answer is yes.
//
// Otherwise apierrors.IsForbidden is true of the error. Its message says who may not do what: the name of the user, the verb, and the resource or the path. If there is no answer,
// nothing is allowed, and the error is any other: whoever asks shall ask again, and not look for a role that is missing.
func Authorize(ctx context.Context, c kubernetes.Interface, user *authenticationv1.UserInfo, ask authorizationv1.SubjectAccessReviewSpec) error {
	// kata:begin SubjectAccessReviews().Create, and then read the status. Name, uid, groups, extra: a role may be bound to each.
	ask.User, ask.UID, ask.Groups = user.Username, user.UID, user.Groups
	ask.Extra = map[string]authorizationv1.ExtraValue{}
	for key, values := range user.Extra {
		ask.Extra[key] = authorizationv1.ExtraValue(values)
	}
	review, err := c.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{Spec: ask}, metav1.CreateOptions{})
	if err != nil {
		// What the API server refuses is our question, and not the user's.
		return fmt.Errorf("ask whether %s may: %s", user.Username, err)
	}
	if review.Status.Allowed && !review.Status.Denied {
		return nil
	}
	if n := ask.NonResourceAttributes; n != nil {
		return apierrors.NewForbidden(schema.GroupResource{}, "", fmt.Errorf("user %q cannot %s the path %q", user.Username, n.Verb, n.Path))
	}
	a := ask.ResourceAttributes
	where := "in all namespaces"
	if a.Namespace != "" {
		where = fmt.Sprintf("in the namespace %q", a.Namespace)
	}
	return apierrors.NewForbidden(schema.GroupResource{Group: a.Group, Resource: a.Resource}, a.Name,
		fmt.Errorf("user %q cannot %s resource %q in API group %q %s", user.Username, a.Verb, a.Resource, a.Group, where))
	// kata:end
}
