package edge

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	maxReplay   = 1 << 20          // how much of a body is kept so that it can be sent again
	bodyTimeout = 15 * time.Second // for all of a body that is kept
)

// payload is a request's body: all of it in head if rest is nil.
type payload struct {
	head []byte
	rest io.Reader
	read bool // some of rest was handed out
}

// readPayload reads the body up to the replay limit. Longer bodies are streamed, and cannot be sent again once
// some of it was. A body of more than limit bytes (0: any number is fine) is an *http.MaxBytesError, and one
// that does not come within patience os.ErrDeadlineExceeded; their connections end.
func readPayload(w http.ResponseWriter, r *http.Request, limit int64, patience time.Duration) (p payload, err error) {
	// HTTP/2 takes a length that it cannot read for none, and what comes then for an error: so one that is
	// said to be empty is looked at.
	said := r.ProtoMajor > 1 && len(r.Header["Content-Length"]) > 0
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 && !said {
		return payload{}, nil
	}
	defer func() {
		if err != nil {
			w.Header().Set("Connection", "close") // rather than read on to the next request
		}
	}()
	if limit > 0 {
		if r.ContentLength > limit {
			return payload{}, fmt.Errorf("edge: read body: %w", &http.MaxBytesError{Limit: limit})
		}
		r.Body = http.MaxBytesReader(w, r.Body, limit)
	}
	if r.ContentLength > maxReplay {
		return payload{rest: r.Body}, nil
	}
	control := http.NewResponseController(w)
	if control.SetReadDeadline(time.Now().Add(patience)) == nil {
		defer func() {
			if err == nil {
				_ = control.SetReadDeadline(time.Time{}) // as it could be set, it can be unset
			}
		}()
	}
	if r.ContentLength >= 0 {
		head := make([]byte, r.ContentLength)
		if _, err := io.ReadFull(r.Body, head); err != nil {
			return payload{}, fmt.Errorf("edge: read body: %w", err)
		}
		if said && len(head) == 0 {
			if _, err := r.Body.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				return payload{}, fmt.Errorf("edge: read body after its length of 0: %w", err)
			}
		}
		return payload{head: head}, nil
	}
	head, err := io.ReadAll(io.LimitReader(r.Body, maxReplay+1))
	if err != nil {
		return payload{}, fmt.Errorf("edge: read body: %w", err)
	}
	if len(head) > maxReplay {
		return payload{head: head, rest: r.Body}, nil
	}
	return payload{head: head}, nil
}

// replayable reports whether the whole body can be sent (again).
func (p *payload) replayable() bool { return p.rest == nil || !p.read }

// attach gives the body to a request. The HTTP client repeats what it takes for repeatable by itself when a
// kept-alive connection breaks, any number of times and past the budget; so what is repeatable gets a body
// that only the edge can rewind. What is not gets one that the client rewinds when it has written nothing yet.
func (p *payload) attach(out *http.Request, repeatable bool) {
	out.GetBody = nil
	head := p.head // the client may ask for it when p is used for another request
	switch {
	case p.rest != nil:
		out.Body = io.NopCloser(io.MultiReader(bytes.NewReader(p.head), (*restReader)(p)))
	case repeatable:
		out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(p.head)), int64(len(p.head))
	case len(p.head) == 0:
		out.Body, out.ContentLength = http.NoBody, 0
	default:
		out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(head)), nil }
		out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(p.head)), int64(len(p.head))
	}
}

// restReader reads rest and notes it.
type restReader payload

func (r *restReader) Read(b []byte) (int, error) {
	r.read = true
	return r.rest.Read(b)
}

// bufferPool keeps the buffers that answers are copied through.
type bufferPool struct{ pool sync.Pool }

func newBufferPool() *bufferPool {
	return &bufferPool{sync.Pool{New: func() any { return new([32 << 10]byte) }}}
}

// Get implements httputil.BufferPool.
func (p *bufferPool) Get() []byte {
	b, _ := p.pool.Get().(*[32 << 10]byte)
	return b[:]
}

// Put implements httputil.BufferPool.
func (p *bufferPool) Put(b []byte) { p.pool.Put((*[32 << 10]byte)(b)) }
