package wire

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"syscall"
	"time"
)

const (
	readBuffer  = 4 << 10
	keptScratch = 16 << 10 // larger buffers for writing are not kept
)

// conn is one connection. One exchange at a time has it.
type conn struct {
	net.Conn
	addr    string
	secure  bool
	raw     syscall.RawConn // of the connection below TLS; nil: not known
	reader  *bufio.Reader
	limit   int64  // bytes that may still be read, while a head is
	scratch []byte // for writing
	reused  bool
	since   time.Time // when it became idle
	noisy   bool      // as found by peek
	peek    func(fd uintptr)
}

// Read implements io.Reader, and bounds an answer's head.
func (c *conn) Read(b []byte) (int, error) {
	if c.limit <= 0 {
		return 0, errLongHead
	}
	if int64(len(b)) > c.limit {
		b = b[:c.limit]
	}
	n, err := c.Conn.Read(b)
	c.limit -= int64(n)
	return n, err // unwrapped: callers of a Read compare with io.EOF
}

// quiet reports whether an idle connection can be used: the other side has neither closed it nor sent anything that
// was not read. Nothing that comes on an idle connection is wanted, over TLS neither: session tickets come with the
// first answer.
func (c *conn) quiet() bool {
	if c.reader.Buffered() > 0 {
		return false
	}
	if c.secure && !c.drained() {
		return false
	}
	if c.raw == nil {
		return true
	}
	c.noisy = false
	if c.peek == nil { // made once, since it is asked for each request
		var one [1]byte
		c.peek = func(fd uintptr) {
			n, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
			c.noisy = n > 0 || err == nil || !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EINTR)
		}
	}
	return c.raw.Control(c.peek) == nil && !c.noisy
}

// drained reports whether TLS holds nothing that was read from the network already. A deadline that is past lets a read
// return what is at hand, and no more.
func (c *conn) drained() bool {
	if c.SetReadDeadline(time.Unix(1, 0)) != nil {
		return false
	}
	c.limit = 1
	_, err := c.reader.Peek(1)
	return errors.Is(err, os.ErrDeadlineExceeded) && c.SetReadDeadline(time.Time{}) == nil
}

// take returns an idle connection that can be used, nil for none.
func (t *Transport) take(addr string) *conn {
	for {
		c := t.pop(addr)
		if c == nil || c.quiet() {
			return c
		}
		_ = c.Close()
	}
}

func (t *Transport) pop(addr string) *conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := t.idle[addr]
	if len(list) == 0 {
		return nil
	}
	c := list[len(list)-1]
	list[len(list)-1] = nil // so that the array does not keep it
	t.idle[addr] = list[:len(list)-1]
	return c
}

// put keeps a connection whose answer was read to the end.
func (t *Transport) put(c *conn) {
	c.reused = true
	c.since = time.Now()
	if cap(c.scratch) > keptScratch {
		c.scratch = nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.idle[c.addr]) >= t.cfg.MaxIdle {
		_ = c.Close()
		return
	}
	t.idle[c.addr] = append(t.idle[c.addr], c)
	if t.sweep == nil {
		t.sweep = time.AfterFunc(t.cfg.IdleTimeout/2, t.sweepIdle)
	}
}

// sweepIdle closes what was idle for too long, or what the other side has closed.
func (t *Transport) sweepIdle() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweep = nil // the next connection that becomes idle begins anew
	oldest := time.Now().Add(-t.cfg.IdleTimeout)
	for addr, list := range t.idle {
		kept := list[:0]
		for _, c := range list {
			if c.since.Before(oldest) || !c.quiet() {
				_ = c.Close()
				continue
			}
			kept = append(kept, c)
		}
		clear(list[len(kept):])
		if t.idle[addr] = kept; len(kept) == 0 {
			delete(t.idle, addr)
		}
	}
	if len(t.idle) > 0 {
		t.sweep = time.AfterFunc(t.cfg.IdleTimeout/2, t.sweepIdle)
	}
}

// CloseIdleConnections closes the connections that nobody uses now.
func (t *Transport) CloseIdleConnections() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for addr, list := range t.idle {
		for _, c := range list {
			_ = c.Close()
		}
		delete(t.idle, addr)
	}
	if t.sweep != nil {
		t.sweep.Stop()
		t.sweep = nil
	}
}

// dial makes a connection. Errors are DialErrors.
func (t *Transport) dial(ctx context.Context, addr string) (*conn, error) {
	nc, err := t.cfg.Connect(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: nc, addr: addr}
	below := nc
	if s, ok := nc.(*tls.Conn); ok {
		c.secure = true
		below = s.NetConn()
	}
	if s, ok := below.(syscall.Conn); ok {
		if c.raw, err = s.SyscallConn(); err != nil {
			c.raw = nil
		}
	}
	c.reader = bufio.NewReaderSize(c, readBuffer)
	return c, nil
}
