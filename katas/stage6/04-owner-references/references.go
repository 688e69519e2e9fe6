// Package ownerreferences writes down what belongs to what, and takes it back: references to owners, claims by selector, and
// deletions that cascade. Begin with [SetController] and [AddOwner], which only change an object in memory; [RemoveOwner] and [Claim]
// change objects on the server; [Delete] and [Preview] are about what goes with an owner.
//
// An owner is known by its UID, here as in the garbage collector. Its name is only where to look for it.
package ownerreferences

import (
	"errors"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
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
	// TODO(kata): Check everything first. Then the reference, in its place if there is one with that UID. Package apiutil of
	// controller-runtime answers for the kind and its scope.
	return errors.New("SetController is not implemented")
}

// AddOwner makes owner an owner of dependant, in memory, as SetController does, and with the same errors but for ErrControlled: there may be
// any number of owners beside a controller. blocks is what the reference says in blockOwnerDeletion. An owner that is the controller
// already remains it; any other one does not become it.
func AddOwner(kinds Kinds, owner, dependant client.Object, blocks bool) error {
	// TODO(kata): What do this and SetController have in common? And what is in the reference that is there already?
	return errors.New("AddOwner is not implemented")
}

// IsOwnedBy reports whether owner is one of the owners of dependant. An owner without a UID owns nothing.
func IsOwnedBy(dependant, owner metav1.Object) bool {
	// TODO(kata): By UID.
	panic("IsOwnedBy is not implemented")
}

// IsControlledBy reports whether owner is the controller of dependant. An owner without a UID controls nothing.
func IsControlledBy(dependant, owner metav1.Object) bool {
	// TODO(kata): Look for what metav1 has.
	panic("IsControlledBy is not implemented")
}

// TODO(kata): Functions of your own.
