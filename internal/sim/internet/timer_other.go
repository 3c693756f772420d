//go:build !linux

package internet

import "time"

// timer waits with the runtime's timers.
type timer struct{}

func newTimer() (timer, error) { return timer{}, nil }

func (timer) wait(until time.Time) error {
	time.Sleep(time.Until(until))
	return nil
}

func (timer) close() {}
