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
	// kata:begin A ticker, and a select in a loop. When both of its channels are ready, which one does select take?
	ticker := clock.NewTicker(period)
	defer ticker.Stop()
	for ctx.Err() == nil {
		if err := step(ctx); err != nil {
			if ctx.Err() != nil && errors.Is(err, context.Canceled) {
				return nil
			}
			return err
		}
		select {
		case <-ctx.Done():
		case <-ticker.C():
		}
	}
	return nil
	// kata:end
}
