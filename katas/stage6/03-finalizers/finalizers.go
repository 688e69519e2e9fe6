// Package finalizers has the pattern of a finalizer without an operator around it. [Add] and [Remove] change one entry of a list
// that belongs to many; [Pipeline] puts work and its clean-up between the two; [DeleteAndWait] is the other side, which deletes and wants
// to know when the object is gone; and [Diagnoser] says why it is not. Begin with Add.
//
// A finalizer is metadata, so that all of this goes through the metadata client, and is good for any kind of object, one of a
// CustomResourceDefinition too. What is read is read from the server, never from a cache.
package finalizers

import (
	"context"
	"errors"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/metadata"
)

var (
	// ErrName says that a finalizer's name is not fit for a list that many write.
	ErrName = errors.New("a finalizer's name must be domain/name")
	// ErrNoUID says that a Ref has no UID, so that it means whoever has the name.
	ErrNoUID = errors.New("there is no UID")
	// ErrGone says that the object is not there any more. Another one may have its name.
	ErrGone = errors.New("the object is gone")
	// ErrDeleting says that the object is being deleted, and takes no new finalizer.
	ErrDeleting = errors.New("the object is being deleted")
)

// Ref says which object is meant: the one with this UID, and none that has its name before or after it.
type Ref struct {
	Resource schema.GroupVersionResource
	// Namespace is empty for an object that is in none.
	Namespace, Name string
	UID             types.UID
}

// RefTo is a Ref to an object that was read from the server.
func RefTo(resource schema.GroupVersionResource, obj metav1.Object) Ref {
	return Ref{Resource: resource, Namespace: obj.GetNamespace(), Name: obj.GetName(), UID: obj.GetUID()}
}

// String is what a person calls it: "configmaps shop/menu".
func (r Ref) String() string {
	if r.Namespace == "" {
		return r.Resource.Resource + " " + r.Name
	}
	return r.Resource.Resource + " " + r.Namespace + "/" + r.Name
}

// CheckName returns an error that wraps ErrName, and has the name in it, unless the name is one that the server takes (a qualified name, as a
// label's key is) and has a domain, a slash, and what comes after it. The server takes one without a domain as well, with a warning.
func CheckName(finalizer string) error {
	// TODO(kata): apimachinery knows what a qualified name is. What does it not insist on?
	return errors.New("CheckName is not implemented")
}

// Add puts a finalizer on an object. When it returns nil, the server has it, and the object does not go before it is removed. One that is
// there already is not written again, also when the object is being deleted. Nothing else of the object changes, and nothing is lost of
// what others write meanwhile, their finalizers least of all.
//
//   - A name that is not fit (ErrName), and a Ref without a UID (ErrNoUID), are errors before the server is asked.
//   - An object that is gone, or has a successor of its name, is ErrGone.
//   - An object that is being deleted, and does not have the finalizer, is ErrDeleting: the server would not take it, now or later, so
//     that a write that was refused for this reason is not repeated.
//   - When somebody else has come in between, Add looks again, a few times, and gives up with the server's error.
//   - Any other error is the server's, and is returned at once.
//
// Errors name the object and the finalizer.
func Add(ctx context.Context, client metadata.Interface, ref Ref, finalizer string) error {
	// TODO(kata): Read, look, and patch what you have looked at. How does the server notice that it is not the same any more?
	return errors.New("Add is not implemented")
}

// Remove takes a finalizer off an object, which may be the end of it. Others stay, those among them that are written meanwhile.
//
//   - An object that is gone, one that has a successor of its name (which keeps its finalizers, even one of the same name), and one that does
//     not have the finalizer are no errors: there is nothing to do, and nothing is written.
//   - All else is as with Add: the name, the UID, whoever comes in between, other errors, and what they name.
func Remove(ctx context.Context, client metadata.Interface, ref Ref, finalizer string) error {
	// TODO(kata): What is the same as in Add, and what is not?
	return errors.New("Remove is not implemented")
}

// TODO(kata): Functions of your own: one that reads the object with the Ref's UID, one that changes the list.
