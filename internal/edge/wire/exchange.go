package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"time"
)

const (
	maxHead    = 1 << 20 // bytes of one answer's head
	maxInterim = 8       // informational answers before the one that counts

	// earlyWait is for an answer that a stack may have given before it stopped reading the request.
	earlyWait = 50 * time.Millisecond
)

var (
	errLongHead = errors.New("wire: the answer's head is too long")
	errInterim  = errors.New("wire: too many informational answers")
	errSwitch   = errors.New("wire: the stack switched protocols unasked")
)

// RoundTrip implements http.RoundTripper. The request's context ends the exchange, its body included, at any time.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := check(req); err != nil {
		return nil, err
	}
	ctx, addr := req.Context(), req.URL.Host
	for {
		c := t.take(addr)
		if c == nil {
			var err error
			if c, err = t.dial(ctx, addr); err != nil {
				return nil, err
			}
		}
		res, wrote, err := t.exchange(ctx, c, req)
		if err == nil {
			return res, nil
		}
		_ = c.Close()
		// A kept connection that takes no byte was closed while it was idle, so the request is as new for another one.
		if wrote || !c.reused || ctx.Err() != nil {
			return nil, err
		}
	}
}

// exchange sends a request and reads the head of its answer. It reports whether any byte was written.
func (t *Transport) exchange(ctx context.Context, c *conn, req *http.Request) (res *http.Response, wrote bool, err error) {
	// Closing is what ends a write and a read that wait, whatever they wait for.
	unwatch := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer func() {
		if err != nil {
			unwatch()
			if cause := context.Cause(ctx); cause != nil {
				err = fmt.Errorf("wire: %w", cause)
			}
		}
	}()
	if c.scratch, err = appendRequest(c.scratch[:0], req); err != nil {
		return nil, false, err
	}
	n, writeErr := c.Write(c.scratch)
	if writeErr != nil {
		if n == 0 {
			return nil, false, fmt.Errorf("wire: write: %w", writeErr)
		}
		// A stack may refuse a body before it has read it all, and its answer is worth more than our error.
		_ = c.SetReadDeadline(time.Now().Add(t.early)) // one that cannot is closed, which the read finds
	}
	if res, err = c.readHead(ctx, req); err != nil {
		return nil, true, fmt.Errorf("wire: read: %w", errors.Join(writeErr, err))
	}
	b := &body{ReadCloser: res.Body, transport: t, conn: c, unwatch: unwatch, ctx: ctx}
	b.keep = !res.Close && writeErr == nil && res.ProtoAtLeast(1, 1)
	res.Request = req
	if res.Body == http.NoBody {
		b.finish()
		return res, true, nil
	}
	res.Body = b
	return res, true, nil
}

// readHead reads informational answers, which it tells the request's trace, and the head of the one that counts.
func (c *conn) readHead(ctx context.Context, req *http.Request) (*http.Response, error) {
	for range maxInterim + 1 {
		c.limit = maxHead
		res, err := http.ReadResponse(c.reader, req)
		switch {
		case err != nil:
			return nil, err // exchange wraps it
		case res.StatusCode == http.StatusSwitchingProtocols:
			return nil, errSwitch
		case res.StatusCode >= http.StatusOK:
			c.limit = math.MaxInt64
			return res, nil
		}
		if trace := httptrace.ContextClientTrace(ctx); trace != nil && trace.Got1xxResponse != nil {
			if err := trace.Got1xxResponse(res.StatusCode, textproto.MIMEHeader(res.Header)); err != nil {
				return nil, err // it is from the caller's own trace
			}
		}
	}
	return nil, errInterim
}

// body is an answer's body, at whose end the connection is idle again.
type body struct {
	io.ReadCloser
	transport *Transport
	conn      *conn
	unwatch   func() bool // ends the watch for the context's end, false if that came
	ctx       context.Context
	keep      bool // the connection may be used again
	over      bool // it was given back or closed
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if b.over {
		return 0, io.EOF
	}
	n, err := b.ReadCloser.Read(p)
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, io.EOF):
		b.finish()
		return n, io.EOF
	}
	b.abandon()
	if cause := context.Cause(b.ctx); cause != nil && errors.Is(err, net.ErrClosed) {
		err = cause
	}
	return n, fmt.Errorf("wire: read: %w", err)
}

// Close implements io.Closer. A connection whose answer was not read to the end is closed: what is left of it may
// never come.
func (b *body) Close() error {
	if !b.over {
		b.abandon()
	}
	return nil
}

func (b *body) abandon() {
	b.over = true
	b.unwatch()
	_ = b.conn.Close()
}

// finish gives the connection back after its answer was read to the end.
func (b *body) finish() {
	b.over = true
	// Where the context has ended, the connection is closed or about to be.
	if !b.unwatch() || !b.keep || b.conn.reader.Buffered() > 0 {
		_ = b.conn.Close()
		return
	}
	b.transport.put(b.conn)
}
