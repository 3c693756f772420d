package edge

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
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
// that has not come by then os.ErrDeadlineExceeded; over HTTP/1 their connections end.
func readPayload(w http.ResponseWriter, r *http.Request, limit int64, by time.Time) (p payload, err error) {
	// HTTP/2 takes a length that it cannot read for none, and what comes then for an error: so one that is
	// said to be empty is looked at.
	said := r.ProtoMajor > 1 && len(r.Header["Content-Length"]) > 0
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 && !said {
		return payload{}, nil
	}
	defer func() {
		if err != nil && r.ProtoMajor == 1 {
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
	if control.SetReadDeadline(by) == nil {
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

// whole reports whether all of the body is at hand.
func (p *payload) whole() bool { return p.rest == nil }

// replayable reports whether the whole body can be sent (again).
func (p *payload) replayable() bool { return p.rest == nil || !p.read }

// attach gives the body to a request of which the length is set. Nothing that sends it repeats what may have been done:
// wire never, HTTP/2 only what the other side says it did not look at, and other connections are used once.
func (p *payload) attach(out *http.Request) {
	head := p.head // it may be asked for again when p is used for another request
	switch {
	case p.rest != nil:
		out.Body = io.NopCloser(io.MultiReader(bytes.NewReader(head), (*restReader)(p)))
	case len(head) == 0 && len(out.Trailer) == 0:
		out.Body = http.NoBody
	default:
		out.Body = io.NopCloser(bytes.NewReader(head))
		out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(head)), nil }
	}
}

// restReader reads rest and notes it.
type restReader payload

// Read implements io.Reader.
func (r *restReader) Read(b []byte) (int, error) {
	r.read = true
	return r.rest.Read(b)
}
