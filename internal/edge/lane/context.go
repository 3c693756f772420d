package lane

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// requestContext is the context of one request. Nothing watches the connection until somebody waits for the
// context to end.
type requestContext struct {
	context.Context // the connection's
	conn            *conn

	mu      sync.Mutex
	over    bool
	waited  atomic.Pointer[context.Context] // can be waited for; nil: nobody does
	cancel  context.CancelFunc
	watched chan bool // of the watch: whether the connection lives
}

// Done implements context.Context.
func (c *requestContext) Done() <-chan struct{} {
	if waited := c.waited.Load(); waited != nil {
		return (*waited).Done()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if waited := c.waited.Load(); waited != nil {
		return (*waited).Done()
	}
	waited, cancel := context.WithCancel(c.Context)
	c.cancel = cancel
	if c.over {
		cancel()
	} else {
		c.watched = make(chan bool, 1)
		c.conn.setDeadline(0) // before end sets one
		go func() { c.watched <- c.conn.watch(cancel) }()
	}
	c.waited.Store(&waited)
	return waited.Done()
}

// Err implements context.Context.
func (c *requestContext) Err() error {
	if waited := c.waited.Load(); waited != nil {
		return (*waited).Err() //nolint:wrapcheck // a context's errors are never wrapped
	}
	return nil
}

// Value implements context.Context.
func (c *requestContext) Value(key any) any {
	if waited := c.waited.Load(); waited != nil {
		return (*waited).Value(key)
	}
	return c.Context.Value(key)
}

// end ends the context after the request was served, and the watch, and reports whether the connection lives.
func (c *requestContext) end() bool {
	c.mu.Lock()
	c.over = true
	cancel, watched := c.cancel, c.watched
	c.mu.Unlock()
	if cancel == nil {
		return true
	}
	defer cancel()
	if watched == nil {
		return true
	}
	_ = c.conn.SetReadDeadline(time.Unix(1, 0)) // wakes the watch; one that cannot be woken has ended
	lives := <-watched
	c.conn.setDeadline(0)
	return lives
}

// watch reads from the connection while a request is served, to see whether the caller leaves. A byte that comes
// is the next request's. It reports whether the connection lives.
func (c *conn) watch(leave func()) bool {
	n, err := c.Conn.Read(c.one[:])
	if n > 0 {
		c.early = append(c.early, c.one[:n]...)
		return true
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return true
	}
	leave()
	return false
}
