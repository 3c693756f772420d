// Package httpapi is what an edge does to every request and answer, wherever they go: it bounds connections,
// answers CORS preflights, says what caches may keep, tags and compresses answers, and sets the security
// headers.
//
// What it promises: an answer that is not the same for everyone is never marked as one that caches may share;
// a stream is passed on as it comes, neither held back nor compressed; and what a stack says about caching and
// encoding itself is left alone.
package httpapi

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/meridian-commerce/meridian/internal/consistency"
)

// Config configures the HTTP front of an edge.
type Config struct {
	// Origins are the web origins whose pages may call the API (https://shop.example), or "*" for all of them.
	// Empty: no page of another origin may.
	Origins []string
	// Public reports whether the answer to a GET is the same for every caller. nil: none is.
	Public func(r *http.Request) bool
}

// Front is a handler around another. It is safe for concurrent use.
type Front struct {
	next     http.Handler
	whole    http.Handler // CORS, if it is on, around compression around next
	public   func(r *http.Request) bool
	fixed    []fixedHeader
	buffers  sync.Pool // *bytes.Buffer
	shared   []string  // Cache-Control of what everyone may keep
	personal []string  // Cache-Control of everything else
}

// fixedHeader is a header that every answer has unless the stack sets it. Its values are shared between
// answers, which is safe since adding to a full slice copies it.
type fixedHeader struct {
	name   string
	values []string
	secure bool // only over TLS
}

// New returns a front before of next. Errors are about the origins.
func New(cfg Config, next http.Handler) (*Front, error) {
	if next == nil {
		return nil, errors.New("httpapi: it needs a handler")
	}
	g := &Front{
		next: next, public: cfg.Public,
		shared:   []string{"public, max-age=10, stale-while-revalidate=60"},
		personal: []string{"private, no-store"},
		fixed: []fixedHeader{
			{"X-Content-Type-Options", []string{"nosniff"}, false},
			{"Content-Security-Policy", []string{"default-src 'none'; frame-ancestors 'none'"}, false},
			{"Referrer-Policy", []string{"no-referrer"}, false},
			{"Strict-Transport-Security", []string{"max-age=31536000"}, true},
		},
	}
	g.buffers.New = func() any { return new(bytes.Buffer) }
	if g.public == nil {
		g.public = func(*http.Request) bool { return false }
	}
	compression, err := newCompression()
	if err != nil {
		return nil, fmt.Errorf("httpapi: %w", err)
	}
	g.whole = compression(http.HandlerFunc(g.answer))
	if len(cfg.Origins) == 0 {
		return g, nil
	}
	for _, o := range cfg.Origins {
		u, err := url.Parse(o)
		// A wildcard inside would let in whoever registers a name that fits it.
		if o != "*" && (err != nil || u.Host == "" || strings.Contains(o, "*") || u.Scheme != "https" && u.Scheme != "http" || o != u.Scheme+"://"+strings.ToLower(u.Host)) {
			return nil, fmt.Errorf("httpapi: %q is no origin; one is like https://shop.example, without a path", o)
		}
	}
	g.whole = newCORS(cfg.Origins).Handler(g.whole)
	return g, nil
}

// ServeHTTP implements http.Handler.
func (g *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	unframe(w.Header(), r)
	g.whole.ServeHTTP(w, g.asGet(r))
}

// asGet returns a HEAD of what everyone may read as the GET whose header it is about, such as its tag, which is of the body.
// The server drops the body.
func (g *Front) asGet(r *http.Request) *http.Request {
	if r.Method != http.MethodHead || !g.public(r) {
		return r
	}
	asked := r.WithContext(r.Context())
	asked.Method = http.MethodGet
	return asked
}

// answer passes a request on and completes the answer, which compression then sees whole.
func (g *Front) answer(w http.ResponseWriter, r *http.Request) {
	a := answer{ResponseWriter: w, front: g, request: r, public: g.shareable(r), packs: first(r.Header, "Accept-Encoding") != ""}
	// Which coding its caller likes best is for the compression around this to say. A stack would take the one that it knows.
	delete(r.Header, "Accept-Encoding")
	g.next.ServeHTTP(&a, r)
	a.finish()
}

// shareable reports whether the answer to a request is the same for every caller. To who brings a consistency token it is
// not: it is newer than what others are given.
func (g *Front) shareable(r *http.Request) bool {
	return r.Method == http.MethodGet && g.public(r) && len(r.Header[consistency.Header]) == 0
}

// unframe ends the connection after a request whose end a proxy in front may see elsewhere than this server:
// one in chunks, which may have come with a Content-Length too (RFC 9112, section 6.1), and one of HTTP/1.0,
// which knows no chunks. What follows on such a connection is never read as a request.
func unframe(h http.Header, r *http.Request) {
	if r.ProtoMajor == 1 && (r.ProtoMinor == 0 || len(r.TransferEncoding) > 0) {
		h.Set("Connection", "close")
	}
}
