package crdbasics

import (
	"context"
	"errors"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

var (
	// ErrStorage refuses to retire the version in which the server stores objects.
	ErrStorage = errors.New("it is the storage version")
	// ErrStored refuses to retire a version in which objects may still be stored, since status.storedVersions lists it.
	ErrStored = errors.New("it is still in status.storedVersions")
)

// Retire takes a version out of service: it removes it from the spec.versions of the CustomResourceDefinition with the given name,
// with one write, and changes nothing else. A version that is not there is retired already: Retire returns nil, and writes nothing.
//
// It writes nothing either, and returns an error that wraps
//   - ErrStorage when the version is the storage version,
//   - else ErrStored when status.storedVersions lists it, served or not. Who may remove it from there is whoever has migrated the
//     objects, which Retire has not.
//
// When somebody else has written in between, and the server says so with a conflict, Retire begins anew, with the definition as
// it is now and with all of these questions; when that happens again and again, it gives up after a few times and returns the conflict.
// Any other error of the server ends it at once, to the question as well as to the write, and so does the end of ctx. All errors, that
// conflict too, name the definition and the version, and wrap the server's own.
//
// c reads from the server: with a cache, the second look would see what the first one saw.
func Retire(ctx context.Context, c client.Client, name, version string) error {
	// TODO(kata): Get the definition, refuse what must not be retired, and update it without the version; again on a conflict.
	return errors.New("Retire is not implemented")
}
