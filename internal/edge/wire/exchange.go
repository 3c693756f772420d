package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

const (
	maxHead    = 1 << 20 // bytes of one answer's head
	maxInterim = 8       // informational answers before the one that counts

	writtenWait = 50 * time.Millisecond // for the end of a long request's writing, when its answer has been read
)

var (
	errLongHead = errors.New("wire: the answer's head is too long")
	errInterim  = errors.New("wire: too many informational answers")
)

// Exchange is one request on its way on one connection, and its answer. Cancel may be called by any goroutine;
// everything else by one.
type Exchange struct {
	pool    *Pool
	conn    *conn
	request *Request
	over    atomic.Bool   // the connection was given back, or closed
	stopped atomic.Bool   // by Cancel
	written chan struct{} // closed when all of a long request is; nil: it is
	failed  error         // why it was not; after written
	keep    bool          // the connection may be used again

	answer   http.Response // a plain one
	measured measured      // its body
	body     body          // of any answer
}

// Send writes a request on an idle connection, or a new one. A long one, or one with a body that is still to be
// read, is written while the answer is waited for. Errors are a *DialError or ErrMalformed, where nothing was
// sent, or the connection's own. ctx bounds connecting, no more.
func (p *Pool) Send(ctx context.Context, addr string, r *Request) (*Exchange, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	for {
		var c *conn
		if !r.Fresh && r.Upgrade == "" {
			c = p.take(addr)
		}
		if c == nil {
			var err error
			if c, err = p.dial(ctx, addr); err != nil {
				return nil, err
			}
		}
		x := &Exchange{pool: p, conn: c, request: r}
		n, err := x.send()
		if err == nil {
			return x, nil
		}
		x.Cancel()
		if n > 0 || !c.reused {
			return nil, fmt.Errorf("wire: write: %w", err)
		}
	}
}

// send writes the head, and a small body with it. It returns how much it wrote.
func (x *Exchange) send() (int, error) {
	c, r := x.conn, x.request
	c.scratch = r.appendHead(c.scratch[:0])
	if r.small(len(c.scratch)) {
		c.scratch = append(c.scratch, r.Body...)
		return c.Write(c.scratch)
	}
	x.written = make(chan struct{})
	n, err := c.Write(c.scratch)
	if err != nil {
		return n, err //nolint:wrapcheck // Send does
	}
	go func() {
		defer close(x.written)
		if x.failed = r.writeBody(c.Conn); x.failed != nil && !x.mayBeAnswered() {
			x.Cancel() // half a request is none; an answer that came already is still there to be read
		}
	}()
	return n, nil
}

// mayBeAnswered reports whether an answer may be there although the request was not written to its end.
func (x *Exchange) mayBeAnswered() bool {
	var network *net.OpError
	return x.request.Rest == nil && errors.As(x.failed, &network)
}

// Await waits until the answer begins, and reports false when it does not by the given time (zero: whenever).
// It may be called again then.
func (x *Exchange) Await(by time.Time) (bool, error) {
	c := x.conn
	c.limit = maxHead
	if err := c.SetReadDeadline(by); err != nil {
		return false, x.broken(err)
	}
	if _, err := c.reader.Peek(1); errors.Is(err, os.ErrDeadlineExceeded) && !x.stopped.Load() {
		return false, nil
	} else if err != nil {
		return false, x.broken(err)
	}
	return true, nil
}

// Answer returns the answer; its body must be closed. The head must have come by the given time (zero: whenever):
// os.ErrDeadlineExceeded otherwise. After any error, and once the body was read or closed, the exchange is over.
func (x *Exchange) Answer(by time.Time) (*http.Response, error) {
	c := x.conn
	if x.plain() {
		return x.take(&x.answer)
	}
	if err := x.bound(by); err != nil {
		return nil, x.broken(err)
	}
	c.asked.Method = x.request.Method
	for range maxInterim + 1 {
		c.limit = maxHead
		res, err := http.ReadResponse(c.reader, &c.asked)
		if err != nil {
			return nil, x.broken(err)
		}
		if res.StatusCode >= http.StatusOK || res.StatusCode == http.StatusSwitchingProtocols {
			return x.take(res)
		}
		if x.request.Interim != nil && res.StatusCode != http.StatusContinue { // nobody waits for that one
			x.request.Interim(res.StatusCode, res.Header)
		}
	}
	return nil, x.broken(errInterim)
}

