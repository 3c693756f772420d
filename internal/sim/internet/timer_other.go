//go:build !linux

package internet

import (
	"os"
	"sync"
	"time"
)

// timer waits with the runtime's timers.
type timer struct {
	done chan struct{}
	once sync.Once
}

func newTimer() (*timer, error) { return &timer{done: make(chan struct{})}, nil }

// wait returns at a time, or with an error once the timer was closed. One goroutine at a time may wait.
func (t *timer) wait(until time.Time) error {
	clock := time.NewTimer(time.Until(until))
	defer clock.Stop()
	select {
	case <-clock.C:
		return nil
	case <-t.done:
		return os.ErrClosed
	}
}

func (t *timer) close() { t.once.Do(func() { close(t.done) }) }
