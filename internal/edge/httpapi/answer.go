package httpapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzhttp"

	"github.com/meridian-commerce/meridian/internal/consistency"
)

const (
	maxWhole = 1 << 20  // longer answers are passed on without a tag
	maxKept  = 64 << 10 // larger buffers are not used again
)

// answer is the writer of one answer.
type answer struct {
	http.ResponseWriter
	front   *Front
	request *http.Request
	public  bool
	packs   bool          // the caller accepts a coding
	status  int           // 0 before WriteHeader
	whole   *bytes.Buffer // what is held back to be tagged; nil: nothing
}

// Unwrap lets http.ResponseController reach the connection.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if status < http.StatusOK && status != http.StatusSwitchingProtocols {
		a.ResponseWriter.WriteHeader(status)
		return
	}
	if a.status != 0 {
		return
	}
	a.status = status
	h := a.Header()
	a.complete(h)
	length, err := strconv.Atoi(first(h, "Content-Length"))
	if err != nil {
		length = -1
	}
	if a.public && status == http.StatusOK && first(h, "Etag") == "" && length <= maxWhole {
		a.whole, _ = a.front.buffers.Get().(*bytes.Buffer)
		a.whole.Reset()
		return
	}
	a.begin(length)
}

// begin sends the head of the answer, whose body has length bytes, or -1 if that is not known.
func (a *answer) begin(length int) {
	h := a.Header()
	if compressible(a.status, h) {
		// A tag is of the bytes before they are compressed, by whichever coding the caller is given.
		if a.packs && (length < 0 || length >= minZip) {
			weaken(h)
		}
		a.ResponseWriter.WriteHeader(a.status)
		return
	}
	h.Set(gzhttp.HeaderNoCompression, "1")
	a.ResponseWriter.WriteHeader(a.status)
	// Compression waits for a first byte before it decides. Without this one the head of a stream would be held back, even
	// when it is flushed, until something happens.
	_, _ = a.ResponseWriter.Write(nil)
}

// complete sets what the stack did not: security headers and what caches may do.
func (a *answer) complete(h http.Header) {
	for _, f := range a.front.fixed {
		if _, set := h[f.name]; !set && (!f.secure || a.request.TLS != nil) {
			h[f.name] = f.values
		}
	}
	if a.public {
		vary(h, "Accept-Encoding")
		vary(h, consistency.Header) // who brings a token is not to be answered from a cache
	}
	if _, set := h["Cache-Control"]; !set && a.public && (a.status == http.StatusOK || a.status == http.StatusNotModified) {
		h["Cache-Control"] = a.front.shared
	} else if !set {
		h["Cache-Control"] = a.front.personal
	}
	if may := first(h, "Cache-Control"); !strings.Contains(may, "private") && !strings.Contains(may, "no-store") {
		// A cache gives the answer to others, whom nothing of the one who asked is meant for.
		for _, name := range []string{"Ratelimit", "Ratelimit-Policy", "Traceparent", "X-Request-Id"} {
			delete(h, name)
		}
	}
}

// first is h.Get of a name that is in its canonical form.
func first(h http.Header, name string) string {
	if values := h[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// vary says that an answer depends on a header of the request, once.
func vary(h http.Header, name string) {
	for _, line := range h["Vary"] {
		for v := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(v), name) {
				return
			}
		}
	}
	h.Add("Vary", name)
}

// weaken makes a tag say that the answer is the same only once it is unpacked.
func weaken(h http.Header) {
	if tag := first(h, "Etag"); strings.HasPrefix(tag, `"`) {
		h.Set("Etag", "W/"+tag)
	}
}

// Write implements http.ResponseWriter.
func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	switch {
	case a.whole == nil:
		return a.ResponseWriter.Write(b)
	case a.whole.Len()+len(b) <= maxWhole:
		return a.whole.Write(b)
	}
	held := a.whole
	a.whole = nil
	a.begin(-1)
	if _, err := a.ResponseWriter.Write(held.Bytes()); err != nil {
		return 0, err
	}
	return a.ResponseWriter.Write(b)
}

// FlushError implements what http.ResponseController looks for. An answer that is held back to be tagged is
// no stream, and is not flushed.
func (a *answer) FlushError() error {
	if a.whole != nil {
		return nil
	}
	return http.NewResponseController(a.ResponseWriter).Flush()
}

// Flush implements http.Flusher.
func (a *answer) Flush() { _ = a.FlushError() }

// finish ends the answer; it is not called for one that broke off, so that the caller sees that it did.
func (a *answer) finish() {
	if a.whole == nil {
		return
	}
	h := a.Header()
	body := a.whole.Bytes()
	if a.whole.Cap() <= maxKept {
		defer a.front.buffers.Put(a.whole)
	}
	tag := tagOf(body)
	h["Etag"] = []string{tag}
	if matches(a.request.Header["If-None-Match"], tag) {
		h.Del("Content-Type")
		h.Del("Content-Length")
		h.Del("Content-Encoding")
		a.ResponseWriter.WriteHeader(http.StatusNotModified)
		return
	}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	a.begin(len(body))
	_, _ = a.ResponseWriter.Write(body) // the caller may have left
}

// tagOf returns the strong tag of a body.
func tagOf(body []byte) string {
	const size = 16
	sum := sha256.Sum256(body)
	var text [2 + (size*8+5)/6]byte
	text[0] = '"'
	text[len(text)-1] = '"'
	base64.RawURLEncoding.Encode(text[1:], sum[:size])
	return string(text[:])
}

// matches reads If-None-Match, which compares tags weakly (RFC 9110, section 13.1.2).
func matches(given []string, tag string) bool {
	for _, line := range given {
		for item := range strings.SplitSeq(line, ",") {
			if item = strings.TrimSpace(item); item == "*" || strings.TrimPrefix(item, "W/") == tag {
				return true
			}
		}
	}
	return false
}
