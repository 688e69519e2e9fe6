package ownerreferences

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ErrControllerGone says that a controller may not adopt anything: the server has none of that name, or one with another UID, or one that is
// being deleted.
var ErrControllerGone = errors.New("the controller is gone, or being deleted")

// Claim makes controller the controller of what it selects, and of nothing else, on the server. It goes through the candidates, all objects of a kind
// near by, whatever their labels, and returns those that are the controller's in the end, in their order.
//
//   - One that it controls, and that matches, is claimed. Nothing is written.
//   - One that it controls, and that does not match any more, is released: the reference to the controller is removed, and others stay. A
//     controller that is being deleted releases nothing.
//   - One that has another controller is left alone.
//   - One that has no controller, and matches, is adopted, as with SetController, and claimed; its plain owners stay. Not adopted is
//     what is in another namespace than the controller, and what is being deleted. A controller that is being deleted adopts nothing.
//   - Any other is left alone.
//
// All of them may be a cache's: controller and candidates are not changed, and an adopted one is returned as the server has it then. They may be
// old as well. So before the first adoption, and not when there is none, the controller is read with live, once. If the server does not have it,
// with this UID and without a deletionTimestamp, nothing is adopted, and the error is ErrControllerGone; if it cannot be read, nothing is
// adopted either, and the error is the server's. And a candidate is changed only if it is still the object that was read, with this UID: what
// has its name by now is neither changed nor claimed. What somebody else has written since then is not lost. A candidate that has
// changed may be refused for it, with an error: the next call has a newer one.
//
// What c reads may be from a cache. The candidates may be of any kind that the client knows, one of a CustomResourceDefinition too.
//
// That a candidate is gone is no error. Whatever else fails does not keep the others from being claimed; the errors are joined, each with the
// candidate's name, and returned with what was claimed.
func Claim[T client.Object](ctx context.Context, c client.Client, live client.Reader, controller client.Object, selector labels.Selector, candidates []T) ([]T, error) {
	// TODO(kata): Read ClaimObject in k8s.io/kubernetes, pkg/controller/controller_ref_manager.go, if you like. Then write down whose a candidate is,
	// whether it matches, and what follows.
	return nil, errors.New("Claim is not implemented")
}

// TODO(kata): Functions of your own.
