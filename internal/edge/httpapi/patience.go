package httpapi

import (
	"net"
	"sync"
	"time"
)

// writeStep is how many bytes a connection has to take within the patience: as many as a slow one takes in time.
const writeStep = 16 << 10

// Patient returns a listener whose connections end once they have taken nothing for half a minute while something was
// to be written: a caller who stops reading holds neither a connection nor what answers it. One that reads slowly has
// as long as it needs.
func Patient(l net.Listener) net.Listener { return patient{l, stuckAfter} }

type patient struct {
	net.Listener
	patience time.Duration
}

// Accept implements net.Listener.
func (p patient) Accept() (net.Conn, error) {
	c, err := p.Listener.Accept()
	if err != nil {
		return nil, err // a listener's own contract
	}
	return &patientConn{Conn: c, patience: p.patience}, nil
}

// patientConn is a connection whose writes have a time-out that begins anew with every step.
type patientConn struct {
	net.Conn
	patience time.Duration

	mu    sync.Mutex
	by    time.Time // as whoever uses the connection says; zero: no limit
	armed time.Time // the deadline that is set
}

// Write implements net.Conn.
func (c *patientConn) Write(b []byte) (int, error) {
	written := 0
	for {
		if err := c.arm(time.Now()); err != nil {
			return written, err
		}
		n, err := c.Conn.Write(b[written:min(len(b), written+writeStep)])
		if written += n; err != nil || written == len(b) {
			return written, err // a connection's own contract
		}
	}
}

// arm moves the deadline on. It is moved in leaps of a quarter of the patience: setting it costs as much as a short
// write, and most writes are short and many.
func (c *patientConn) arm(now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.armed.Sub(now) >= c.patience*3/4 {
		return nil
	}
	next := now.Add(c.patience)
	if !c.by.IsZero() && c.by.Before(next) {
		next = c.by
	}
	if next.Equal(c.armed) {
		return nil
	}
	c.armed = next
	return c.Conn.SetWriteDeadline(next) // a connection's own contract
}

// SetWriteDeadline implements net.Conn. What it says bounds writes beside the patience.
func (c *patientConn) SetWriteDeadline(by time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.by = by
	c.armed = by
	return c.Conn.SetWriteDeadline(by) // a connection's own contract
}

// SetDeadline implements net.Conn.
func (c *patientConn) SetDeadline(by time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.by = by
	c.armed = by
	return c.Conn.SetDeadline(by) // a connection's own contract
}
