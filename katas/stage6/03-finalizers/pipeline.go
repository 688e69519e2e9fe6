package finalizers

import (
	"context"
	"errors"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/metadata"
)

// ErrTwice says that two steps have the same finalizer.
var ErrTwice = errors.New("two steps have the same finalizer")

// Step is something that is done for an object outside of it, and must be undone before the object goes. Both functions get the object as Run
// has read it, a copy of their own. They are called again whenever Run is, so that doing it twice must be as good as once.
type Step struct {
	// Finalizer stands on the object from before the work is begun until the clean-up has succeeded.
	Finalizer string
	// Work does it. It may be nil.
	Work func(ctx context.Context, obj *metav1.PartialObjectMetadata) error
	// Clean undoes it, whatever part of it was done. A duration of more than nothing says that it is under way, and not done: come again
	// after that long. It may be nil, and is done then.
	Clean func(ctx context.Context, obj *metav1.PartialObjectMetadata) (again time.Duration, err error)
}

// Pipeline is a number of steps, of which each relies on those before it.
type Pipeline struct {
	Client metadata.Interface
	Steps  []Step
}

// Run brings an object further, as far as it goes. Call it again when it has returned an error, when the duration that it has returned is
// over, and when the object has changed. A step without a fit name (ErrName), two steps with the same one (ErrTwice; the text has the name),
// and a Ref without a UID (ErrNoUID) are errors before the server is asked and anything is done.
//
// For an object that is not being deleted, Run takes the steps in their order, and for each of them
//
//  1. adds the finalizer, if it is not there. It comes now, and not sooner: a finalizer says that the step's work may have begun.
//  2. when the server has it, and only then, calls Work, also if the finalizer has been there before: who knows how far the last Run came.
//
// An error in either is returned, and no further step is begun. Should the object's deletion begin meanwhile, no step is begun whose
// finalizer is not there yet: Run returns ErrDeleting, and the next one cleans up, or it goes over to cleaning up at once. Both are fine.
//
// For an object that is being deleted, Run takes the steps from the last to the first, those whose finalizer is there, and for each of them
//
//  1. calls Clean. An error of it is returned, and a duration that it wants to wait for, with a nil error; in both cases this finalizer and
//     those of the steps before it stay, and nothing more is cleaned.
//  2. removes the finalizer, before the next step is looked at. What has been cleaned is not cleaned again.
//
// A step whose finalizer is not there is not cleaned. Others' finalizers on the object are others' business.
//
// For an object that is gone, or has a successor of its name, there is nothing to do, which is no error. Errors of the steps are wrapped,
// with the finalizer in the text. When all is done, nothing is written.
func (p *Pipeline) Run(ctx context.Context, ref Ref) (again time.Duration, err error) {
	// TODO(kata): Check the steps. Read the object. Which of the two ways?
	return 0, errors.New("Pipeline.Run is not implemented")
}

// TODO(kata): Functions of your own: one for each way.
