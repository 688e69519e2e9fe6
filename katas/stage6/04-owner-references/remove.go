package ownerreferences

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// RemoveOwner takes the reference to one owner out of a dependant, on the server. Nothing else of the dependant is changed, also
// nothing that somebody else writes meanwhile: another owner, a label, the data.
//
// The argument dependant only says which object is meant (kind, namespace, name, UID). It may be a cache's, so that it is not changed; and it
// may be old, so that its references are not believed. Its kind may be any that the client knows, one of a CustomResourceDefinition too.
// What c reads may be from a cache, live reads from the server.
//
// There is nothing to do, which is no error, when the dependant is gone, when another object has its name by now, or when it has no such
// reference: then nothing is written. When somebody else comes in between, RemoveOwner looks again, a few times.
func RemoveOwner(ctx context.Context, c client.Client, live client.Reader, dependant client.Object, owner types.UID) error {
	// TODO(kata): A patch that is applied only where you have looked. Which kinds of patches does the server know for a custom resource?
	return errors.New("RemoveOwner is not implemented")
}

// TODO(kata): Functions of your own.
