package edge

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"sync"
)

// maxReplay is how much of a body is kept so that it can be sent again.
const maxReplay = 1 << 20

// payload is a request's body: all of it in head if rest is nil.
type payload struct {
	head []byte
	rest io.Reader
	read bool // some of rest was handed out
}

// readPayload reads the body up to the replay limit. Longer bodies are streamed, and cannot be sent again once
// some of it was.
func readPayload(r *http.Request) (payload, error) {
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 {
		return payload{}, nil
	}
	if r.ContentLength > maxReplay {
		return payload{rest: r.Body}, nil
	}
	if r.ContentLength > 0 {
		head := make([]byte, r.ContentLength)
		if _, err := io.ReadFull(r.Body, head); err != nil {
			return payload{}, fmt.Errorf("edge: read body: %w", err)
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
	switch {
	case p.rest != nil:
		out.Body = io.NopCloser(io.MultiReader(bytes.NewReader(p.head), (*restReader)(p)))
	case repeatable:
		out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(p.head)), int64(len(p.head))
	case len(p.head) == 0:
		out.Body, out.ContentLength = http.NoBody, 0
	default:
		out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(p.head)), nil }
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
