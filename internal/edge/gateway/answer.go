package gateway

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"

	"github.com/meridian-commerce/meridian/internal/consistency"
)

const (
	maxWhole = 1 << 20  // longer answers are passed on without a tag
	minZip   = 1 << 10  // shorter ones are not worth compressing
	maxKept  = 64 << 10 // larger buffers are not used again
)

// answer is the writer of one answer.
type answer struct {
	http.ResponseWriter
	gateway *Gateway
	request *http.Request
	public  bool
	status  int           // 0 before WriteHeader
	whole   *bytes.Buffer // what is held back to be tagged; nil: nothing
	coding  *encoding     // of zip
	zip     encoder       // nil: not compressed
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
	switch {
	case a.public && status == http.StatusOK && first(h, "Etag") == "" && (err != nil || length <= maxWhole):
		a.whole, _ = a.gateway.buffers.Get().(*bytes.Buffer)
		a.whole.Reset()
		return
	case a.request.Method != http.MethodHead && (err != nil || length >= minZip):
		if a.coding = a.encoding(h); a.coding != nil {
			h["Content-Encoding"] = a.coding.values
			h.Del("Content-Length")
			weaken(h)
			a.zip = a.coding.to(a.ResponseWriter)
		}
	}
	a.ResponseWriter.WriteHeader(status)
}

// complete sets what the stack did not: security headers and what caches may do.
func (a *answer) complete(h http.Header) {
	for _, f := range a.gateway.fixed {
		if _, set := h[f.name]; !set && (!f.secure || a.request.TLS != nil) {
			h[f.name] = f.values
		}
	}
	switch {
	case a.public && len(h["Vary"]) == 0:
		h["Vary"] = a.gateway.varies
	case a.public:
		vary(h, "Accept-Encoding")
		vary(h, consistency.Header)
	}
	if _, set := h["Cache-Control"]; set {
		return
	}
	if a.public && (a.status == http.StatusOK || a.status == http.StatusNotModified) {
		h["Cache-Control"] = a.gateway.shared
		return
	}
	h["Cache-Control"] = a.gateway.personal
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

// weaken makes the stack's own tag say that the answer is the same only once it is unpacked.
func weaken(h http.Header) {
	if tag := first(h, "Etag"); strings.HasPrefix(tag, `"`) {
		h.Set("Etag", "W/"+tag)
	}
}

// encoding returns what the answer is to be compressed by; nil if it may not be, if that would not help, or if the
// caller takes nothing that the gateway knows. If it may be, it varies by what the caller takes.
func (a *answer) encoding(h http.Header) *encoding {
	if first(h, "Content-Encoding") != "" || a.status == http.StatusNoContent || a.status == http.StatusNotModified ||
		a.status == http.StatusPartialContent || !text(first(h, "Content-Type")) || strings.Contains(first(h, "Cache-Control"), "no-transform") {
		return nil
	}
	vary(h, "Accept-Encoding")
	return choose(a.gateway.encodings, a.request.Header["Accept-Encoding"])
}

// text reports whether a content type is one that compresses well and is not a stream.
func text(contentType string) bool {
	kind, _, _ := strings.Cut(contentType, ";")
	switch kind = strings.ToLower(strings.TrimSpace(kind)); kind {
	case "text/event-stream":
		return false
	case "application/json", "application/problem+json", "application/javascript", "application/xml", "image/svg+xml":
		return true
	}
	return strings.HasPrefix(kind, "text/")
}

// Write implements http.ResponseWriter.
func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	switch {
	case a.zip != nil:
		return a.zip.Write(b)
	case a.whole == nil:
		return a.ResponseWriter.Write(b)
	case a.whole.Len()+len(b) <= maxWhole:
		return a.whole.Write(b)
	}
	held := a.whole
	a.whole = nil
	a.ResponseWriter.WriteHeader(a.status)
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
	if a.zip != nil {
		if err := a.zip.Flush(); err != nil {
			return err
		}
	}
	return http.NewResponseController(a.ResponseWriter).Flush()
}

// Flush implements http.Flusher.
func (a *answer) Flush() { _ = a.FlushError() }

// finish ends the answer; it is not called for one that broke off, so that the caller sees that it did.
func (a *answer) finish() {
	if a.zip != nil {
		a.coding.done(a.zip)
		return
	}
	if a.whole == nil {
		return
	}
	h, body := a.Header(), a.whole.Bytes()
	if a.whole.Cap() <= maxKept {
		defer a.gateway.buffers.Put(a.whole)
	}
	if len(body) >= minZip {
		if coding := a.encoding(h); coding != nil {
			body = coding.whole(body)
			h["Content-Encoding"] = coding.values
		}
	}
	value := make([]string, 2) // one allocation for both
	tag := tagOf(body)
	value[0], h["Etag"] = tag, value[:1:1]
	if matches(a.request.Header["If-None-Match"], tag) {
		h.Del("Content-Type")
		h.Del("Content-Length")
		h.Del("Content-Encoding")
		a.ResponseWriter.WriteHeader(http.StatusNotModified)
		return
	}
	value[1], h["Content-Length"] = strconv.Itoa(len(body)), value[1:]
	a.ResponseWriter.WriteHeader(a.status)
	_, _ = a.ResponseWriter.Write(body) // the caller may have left
}

// tagOf returns the strong tag of a body.
func tagOf(body []byte) string {
	const size = 16
	sum := sha256.Sum256(body)
	var text [2 + (size*8+5)/6]byte
	text[0], text[len(text)-1] = '"', '"'
	base64.RawURLEncoding.Encode(text[1:], sum[:size])
	return string(text[:])
}

// whole compresses a body that is at hand.
func (e *encoding) whole(body []byte) []byte {
	var out bytes.Buffer
	z := e.to(&out)
	_, _ = z.Write(body) // a buffer takes it all
	e.done(z)
	return out.Bytes()
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
