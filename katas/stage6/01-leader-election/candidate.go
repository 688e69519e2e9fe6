// Package leaderelection lets one of several processes work, and sees to it that the one before has stopped. Begin with
// [Candidate.Run]; [Repeat] is the work that it guards, [Timing] what it needs to know, and [NewLock] what they all look at.
package leaderelection

import (
	"context"
	"errors"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// ErrLost is what Run returns when the lease was lost.
var ErrLost = errors.New("the lease is lost")

// Identity makes an identity of a name that people recognise ("1", a pod's name): the name, an underscore, and something that no other
// process has, even if it has the same name, on another machine or after a restart.
func Identity(name string) string {
	// TODO(kata): Look for uuid in apimachinery.
	panic("Identity is not implemented")
}

// NewLock returns a lock on the Lease with this namespace and name. It speaks to the server through a client of its own, so that a renewal
// does not wait behind the work's requests.
func NewLock(config *rest.Config, namespace, name, identity string, renewDeadline time.Duration) (resourcelock.Interface, error) {
	// TODO(kata): Package resourcelock has a function for exactly this.
	return nil, errors.New("NewLock is not implemented")
}

// Candidate stands for election. Fill in the fields, then call Run, once.
type Candidate struct {
	// Lock is what the candidates compete for. It knows this candidate's identity.
	Lock   resourcelock.Interface
	Timing Timing
	// Work is what only the leader may do. It has until the end of its context, and then as little more as it can.
	Work func(ctx context.Context) error
	// NewLeader is told the identity of each leader that is seen, this candidate's too. A lease that nobody holds has no leader, and
	// is not told. It may be nil.
	NewLeader func(identity string)
}

// Run stands for election until it has led, or ctx ends. As leader it calls Work, with a context that has the values of ctx, and ends
//
//   - when ctx does: the lease is kept, and renewed, until Work has returned, and then given back,
//   - when the lease is lost, because somebody else has it or because it could not be renewed in time. context.Cause is ErrLost then.
//     The lease is not given back: it may be another's by now.
//
// If Work returns before either, the lease is given back too: whoever does not work shall not keep others from it.
//
// Run returns when Work has, and the lease is given back; nothing goes on afterwards. Timing that is not valid, and a lock
// that client-go does not accept, are errors before the lock is asked. Otherwise the error joins
//
//   - what Work has returned, except for context.Canceled after the end of its context,
//   - ErrLost, if the lease was lost before Work had returned,
//   - why the lease could not be given back. That has RenewDeadline, and a conflict is tried again.
func (c *Candidate) Run(ctx context.Context) error {
	// TODO(kata): Make a LeaderElector, and run it on a goroutine. Which context does it get, if the lease is to be renewed until Work has
	// returned? Wait for the end of ctx, or for OnStartedLeading, then for Work, then for the elector. Then give the lease back. Think
	// twice about ReleaseOnCancel, and read client-go's renew.
	return errors.New("Candidate.Run is not implemented")
}

// TODO(kata): The configuration of the elector, the work under a lease, and giving the lease back, in functions of your own.
