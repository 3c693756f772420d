// Package clock is where Meridian's code gets the time from, so that tests and simulations can give their own.
package clock

import "time"

// Clock tells the time. It is safe for concurrent use.
type Clock func() time.Time

// System returns the machine's clock, in UTC and without the monotonic reading, as rows keep it.
func System() Clock {
	return func() time.Time { return time.Now().UTC().Round(0) }
}
