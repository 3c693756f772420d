package edge

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// deadlineContext is a context that ends at a time, as one of context.WithDeadline does, but costs a timer only where
// somebody waits for its end: most requests are answered before. It is safe for concurrent use.
type deadlineContext struct {
	context.Context
	until time.Time

	once   sync.Once
	timed  atomic.Pointer[context.Context] // with the timer; nil: nobody waits
	cancel context.CancelFunc
}

// Deadline implements context.Context.
func (c *deadlineContext) Deadline() (time.Time, bool) { return c.until, true }

// Done implements context.Context.
func (c *deadlineContext) Done() <-chan struct{} {
	c.once.Do(func() {
		timed, cancel := context.WithDeadline(c.Context, c.until)
		c.cancel = cancel
		c.timed.Store(&timed)
	})
	if timed := c.timed.Load(); timed != nil {
		return (*timed).Done()
	}
	return c.Context.Done() // it is over
}

// Err implements context.Context.
func (c *deadlineContext) Err() error {
	within := c.Context
	if timed := c.timed.Load(); timed != nil {
		within = *timed
	}
	if err := within.Err(); err != nil {
		return err //nolint:wrapcheck // a context's errors are never wrapped
	}
	if !time.Now().Before(c.until) {
		return context.DeadlineExceeded
	}
	return nil
}

// Value implements context.Context.
func (c *deadlineContext) Value(key any) any {
	if timed := c.timed.Load(); timed != nil {
		return (*timed).Value(key)
	}
	return c.Context.Value(key)
}

// end frees the timer. The context must not be waited for afterward.
func (c *deadlineContext) end() {
	c.once.Do(func() {})
	if c.cancel != nil {
		c.cancel()
	}
}
