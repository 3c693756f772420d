package admission

import (
	"bytes"
	"io"
	"net/http"
	"time"
)

const (
	prefetchMost = 64 << 10         // bytes; more than a request of the API has
	prefetchTime = 15 * time.Second // until a body must have come
)

// prefetch reads a body that is not a stream before the request takes up room, so that callers who send slowly
// take up none. Of a larger body the rest is read while it does. Errors are returned to the reader of the body.
//
// Of one that says it is longer than most nothing is read: a caller who waits for word to send it is refused in its place, and
// one who was in the middle of it may lose the answer with the connection.
func prefetch(w http.ResponseWriter, r *http.Request, most int64) {
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 || most > 0 && r.ContentLength > most {
		return
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(prefetchTime)) // a request that has none is a test's
	size := r.ContentLength
	if size < 0 || size > prefetchMost {
		size = 512
	}
	start := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead)) // so that reading to the end does not grow it
	_, err := start.ReadFrom(io.LimitReader(r.Body, prefetchMost))
	rest := io.Reader(r.Body)
	if err != nil {
		rest = broken{err}
	} else if start.Len() < prefetchMost {
		_ = control.SetReadDeadline(time.Time{}) // all is here; for the rest of a longer one its reader has set a time
	}
	r.Body = &body{Reader: io.MultiReader(start, rest), Closer: r.Body}
}

// body is a request's body of which some was read.
type body struct {
	io.Reader
	io.Closer
}

// broken is a body that broke off.
type broken struct{ err error }

// Read implements io.Reader.
func (b broken) Read([]byte) (int, error) { return 0, b.err }
