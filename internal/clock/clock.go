// Package clock is where Meridian's code gets the time from, so that tests and simulations can give their own.
package clock

import (
	"context"
	"time"
)

// Clock tells the time. It is safe for concurrent use.
type Clock func() time.Time

// System returns the machine's clock, in UTC and without the monotonic reading, as rows keep it.
func System() Clock {
	return func() time.Time { return time.Now().UTC().Round(0) }
}

// Sleep waits for d of the wall clock's time. It returns the context's cause as soon as the context ends.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
