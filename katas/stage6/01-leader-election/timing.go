package leaderelection

import (
	"errors"
	"time"
)

// ErrTiming is what Validate returns, with what is wrong.
var ErrTiming = errors.New("the times of the election do not go together")

// Timing are the three durations of an election. All candidates have the same.
type Timing struct {
	// LeaseDuration is how long the others wait, since they have last seen the lease renewed, until they take it. It is written into
	// the Lease, in whole seconds.
	LeaseDuration time.Duration
	// RenewDeadline is how long the leader tries to renew the lease, until it gives up.
	RenewDeadline time.Duration
	// RetryPeriod is the time between two tries of anything: to get the lease, to renew it, to renew it again.
	RetryPeriod time.Duration
}

// Default are the durations that the components of Kubernetes have.
var Default = Timing{LeaseDuration: 15 * time.Second, RenewDeadline: 10 * time.Second, RetryPeriod: 2 * time.Second}

// Validate returns an error that wraps ErrTiming, and names the field, unless
//
//   - RetryPeriod is more than nothing,
//   - RenewDeadline is more than RetryPeriod with its jitter (election.JitterFactor), so that there is time for a second try,
//   - LeaseDuration is a number of whole seconds, since it is written down as one,
//   - LeaseDuration is more than RenewDeadline and RetryPeriod together: so long after its last renewal a leader gives up, and whatever
//     is left is the time in which it must be quiet before the others begin.
func (t Timing) Validate() error {
	// TODO(kata): One condition after the other.
	return errors.New("Timing.Validate is not implemented")
}
