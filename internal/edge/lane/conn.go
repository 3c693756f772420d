package lane

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync/atomic"
	"time"
)

const (
	bufferSize = 4 << 10     // of a plain request at most
	gatherTime = time.Second // from a request's first bytes to its last
	maxReads   = 8           // in which a plain request arrives

	leastRequest = 4 // bytes; after another one, less than that before the connection's end is not answered, as by net/http
)

// The states of a connection.
const (
	stateActive int32 = iota // something is under way, or it is new
	stateIdle
	stateClosed // by Shutdown
)

// conn is one connection, until it is handed over.
type conn struct {
	net.Conn
	server  *Server
	secure  *tls.ConnectionState // nil: clear text
	remote  string
	context context.Context
	reader  *bufio.Reader
	state   atomic.Int32
	armed   time.Time // when the read deadline was set for being idle; zero: it is another one
	early   []byte    // read by a watch ahead of its time
	one     [1]byte
	posted  bool // the last request was a POST
	served  bool // there was one
	layout  layout
	answer  response
}

// run serves the connection to its end, or until it is handed over.
func (c *conn) run() {
	defer c.server.forget(c)
	defer func() { c.panicked(recover()) }()
	if c.server.secure != nil && !c.handshake() {
		return
	}
	c.remote = c.RemoteAddr().String()
	c.context = context.WithValue(c.server.context, http.LocalAddrContextKey, c.LocalAddr())
	c.reader = bufio.NewReaderSize((*source)(c), bufferSize)
	c.setDeadline(c.server.headerTimeout())
	for c.next() {
	}
}

// panicked closes a connection whose handler panicked, which it says to the log unless the handler meant to.
func (c *conn) panicked(cause any) {
	if cause == nil {
		return
	}
	if err, ok := cause.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
		trace := make([]byte, 64<<10)
		c.server.logf("lane: panic serving %s: %v\n%s", c.remote, cause, trace[:runtime.Stack(trace, false)])
	}
	_ = c.Close()
}

// handshake makes the connection a TLS one, and hands over one that is not for HTTP/1.1.
func (c *conn) handshake() bool {
	below, secure := c.Conn, tls.Server(c.Conn, c.server.secure)
	if d := c.server.headerTimeout(); d > 0 {
		_ = below.SetDeadline(time.Now().Add(d)) // a connection that cannot is closed, which the handshake finds
	}
	if err := secure.HandshakeContext(c.server.context); err != nil {
		var record tls.RecordHeaderError
		if errors.As(err, &record) && record.Conn != nil && looksLikeHTTP(record.RecordHeader) {
			_, _ = io.WriteString(record.Conn, "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")
		}
		_ = below.Close()
		c.server.logf("lane: TLS handshake with %s: %v", below.RemoteAddr(), err)
		return false
	}
	_ = below.SetDeadline(time.Time{}) // as above
	state := secure.ConnectionState()
	if state.NegotiatedProtocol != "" && state.NegotiatedProtocol != "http/1.1" {
		c.server.rest.push(secure)
		return false
	}
	c.Conn, c.secure = secure, &state
	return true
}

