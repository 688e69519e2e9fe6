package ownerreferences

import (
	"context"
	"errors"
	"fmt"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
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
	// kata:begin Read ClaimObject in k8s.io/kubernetes, pkg/controller/controller_ref_manager.go, if you like. Then write down whose a candidate is,
	// | whether it matches, and what follows.
	mayAdopt := sync.OnceValue(func() error { return confirm(ctx, c, live, controller) })
	var claimed []T
	var errs []error
	for _, candidate := range candidates {
		matches := selector.Matches(labels.Set(candidate.GetLabels()))
		owner := metav1.GetControllerOf(candidate)
		switch {
		case owner == nil && matches && adoptable(controller, candidate):
			adopted := candidate.DeepCopyObject().(T)
			err := mayAdopt()
			if err == nil {
				err = adopt(ctx, c, controller, adopted)
			}
			if err == nil {
				claimed = append(claimed, adopted)
			} else {
				errs = append(errs, failure("adopt", candidate, err))
			}
		case owner == nil || owner.UID != controller.GetUID():
			continue
		case matches:
			claimed = append(claimed, candidate)
		case controller.GetDeletionTimestamp() == nil:
			released := candidate.DeepCopyObject().(T)
			err := swap(ctx, c, released, without(released.GetOwnerReferences(), controller.GetUID()))
			errs = append(errs, failure("release", candidate, err))
		}
	}
	return claimed, errors.Join(errs...)
	// kata:end
}

// kata:begin Functions of your own.
// kata:stub

// adoptable says whether a controller may adopt a candidate that has none, as far as the cache knows.
func adoptable(controller, candidate metav1.Object) bool {
	return controller.GetDeletionTimestamp() == nil && candidate.GetDeletionTimestamp() == nil &&
		(controller.GetNamespace() == "" || controller.GetNamespace() == candidate.GetNamespace())
}

// confirm asks the server whether the controller is there.
func confirm(ctx context.Context, c client.Client, live client.Reader, controller client.Object) error {
	gvk, err := apiutil.GVKForObject(controller, c.Scheme())
	if err != nil {
		return err
	}
	latest := &metav1.PartialObjectMetadata{}
	latest.SetGroupVersionKind(gvk)
	err = live.Get(ctx, client.ObjectKeyFromObject(controller), latest)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("look whether the controller is there: %w", err)
	}
	if err != nil || latest.UID != controller.GetUID() || latest.DeletionTimestamp != nil {
		return fmt.Errorf("%s %s (%s): %w", gvk.Kind, controller.GetName(), controller.GetUID(), ErrControllerGone)
	}
	return nil
}

// adopt makes controller the controller of candidate, and candidate what the server has then.
func adopt(ctx context.Context, c client.Client, controller, candidate client.Object) error {
	owned := candidate.DeepCopyObject().(client.Object)
	if err := SetController(c, controller, owned); err != nil {
		return err
	}
	return swap(ctx, c, candidate, owned.GetOwnerReferences())
}

// failure is an error with the candidate's name, or none if the candidate is gone.
func failure(what string, candidate client.Object, err error) error {
	if client.IgnoreNotFound(err) == nil {
		return nil
	}
	return fmt.Errorf("%s %s: %w", what, candidate.GetName(), err)
}

// kata:end
