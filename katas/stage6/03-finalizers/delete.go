package finalizers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"k8s.io/client-go/metadata"
)

// StuckError says that an object was still there when there was no more time.
type StuckError struct {
	Ref Ref
	// Finalizers are those that it had when it was last seen.
	Finalizers []string
	// Err is why nobody waits any more: the error of a context, context.DeadlineExceeded when the timeout is over.
	Err error
}

// Error names the object and the finalizers.
func (e *StuckError) Error() string {
	what := "without any finalizer"
	if len(e.Finalizers) > 0 {
		what = "with the finalizers " + strings.Join(e.Finalizers, ", ")
	}
	return fmt.Sprintf("%s is still there, %s: %v", e.Ref, what, e.Err)
}

// Unwrap returns Err.
func (e *StuckError) Unwrap() error { return e.Err }

// DeleteAndWait deletes an object, and returns nil when it is gone: when the server does not have it any more, or another one has its name,
// which is left alone. An accepted Delete is not enough for that.
//
//   - A Ref without a UID is ErrNoUID, before the server is asked.
//   - An object that is being deleted already is not deleted again: the second Delete may shorten the first one's grace period. An object
//     that is gone is not deleted at all. Otherwise there is one Delete, of this UID, however long the waiting takes.
//   - What the server answers to the Delete instead is an error, unless it means that the object is gone. So is a Conflict if it is still
//     there.
//   - While waiting, the object is read, or watched. It is read at once after the Delete, and then once an interval, no more. An error that
//     the server answers a read with ends the waiting, and is returned. When there is no answer at all, the next read may bring one.
//   - After timeout, and when ctx ends before, the error is a *StuckError. All in all, the call takes no longer than timeout.
func DeleteAndWait(ctx context.Context, client metadata.Interface, ref Ref, interval, timeout time.Duration) error {
	// TODO(kata): Look first. Delete with a precondition. Then look again, until it is gone; package wait has a loop for it.
	return errors.New("DeleteAndWait is not implemented")
}

// TODO(kata): The Delete, in a function of your own.
