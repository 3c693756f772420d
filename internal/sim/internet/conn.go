package internet

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Sizes of a connection's path: what one packet train carries, and how many may be under way each way.
const (
	chunkSize      = 32 << 10
	chunksInTheAir = 64
)

// chunk is some bytes under way; nil bytes are the end of the stream.
type chunk struct {
	due  time.Time
	data []byte
}

// conn is a connection whose bytes take half a round trip each way.
type conn struct {
	net.Conn // the caller's end

	far    net.Conn // the other end of the caller's pipe
	raw    net.Conn // to the edge
	broken atomic.Bool
	once   sync.Once
	done   chan struct{}
	onEnd  func(*conn)
}

// dial connects to addr as from rtt away: the handshake takes a round trip, refused or not.
func dial(ctx context.Context, addr string, rtt time.Duration, onEnd func(*conn)) (*conn, error) {
	start := time.Now()
	var d net.Dialer
	raw, err := d.DialContext(ctx, "tcp", addr)
	if waitErr := sleep(start.Add(rtt)); waitErr != nil || err != nil {
		if raw != nil {
			_ = raw.Close()
		}
		return nil, errors.Join(err, waitErr)
	}
	c := &conn{raw: raw, done: make(chan struct{}), onEnd: onEnd}
	c.Conn, c.far = net.Pipe()
	c.relay(c.far, raw, rtt/2)
	c.relay(raw, c.far, rtt/2)
	return c, nil
}

// sleep waits until a time.
func sleep(until time.Time) error {
	t, err := newTimer()
	if err != nil {
		return err
	}
	defer t.close()
	return t.wait(until)
}

// relay carries what src says to dst, each chunk delay after it was said, in order, without limiting the rate.
func (c *conn) relay(src, dst net.Conn, delay time.Duration) {
	air := make(chan chunk, chunksInTheAir)
	go func() {
		defer close(air)
		buf := make([]byte, chunkSize)
		for {
			n, err := src.Read(buf)
			if n > 0 && !c.send(air, chunk{due: time.Now().Add(delay), data: bytes.Clone(buf[:n])}) {
				return
			}
			if err == nil {
				continue
			}
			if c.send(air, chunk{due: time.Now().Add(delay)}) && !errors.Is(err, io.EOF) {
				c.broken.Store(true)
			}
			return
		}
	}()
	go func() {
		defer c.end()
		t, err := newTimer()
		if err != nil {
			return
		}
		defer t.close()
		for p := range air {
			if err := t.wait(p.due); err != nil || p.data == nil {
				return
			}
			if _, err := dst.Write(p.data); err != nil {
				return
			}
		}
	}()
}

// send puts a chunk on its way; false means that the connection has ended.
func (c *conn) send(air chan<- chunk, p chunk) bool {
	select {
	case <-c.done:
		return false
	default:
	}
	select {
	case air <- p:
		return true
	case <-c.done:
		return false
	}
}

// Read implements net.Conn. After a reset it fails with ECONNRESET.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil && errors.Is(err, io.EOF) && c.broken.Load() {
		err = &net.OpError{Op: "read", Net: "tcp", Addr: c.raw.RemoteAddr(), Err: syscall.ECONNRESET}
	}
	return n, err
}

// Close implements net.Conn.
func (c *conn) Close() error {
	err := c.Conn.Close()
	c.end()
	return err
}

// reset breaks the connection at once, in both directions, as a re-routed flow is.
func (c *conn) reset() {
	c.broken.Store(true)
	if tcp, ok := c.raw.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	c.end()
}

// end releases everything once.
func (c *conn) end() {
	c.once.Do(func() {
		close(c.done)
		_ = c.raw.Close()
		_ = c.far.Close()
		c.onEnd(c)
	})
}
