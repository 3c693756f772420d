package httpapi

import (
	"net/http"
	"strings"

	"github.com/klauspost/compress/gzhttp"
	"github.com/klauspost/compress/gzip"
)

// minZip is the length in bytes from which an answer is worth compressing: a shorter one fits one packet anyway.
const minZip = 1 << 10

// newCompression returns what compresses a handler's answers by zstd or gzip, as the caller accepts. What may be compressed
// the answer decides, which knows more than the content type.
func newCompression() (func(http.Handler) http.HandlerFunc, error) {
	return gzhttp.NewWrapper(
		gzhttp.MinSize(minZip),
		gzhttp.CompressionLevel(gzip.BestSpeed), // each answer is compressed anew, and the link is seldom what is slow
		gzhttp.ContentTypeFilter(gzhttp.CompressAllContentTypeFilter),
		gzhttp.SetContentType(false), // a guessed type is what nosniff forbids browsers to trust
	)
}

// compressible reports whether an answer may be compressed, which says nothing of whether its caller accepts it.
func compressible(status int, h http.Header) bool {
	return first(h, "Content-Encoding") == "" && status != http.StatusNoContent && status != http.StatusNotModified &&
		status != http.StatusPartialContent && text(first(h, "Content-Type")) && !strings.Contains(first(h, "Cache-Control"), "no-transform")
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
