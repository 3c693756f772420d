package gateway

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"
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
	zip     *gzip.Writer  // nil: not compressed
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
	length, err := strconv.Atoi(h.Get("Content-Length"))
	switch {
	case a.public && status == http.StatusOK && h.Get("Etag") == "" && (err != nil || length <= maxWhole):
		a.whole, _ = a.gateway.buffers.Get().(*bytes.Buffer)
		a.whole.Reset()
		return
	case a.request.Method != http.MethodHead && (err != nil || length >= minZip) && a.zippable(h):
		h.Set("Content-Encoding", "gzip")
		h.Del("Content-Length")
		a.zip, _ = a.gateway.zippers.Get().(*gzip.Writer)
		a.zip.Reset(a.ResponseWriter)
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
	if a.public {
		vary(h)
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

// vary says that an answer depends on Accept-Encoding, once.
func vary(h http.Header) {
	for _, v := range h["Vary"] {
		if strings.Contains(strings.ToLower(v), "accept-encoding") {
			return
		}
	}
	h.Add("Vary", "Accept-Encoding")
}

// zippable reports whether the answer may be compressed and whether that helps. If so, it varies by it even
// for a caller that does not take it.
func (a *answer) zippable(h http.Header) bool {
	if h.Get("Content-Encoding") != "" || a.status == http.StatusNoContent || a.status == http.StatusNotModified ||
		a.status == http.StatusPartialContent || !text(h.Get("Content-Type")) || strings.Contains(h.Get("Cache-Control"), "no-transform") {
		return false
	}
	vary(h)
	return takesGzip(a.request.Header.Get("Accept-Encoding"))
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

// takesGzip reads Accept-Encoding.
func takesGzip(accept string) bool {
	for accept != "" {
		var item string
		item, accept, _ = strings.Cut(accept, ",")
		name, weight, _ := strings.Cut(item, ";")
		if name = strings.TrimSpace(name); name != "gzip" && name != "*" {
			continue
		}
		q, weighted := strings.CutPrefix(strings.ReplaceAll(weight, " ", ""), "q=")
		return !weighted || strings.Trim(q, "0.") != ""
	}
	return false
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
		_ = a.zip.Close() // the caller may have left
		a.zip.Reset(nil)
		a.gateway.zippers.Put(a.zip)
		return
	}
	if a.whole == nil {
		return
	}
	h, body := a.Header(), a.whole.Bytes()
	if a.whole.Cap() <= maxKept {
		defer a.gateway.buffers.Put(a.whole)
	}
	if len(body) >= minZip && a.zippable(h) {
		body = a.zipped(body)
		h.Set("Content-Encoding", "gzip")
	}
	sum := sha256.Sum256(body)
	tag := `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
	h.Set("Etag", tag)
	if matches(a.request.Header["If-None-Match"], tag) {
		h.Del("Content-Type")
		h.Del("Content-Length")
		h.Del("Content-Encoding")
		a.ResponseWriter.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	a.ResponseWriter.WriteHeader(a.status)
	_, _ = a.ResponseWriter.Write(body) // the caller may have left
}

func (a *answer) zipped(body []byte) []byte {
	var out bytes.Buffer
	z, _ := a.gateway.zippers.Get().(*gzip.Writer)
	defer a.gateway.zippers.Put(z)
	z.Reset(&out)
	_, _ = z.Write(body) // a buffer takes it all
	_ = z.Close()
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
