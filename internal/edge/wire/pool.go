package wire

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"
)

// Pool is kept-alive connections, by address. It is safe for concurrent use.
type Pool struct {
	cfg Config

	mu    sync.Mutex
	idle  map[string][]*conn // the one used last is at the end
	sweep *time.Timer        // nil: nothing is idle
}

// NewPool returns an empty pool.
func NewPool(cfg Config) (*Pool, error) {
	if cfg.Dial == nil || cfg.MaxIdle < 0 || cfg.IdleTimeout <= 0 || cfg.HandshakeTimeout < 0 {
		return nil, errors.New("wire: a pool needs a dialer and bounds")
	}
	return &Pool{cfg: cfg, idle: map[string][]*conn{}}, nil
}

const (
	readBuffer  = 4 << 10
	keptScratch = 16 << 10 // larger buffers for writing are not kept

	// freshFor is how long ago a connection was read from that is not looked at before it is used again: what closes
	// it in that time could as well close it while it is looked at.
	freshFor = time.Millisecond
)

// conn is one connection. One exchange at a time has it.
type conn struct {
	net.Conn
	addr    string
	raw     syscall.RawConn // of the connection below TLS; nil: not known
	reader  *bufio.Reader
	limit   int64        // bytes that may still be read, while a head is
	scratch []byte       // for writing
	plain   plainAnswer  // what was found last
	asked   http.Request // what net/http needs to know of a request to parse its answer
	reused  bool
	since   time.Time // when it became idle
	dead    bool      // as found by peek
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
	return n, err //nolint:wrapcheck // a reader's own contract
}

// alive reports whether an idle connection can be used: the other side has neither closed it nor sent anything.
func (c *conn) alive(secure bool) bool {
	if c.reader.Buffered() > 0 {
		return false
	}
	if c.raw == nil {
		return true
	}
	c.dead = false
	if c.peek == nil {
		var one [1]byte
		c.peek = func(fd uintptr) {
			n, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
			switch {
			case n == 0 && err == nil: // closed
				c.dead = true
			case n > 0: // over TLS it may be a session ticket
				c.dead = !secure
			default:
				c.dead = !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EINTR)
			}
		}
	}
	if err := c.raw.Control(c.peek); err != nil {
		return false
	}
	return !c.dead
}

// take returns an idle connection that lives, nil for none.
func (p *Pool) take(addr string) *conn {
	for {
		c := p.pop(addr)
		if c == nil || time.Since(c.since) < freshFor && c.reader.Buffered() == 0 || c.alive(p.cfg.TLS != nil) {
			return c
		}
		_ = c.Close()
	}
}

func (p *Pool) pop(addr string) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.idle[addr]
	if len(list) == 0 {
		return nil
	}
	c := list[len(list)-1]
	list[len(list)-1] = nil
	p.idle[addr] = list[:len(list)-1]
	return c
}

// put keeps a connection whose answer was read to the end.
func (p *Pool) put(c *conn) {
	c.reused, c.since = true, time.Now()
	if cap(c.scratch) > keptScratch {
		c.scratch = nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle[c.addr]) >= p.cfg.MaxIdle {
		_ = c.Close()
		return
	}
	p.idle[c.addr] = append(p.idle[c.addr], c)
	if p.sweep == nil {
		p.sweep = time.AfterFunc(p.cfg.IdleTimeout/2, p.sweepIdle)
	}
}

// sweepIdle closes what was idle for too long, or what the other side has closed.
func (p *Pool) sweepIdle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sweep = nil
	oldest := time.Now().Add(-p.cfg.IdleTimeout)
	for addr, list := range p.idle {
		kept := list[:0]
		for _, c := range list {
			if c.since.Before(oldest) || !c.alive(p.cfg.TLS != nil) {
				_ = c.Close()
				continue
			}
			kept = append(kept, c)
		}
		clear(list[len(kept):])
		if p.idle[addr] = kept; len(kept) == 0 {
			delete(p.idle, addr)
		}
	}
	if len(p.idle) > 0 {
		p.sweep = time.AfterFunc(p.cfg.IdleTimeout/2, p.sweepIdle)
	}
}

// CloseIdle closes the connections that nobody uses now.
func (p *Pool) CloseIdle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for addr, list := range p.idle {
		for _, c := range list {
			_ = c.Close()
		}
		delete(p.idle, addr)
	}
	if p.sweep != nil {
		p.sweep.Stop()
		p.sweep = nil
	}
}

// dial makes a connection. Errors are DialErrors.
func (p *Pool) dial(ctx context.Context, addr string) (*conn, error) {
	below, err := p.cfg.Dial(ctx, "tcp", addr)
	if err != nil {
		return nil, &DialError{err}
	}
	c := &conn{Conn: below, addr: addr}
	if s, ok := below.(syscall.Conn); ok {
		if c.raw, err = s.SyscallConn(); err != nil {
			c.raw = nil
		}
	}
	if p.cfg.TLS != nil {
		if c.Conn, err = p.secure(ctx, below, addr); err != nil {
			_ = below.Close()
			return nil, &DialError{err}
		}
	}
	c.reader = bufio.NewReaderSize(c, readBuffer)
	return c, nil
}

func (p *Pool) secure(ctx context.Context, below net.Conn, addr string) (net.Conn, error) {
	cfg := p.cfg.TLS.Clone()
	cfg.NextProtos = []string{"http/1.1"}
	cfg.DynamicRecordSizingDisabled = true // a request is one record
	if cfg.ServerName == "" {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, fmt.Errorf("wire: TLS: %w", err)
		}
		cfg.ServerName = host
	}
	if p.cfg.HandshakeTimeout > 0 {
		limited, cancel := context.WithTimeout(ctx, p.cfg.HandshakeTimeout)
		defer cancel()
		ctx = limited
	}
	c := tls.Client(below, cfg)
	if err := c.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("wire: TLS: %w", err)
	}
	return c, nil
}
