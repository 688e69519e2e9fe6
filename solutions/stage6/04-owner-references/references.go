// Package ownerreferences writes down what belongs to what, and takes it back: references to owners, claims by selector, and
// deletions that cascade. Begin with [SetController] and [AddOwner], which only change an object in memory; [RemoveOwner] and [Claim]
// change objects on the server; [Delete] and [Preview] are about what goes with an owner.
//
// An owner is known by its UID, here as in the garbage collector. Its name is only where to look for it.
package ownerreferences

import (
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

var (
	// ErrNoUID says that an object has no UID: it was not created yet, or never read.
	ErrNoUID = errors.New("it has no UID")
	// ErrScope says that the owner is in a namespace in which the dependant is not.
	ErrScope = errors.New("an owner must be in the dependant's namespace, or in none")
	// ErrControlled says that the dependant has another controller.
	ErrControlled = errors.New("it has another controller")
)

// Kinds knows which kind a Go type is, and whether the objects of a kind are in a namespace. Each client of controller-runtime does.
type Kinds interface {
	Scheme() *runtime.Scheme
	RESTMapper() meta.RESTMapper
}

// SetController makes owner the controller of dependant, in memory: the reference says apiVersion, kind, name and UID of the owner,
// that it is the controller, and that it blocks the owner's deletion.
//
// The owner may be any object that says its kind itself, or whose Go type the scheme knows (the TypeMeta of those is empty as a rule).
// A reference that has the owner's UID already is brought up to date where it stands, whatever else it says; a new one comes last. All others
// stay as they are, also one with the same kind and name and another UID: that one is of another owner.
//
// It is an error, and dependant is not changed, when
//
//   - the owner has no UID (ErrNoUID),
//   - the owner is in a namespace, and the dependant is in another one or its kind is in none (ErrScope). Which kinds are in a namespace is
//     what the RESTMapper says, whatever metadata.namespace does: the server ignores a namespace in an object whose kind is in none,
//   - the dependant has a controller with another UID (ErrControlled; the text has the kind and the name of that one),
//   - the scheme does not know the type, or the mapper does not know the kind: the error is, or wraps, theirs.
func SetController(kinds Kinds, owner, dependant client.Object) error {
	// kata:begin Check everything first. Then the reference, in its place if there is one with that UID. Package apiutil of
	// | controller-runtime answers for the kind and its scope.
	ref, err := reference(kinds, owner, dependant)
	if err != nil {
		return err
	}
	if other := metav1.GetControllerOf(dependant); other != nil && other.UID != ref.UID {
		return fmt.Errorf("make %s %s (%s) the controller of %s: %w: %s %s (%s)",
			ref.Kind, ref.Name, ref.UID, dependant.GetName(), ErrControlled, other.Kind, other.Name, other.UID)
	}
	ref.Controller, ref.BlockOwnerDeletion = ptr.To(true), ptr.To(true)
	put(dependant, ref)
	return nil
	// kata:end
}

// AddOwner makes owner an owner of dependant, in memory, as SetController does, and with the same errors but for ErrControlled: there may be
// any number of owners beside a controller. blocks is what the reference says in blockOwnerDeletion. An owner that is the controller
// already remains it; any other one does not become it.
func AddOwner(kinds Kinds, owner, dependant client.Object, blocks bool) error {
	// kata:begin What do this and SetController have in common? And what is in the reference that is there already?
	ref, err := reference(kinds, owner, dependant)
	if err != nil {
		return err
	}
	if IsControlledBy(dependant, owner) {
		ref.Controller = ptr.To(true)
	}
	ref.BlockOwnerDeletion = ptr.To(blocks)
	put(dependant, ref)
	return nil
	// kata:end
}

// IsOwnedBy reports whether owner is one of the owners of dependant. An owner without a UID owns nothing.
func IsOwnedBy(dependant, owner metav1.Object) bool {
	// kata:begin By UID.
	return owner.GetUID() != "" && slices.ContainsFunc(dependant.GetOwnerReferences(), to(owner.GetUID()))
	// kata:end
}

// IsControlledBy reports whether owner is the controller of dependant. An owner without a UID controls nothing.
func IsControlledBy(dependant, owner metav1.Object) bool {
	// kata:begin Look for what metav1 has.
	return owner.GetUID() != "" && metav1.IsControlledBy(dependant, owner)
	// kata:end
}

// kata:begin Functions of your own.
// kata:stub

// reference is a reference of dependant to owner, without the two flags, if there may be one.
func reference(kinds Kinds, owner, dependant client.Object) (metav1.OwnerReference, error) {
	gvk, err := apiutil.GVKForObject(owner, kinds.Scheme())
	if err != nil {
		return metav1.OwnerReference{}, fmt.Errorf("find the kind of the owner %s: %w", owner.GetName(), err)
	}
	if owner.GetUID() == "" {
		return metav1.OwnerReference{}, fmt.Errorf("make %s %s an owner: %w", gvk.Kind, owner.GetName(), ErrNoUID)
	}
	ownerNamespace, err := namespace(kinds, owner)
	if err != nil {
		return metav1.OwnerReference{}, err
	}
	dependantNamespace, err := namespace(kinds, dependant)
	if err != nil {
		return metav1.OwnerReference{}, err
	}
	if ownerNamespace != "" && ownerNamespace != dependantNamespace {
		return metav1.OwnerReference{}, fmt.Errorf("make %s %s an owner of %s: %w: they are in %q and %q",
			gvk.Kind, owner.GetName(), dependant.GetName(), ErrScope, ownerNamespace, dependantNamespace)
	}
	return metav1.OwnerReference{APIVersion: gvk.GroupVersion().String(), Kind: gvk.Kind, Name: owner.GetName(), UID: owner.GetUID()}, nil
}

// namespace is where the server has an object: nowhere, when its kind is in no namespace.
func namespace(kinds Kinds, obj client.Object) (string, error) {
	namespaced, err := apiutil.IsObjectNamespaced(obj, kinds.Scheme(), kinds.RESTMapper())
	if err != nil {
		return "", fmt.Errorf("find out whether %s is in a namespace: %w", obj.GetName(), err)
	}
	if !namespaced {
		return "", nil
	}
	return obj.GetNamespace(), nil
}

// to is for looking up a reference.
func to(owner types.UID) func(metav1.OwnerReference) bool {
	return func(ref metav1.OwnerReference) bool { return ref.UID == owner }
}

// put puts a reference in the place of the one with the same UID, or at the end. The slice may be somebody else's, too.
func put(dependant metav1.Object, ref metav1.OwnerReference) {
	refs := slices.Clone(dependant.GetOwnerReferences())
	if i := slices.IndexFunc(refs, to(ref.UID)); i >= 0 {
		refs[i] = ref
	} else {
		refs = append(refs, ref)
	}
	dependant.SetOwnerReferences(refs)
}

// kata:end
