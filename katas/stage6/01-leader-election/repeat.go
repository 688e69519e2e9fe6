package leaderelection

import (
	"context"
	"errors"
	"time"

	"k8s.io/utils/clock"
)

// Repeat calls step at once, and then again in each period, one call at a time, until ctx ends: then it returns nil. A step gets ctx, and
// once ctx has ended none begins. An error of a step is returned, and no further step follows; except for context.Canceled after the
// end of ctx, which is how a step says that it has heard.
func Repeat(ctx context.Context, clock clock.WithTicker, period time.Duration, step func(ctx context.Context) error) error {
	// TODO(kata): A ticker, and a select in a loop. When both of its channels are ready, which one does select take?
	return errors.New("Repeat is not implemented")
}
