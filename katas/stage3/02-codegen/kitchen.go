// Package codegen is a bakery that uses generated code: a clientset, an informer and a lister for Loaves.
package codegen

import (
	"context"
	"errors"

	bakeryv1 "github.com/kubekata/kubekata/katas/stage3/02-codegen/apis/bakery/v1"
	"github.com/kubekata/kubekata/katas/stage3/02-codegen/generated/clientset/versioned"
)

// Order creates a Loaf with its defaults filled in, as the clientset's scheme knows them, and returns what the server has made of it. A
// definition in YAML knows nothing of Go's defaults, so the client does it. The Loaf that is passed stays as it is. The
// server's error is returned as it is.
func Order(ctx context.Context, client versioned.Interface, loaf *bakeryv1.Loaf) (*bakeryv1.Loaf, error) {
	// TODO(kata): A copy, the scheme's Default, and Create.
	return nil, errors.New("Order is not implemented")
}

// Weigh writes a Loaf's weight, in grams, into its status, and leaves the rest of the status as it is. It tries again, some times, when somebody else has
// changed the Loaf in between. A Loaf that is not there is the server's error (apierrors.IsNotFound).
func Weigh(ctx context.Context, client versioned.Interface, namespace, name string, grams int32) error {
	// TODO(kata): Get, change, UpdateStatus; and again on a conflict, from the Get on.
	return errors.New("Weigh is not implemented")
}

// Shelf is a copy of a namespace's Loaves that keeps itself up to date.
type Shelf struct {
	// TODO(kata): A factory of informers, the informer and its lister.
}

// NewShelf makes a shelf for the Loaves of a namespace. It asks the server for nothing.
func NewShelf(client versioned.Interface, namespace string) *Shelf {
	// TODO(kata): The factory is the generated one. Ask it for the informer now: Start starts what was asked for.
	panic("NewShelf is not implemented")
}

// Run fills the shelf and keeps it up to date until ctx ends. Then it returns nil, and leaves nothing running.
func (s *Shelf) Run(ctx context.Context) error {
	// TODO(kata): Start, wait, and Shutdown, which waits for the informer's end.
	return errors.New("Shelf.Run is not implemented")
}

// Wait returns when the shelf is full, or with an error that wraps ctx's when that comes first.
func (s *Shelf) Wait(ctx context.Context) error {
	// TODO(kata): The informer has a HasSyncedChecker.
	return errors.New("Shelf.Wait is not implemented")
}

// Baked returns the Loaves of the shelf that have a weight, by name. They are the caller's to change.
func (s *Shelf) Baked() ([]*bakeryv1.Loaf, error) {
	// TODO(kata): The lister's objects are the cache's own: DeepCopy.
	return nil, errors.New("Shelf.Baked is not implemented")
}
