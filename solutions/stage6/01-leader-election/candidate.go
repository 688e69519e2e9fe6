// Package leaderelection lets one of several processes work, and sees to it that the one before has stopped. Begin with
// [Candidate.Run]; [Repeat] is the work that it guards, [Timing] what it needs to know, and [NewLock] what they all look at.
package leaderelection

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/rest"
	election "k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/util/retry"
)

// ErrLost is what Run returns when the lease was lost.
var ErrLost = errors.New("the lease is lost")

// Identity makes an identity of a name that people recognise ("1", a pod's name): the name, an underscore, and something that no other
// process has, even if it has the same name, on another machine or after a restart.
func Identity(name string) string {
	// kata:begin Look for uuid in apimachinery.
	return name + "_" + string(uuid.NewUUID())
	// kata:end
}

// NewLock returns a lock on the Lease with this namespace and name. It speaks to the server through a client of its own, so that a renewal
// does not wait behind the work's requests.
func NewLock(config *rest.Config, namespace, name, identity string, renewDeadline time.Duration) (resourcelock.Interface, error) {
	// kata:begin Package resourcelock has a function for exactly this.
	return resourcelock.NewFromKubeconfig(resourcelock.LeasesResourceLock, namespace, name, resourcelock.ResourceLockConfig{Identity: identity}, config, renewDeadline)
	// kata:end
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
	// kata:begin Make a LeaderElector, and run it on a goroutine. Which context does it get, if the lease is to be renewed until Work has
	// | returned? Wait for the end of ctx, or for OnStartedLeading, then for Work, then for the elector. Then give the lease back. Think
	// | twice about ReleaseOnCancel, and read client-go's renew.
	if err := c.Timing.Validate(); err != nil {
		return err
	}
	started := make(chan context.Context, 1)
	elector, err := election.NewLeaderElector(c.config(started))
	if err != nil {
		return fmt.Errorf("stand for election at %s: %w", c.Lock.Describe(), err)
	}
	electing, withdraw := context.WithCancel(context.WithoutCancel(ctx))
	defer withdraw()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		elector.Run(electing)
	}()

	select {
	case <-ctx.Done():
	case lease := <-started:
		err = c.lead(ctx, lease)
	}
	withdraw()
	<-stopped
	if errors.Is(err, ErrLost) {
		return err
	}
	return errors.Join(err, c.release(ctx))
	// kata:end
}

// kata:begin The configuration of the elector, the work under a lease, and giving the lease back, in functions of your own.
// kata:stub

// config sends the context of a lease that was won to started, which has room for one.
func (c *Candidate) config(started chan<- context.Context) election.LeaderElectionConfig {
	return election.LeaderElectionConfig{
		Lock:          c.Lock,
		LeaseDuration: c.Timing.LeaseDuration,
		RenewDeadline: c.Timing.RenewDeadline,
		RetryPeriod:   c.Timing.RetryPeriod,
		// ReleaseOnCancel would give the lease back before it ends the context of the work: see release.
		Callbacks: election.LeaderCallbacks{
			OnStartedLeading: func(lease context.Context) { started <- lease },
			OnStoppedLeading: func() {}, // it is called as well when nobody has led: Run waits for the elector instead
			OnNewLeader: func(identity string) {
				if c.NewLeader != nil && identity != "" {
					c.NewLeader(identity)
				}
			},
		},
	}
}

// lead works until one of the two contexts ends: Run's, or that of the lease.
func (c *Candidate) lead(ctx, lease context.Context) error {
	work, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	defer context.AfterFunc(lease, func() { stop(ErrLost) })()

	err := c.Work(work)
	if work.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil
	}
	if lease.Err() != nil {
		err = errors.Join(ErrLost, err)
	}
	return err
}

// release gives the lease back if it is ours, which it may be without our knowledge: the answer to our last request may have been lost.
func (c *Candidate) release(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.Timing.RenewDeadline)
	defer cancel()
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		record, _, err := c.Lock.Get(ctx)
		if apierrors.IsNotFound(err) {
			return nil
		}
		if err != nil || record.HolderIdentity != c.Lock.Identity() {
			return err
		}
		now := metav1.Now()
		return c.Lock.Update(ctx, resourcelock.LeaderElectionRecord{
			LeaderTransitions:    record.LeaderTransitions,
			LeaseDurationSeconds: 1,
			AcquireTime:          now,
			RenewTime:            now,
		})
	})
	if err != nil {
		return fmt.Errorf("give %s back: %w", c.Lock.Describe(), err)
	}
	return nil
}

// kata:end