// looksLikeHTTP reports whether what was to be a TLS record begins as a request does.
func looksLikeHTTP(record [5]byte) bool {
	switch string(record[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO":
		return true
	}
	return false
}

// next serves one request. It reports false when the connection is closed or handed over.
func (c *conn) next() bool {
	if c.reader.Buffered() == 0 {
		if _, err := c.reader.Peek(1); err != nil || !c.wake() {
			_ = c.Close()
			return false
		}
	}
	if c.posted && c.skipLineEnds() {
		return c.rest()
	}
	err := c.gather()
	switch {
	case errors.Is(err, io.EOF) && c.served && c.reader.Buffered() < leastRequest:
		return c.end() // no request came
	case err != nil:
		return c.handOver(c.buffered())
	}
	made := &request{ctx: requestContext{Context: c.context, conn: c}}
	r, ok := c.layout.request(made, c.buffered())
	if !ok {
		return c.handOver(c.buffered())
	}
	_, _ = c.reader.Discard(c.layout.length) // it is there
	r.RemoteAddr, r.TLS = c.remote, c.secure
	c.served, c.posted = true, c.layout.post
	if !c.serve(&made.ctx, r) {
		return c.end()
	}
	return c.rest()
}

// skipLineEnds skips line ends that some clients send behind a POST (RFC 9112, section 2.2), as net/http does. It
// reports whether nothing else has arrived.
func (c *conn) skipLineEnds() bool {
	c.posted = false
	for _, b := range c.buffered()[:min(c.reader.Buffered(), 4)] {
		if b != '\r' && b != '\n' {
			break
		}
		_, _ = c.reader.Discard(1) // it is there
	}
	return c.reader.Buffered() == 0
}

// wake makes an idle connection a busy one, unless it was closed meanwhile.
func (c *conn) wake() bool {
	return c.state.Load() == stateActive || c.state.CompareAndSwap(stateIdle, stateActive)
}

// rest makes the connection idle until the next request.
func (c *conn) rest() bool {
	if c.reader.Buffered() > 0 {
		return !c.server.closing.Load() || c.end()
	}
	if idle := c.server.idleTimeout(); idle > 0 {
		if now := time.Now(); now.Sub(c.armed) > idle/16 {
			c.armed = now
			_ = c.SetReadDeadline(now.Add(idle)) // a connection that cannot is closed, which the next read finds
		}
	} else {
		c.setDeadline(0)
	}
	c.state.Store(stateIdle)
	return !c.server.closing.Load() || c.end()
}

func (c *conn) end() bool {
	_ = c.Close()
	return false
}

// setDeadline sets until when reads may take; 0 is no limit.
func (c *conn) setDeadline(d time.Duration) {
	c.armed = time.Time{}
	var by time.Time
	if d > 0 {
		by = time.Now().Add(d)
	}
	_ = c.SetReadDeadline(by) // a connection that cannot is closed, which the next read finds
}

func (c *conn) buffered() []byte {
	b, _ := c.reader.Peek(c.reader.Buffered()) // what is buffered is there
	return b
}

// errStrange is that of what is not a plain request that arrives quickly.
var errStrange = errors.New("lane: not a plain request")

// gather reads until a plain request is there. Anything else is errStrange, or what ended the reading before that
// could be told.
func (c *conn) gather() error {
	for reads := range maxReads {
		v := c.layout.examine(c.buffered())
		if v == plain {
			return nil
		}
		few := c.served && c.reader.Buffered() < leastRequest
		if v == strange && !few || c.reader.Buffered() == bufferSize {
			return errStrange
		}
		if reads == 0 {
			c.setDeadline(gatherTime)
		}
		if _, err := c.reader.Peek(c.reader.Buffered() + 1); err != nil {
			return err //nolint:wrapcheck // it ends here
		}
	}
	return errStrange
}

// handOver gives the connection to net/http's server, which reads from the given bytes on.
func (c *conn) handOver(read []byte) bool {
	if c.server.closing.Load() {
		return c.end()
	}
	c.setDeadline(0)
	again := replayed{c.Conn, append([]byte(nil), read...)}
	if secure, ok := c.Conn.(*tls.Conn); ok {
		c.server.rest.push(&replayedTLS{again, secure})
	} else {
		c.server.rest.push(&again)
	}
	return false
}

// serve has the handler answer a request, and reports whether the connection can be used again.
func (c *conn) serve(ctx *requestContext, r *http.Request) bool {
	c.answer.begin(c)
	c.server.http.Handler.ServeHTTP(&c.answer, r)
	lives := ctx.end()
	return c.answer.finish() && lives && !c.answer.closing
}

// source is what the buffer is filled from: what a watch read, then the connection.
type source conn

// Read implements io.Reader.
func (s *source) Read(b []byte) (int, error) {
	if len(s.early) > 0 {
		n := copy(b, s.early)
		s.early = s.early[n:]
		return n, nil
	}
	return s.Conn.Read(b) //nolint:wrapcheck // a reader's own contract
}
