package edge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/meridian-commerce/meridian/internal/rpc"
)

// forward sends the request to a stack and passes its answer on, over HTTP/1.1 and HTTP/2 alike, whether it is short or
// a stream.
func (e *Edge) forward(w http.ResponseWriter, x *exchange) {
	x.out.hints = &hints{w: w}
	f, err := e.deliver(x.out.hints.traced(x.ctx), &x.class, &x.out, &x.course)
	x.out.hints.stop()
	if err != nil {
		e.fail(w, x, err)
		return
	}
	defer f.end() // it was read, or what comes of it does not matter
	if f.res.StatusCode == http.StatusSwitchingProtocols {
		e.fail(w, x, errors.New("edge: the stack switched to another protocol, which no caller may ask for"))
		return
	}
	x.status = f.res.StatusCode
	h := w.Header()
	mergeAnswer(h, f.res.Header)
	x.stamp(h, e.regionValue)
	announced := len(f.res.Trailer)
	for name := range f.res.Trailer {
		h.Add("Trailer", name)
	}
	w.WriteHeader(f.res.StatusCode)
	if err := e.passBody(w, f.res); err != nil {
		p := broken(x)
		x.status = p.status // for the record: the caller has been told another
		if errors.Is(x.ctx.Err(), context.Canceled) || !rpc.BreakOff(w, x.in, p.code, p.Error) {
			// The answer began, so all that is left is to break it off, for the caller to see that it is not whole.
			panic(http.ErrAbortHandler)
		}
		return
	}
	passTrailer(w, f.res.Trailer, announced)
}

// mergeAnswer adds the headers of a stack's answer that are for the caller.
func mergeAnswer(h, answer http.Header) {
	connection := answer["Connection"]
	for name, values := range answer {
		if name != "Content-Length" && hopByHop(name) || name == headerRegion || name == headerPrefer || forged(name) {
			continue
		}
		if named(connection, name) {
			continue
		}
		if before := h[name]; len(before) > 0 {
			values = append(slices.Clip(before), values...)
		}
		h[name] = values
	}
}

// named reports whether Connection names a header.
func named(connection []string, name string) bool {
	for _, line := range connection {
		for one := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(one), name) {
				return true
			}
		}
	}
	return false
}

// passBody copies the body as it comes. What has no length may be a stream: all that came is sent on before more
// is waited for.
func (e *Edge) passBody(w http.ResponseWriter, res *http.Response) error {
	if res.Body == http.NoBody {
		return nil
	}
	flush := func() error { return nil }
	if res.ContentLength < 0 || strings.HasPrefix(first(res.Header, "Content-Type"), "text/event-stream") {
		flush = http.NewResponseController(w).Flush
	}
	if err := flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("edge: flush: %w", err)
	}
	b := e.buffers.Get()
	defer e.buffers.Put(b)
	for {
		n, err := res.Body.Read(b)
		if n > 0 {
			if _, err := w.Write(b[:n]); err != nil {
				return fmt.Errorf("edge: write: %w", err)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("edge: read: %w", err)
		}
		if err := flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return fmt.Errorf("edge: flush: %w", err)
		}
	}
}

// passTrailer sends the trailer of an answer, which is complete when its body was read.
func passTrailer(w http.ResponseWriter, trailer http.Header, announced int) {
	if len(trailer) == 0 {
		return
	}
	_ = http.NewResponseController(w).Flush() // so that even a short body goes in chunks; one who left sees nothing
	h := w.Header()
	for name, values := range trailer {
		if forged(name) {
			continue
		}
		if len(trailer) != announced {
			name = http.TrailerPrefix + name
		}
		h[name] = append(h[name], values...)
	}
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