// bound bounds reading the head, unless it is there.
func (x *Exchange) bound(by time.Time) error {
	b, _ := x.conn.reader.Peek(x.conn.reader.Buffered()) // what is buffered is there
	if len(b) > 0 && b[0] == 'H' && bytes.Contains(b, []byte("\r\n\r\n")) && !bytes.HasPrefix(b, []byte("HTTP/1.1 1")) {
		return nil
	}
	return x.conn.SetReadDeadline(by)
}

// take makes an answer's body one that knows the connection.
func (x *Exchange) take(res *http.Response) (*http.Response, error) {
	c := x.conn
	res.Request = nil // it is the connection's
	c.limit = math.MaxInt64
	x.keep = !res.Close && !x.request.Fresh && x.request.Upgrade == "" && res.ProtoAtLeast(1, 1)
	if res.StatusCode == http.StatusSwitchingProtocols {
		if x.request.Upgrade == "" {
			return nil, x.broken(errors.New("wire: the stack switched protocols unasked"))
		}
		x.keep = false
		if err := c.SetReadDeadline(time.Time{}); err != nil {
			return nil, x.broken(err)
		}
		res.Body = &duplex{x}
		return res, nil
	}
	if res.Body == http.NoBody {
		x.finish()
		return res, nil
	}
	if !x.Whole(res) {
		if err := c.SetReadDeadline(time.Time{}); err != nil {
			return nil, x.broken(err)
		}
	}
	x.body = body{ReadCloser: res.Body, exchange: x}
	res.Body = &x.body
	return res, nil
}

// Whole reports whether all of the answer has arrived, so that reading it waits for nothing.
func (x *Exchange) Whole(res *http.Response) bool {
	return x.over.Load() || res.ContentLength >= 0 && int64(x.conn.reader.Buffered()) >= res.ContentLength
}

// Arrived reports whether some of the answer has arrived that was not read yet.
func (x *Exchange) Arrived() bool { return !x.over.Load() && x.conn.reader.Buffered() > 0 }

// Cancel ends the exchange, and its connection, unless it is over.
func (x *Exchange) Cancel() {
	x.stopped.Store(true)
	x.abandon()
}

func (x *Exchange) abandon() {
	if !x.over.Swap(true) {
		_ = x.conn.Close()
	}
}

// broken ends the exchange and says why.
func (x *Exchange) broken(err error) error {
	if x.stopped.Load() {
		err = errors.Join(ErrCanceled, err)
	}
	if x.written != nil {
		select {
		case <-x.written:
			err = errors.Join(x.failed, err)
		default:
		}
	}
	x.abandon()
	return fmt.Errorf("wire: read: %w", err)
}

// finish gives the connection back after its answer was read to the end, if all of the request was written too.
func (x *Exchange) finish() {
	if x.written != nil {
		x.keep = x.keep && x.sent()
	}
	if !x.keep || x.conn.reader.Buffered() > 0 {
		x.abandon()
		return
	}
	if !x.over.Swap(true) {
		x.pool.put(x.conn)
	}
}

// sent reports whether all of a long request was written, which may show a moment later than its answer.
func (x *Exchange) sent() bool {
	timer := time.NewTimer(writtenWait)
	defer timer.Stop()
	select {
	case <-x.written:
		return x.failed == nil
	case <-timer.C:
		return false // the stack did not wait for the rest of the request
	}
}

// body is an answer's body.
type body struct {
	io.ReadCloser
	exchange *Exchange
	ended    bool
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if b.ended {
		return 0, io.EOF
	}
	if b.exchange.over.Load() {
		return 0, ErrCanceled
	}
	n, err := b.ReadCloser.Read(p)
	if err == nil {
		return n, nil
	}
	if b.ended = errors.Is(err, io.EOF); b.ended {
		b.exchange.finish()
		return n, io.EOF
	}
	return n, b.exchange.broken(err)
}

// Close implements io.Closer. A connection whose answer was not read to the end is closed.
func (b *body) Close() error {
	if !b.ended {
		b.exchange.abandon()
	}
	return nil
}

// duplex is a connection that switched protocols.
type duplex struct{ exchange *Exchange }

// Read implements io.Reader.
func (d *duplex) Read(p []byte) (int, error) { return d.exchange.conn.reader.Read(p) }

// Write implements io.Writer.
func (d *duplex) Write(p []byte) (int, error) { return d.exchange.conn.Conn.Write(p) }

// Close implements io.Closer.
func (d *duplex) Close() error {
	d.exchange.abandon()
	return nil
}

// CloseWrite says that nothing more will be written, where the connection can.
func (d *duplex) CloseWrite() error {
	if half, ok := d.exchange.conn.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite() //nolint:wrapcheck // the connection's own
	}
	return d.Close()
}
