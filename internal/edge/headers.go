package edge

import (
	"encoding/hex"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"
	"golang.org/x/net/http/httpguts"

	"github.com/meridian-commerce/meridian/internal/consistency"
	"github.com/meridian-commerce/meridian/internal/edge/decide"
	"github.com/meridian-commerce/meridian/internal/edge/wire"
)

// The headers that the edge reads, sets and answers.
const (
	headerPrefix        = "Meridian-"
	headerRegion        = "Meridian-Region"
	headerPrefer        = "Meridian-Prefer-Region"
	headerCallerCountry = "Meridian-Caller-Country"
	headerCallerRegion  = "Meridian-Caller-Region"
	headerCallerIP      = "Meridian-Caller-Ip"
	headerEdgeRegion    = "Meridian-Edge-Region"
	headerServedRegion  = "Meridian-Served-Region"
	headerRoute         = "Meridian-Route"
	headerRequestID     = "X-Request-Id"
)

// first is h.Get of a name that is in its canonical form.
func first(h http.Header, name string) string {
	if values := h[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// maxHeaders is how many header lines a request may have.
const maxHeaders = 100

func tooMany(h http.Header) bool {
	lines := 0
	for _, values := range h {
		lines += len(values)
	}
	return lines > maxHeaders
}

// Public reports whether the answer to a GET is the same whoever asks: it is a read of global data by an RPC.
func (e *Edge) Public(r *http.Request) bool {
	m, ok := e.methods.RPC(r.URL.Path)
	return ok && m.ReadOnly && m.Locality == decide.Global
}

// prepare makes what goes to a stack. The edge's own headers are set after those are gone that are for one hop,
// so that a caller cannot have them removed by naming them in Connection.
func (e *Edge) prepare(x *exchange) {
	in, location := x.in, &x.request.Location
	h := x.header
	if h == nil {
		h = make(http.Header, len(in.Header)+8)
		x.header = h
	}
	for name, values := range in.Header {
		if !ofOneHop(name) && !forged(name) {
			h[name] = values // shared, which is safe since nobody writes to it
		}
	}
	dropNamed(h, in.Header["Connection"])
	value := make([]string, 5) // one allocation for all
	set := func(name, text string) {
		if text != "" {
			value[0] = text
			h[name], value = value[:1:1], value[1:]
		}
	}
	if len(in.Header["Te"]) > 0 && httpguts.HeaderValuesContainsToken(in.Header["Te"], "trailers") {
		set("Te", "trailers")
	}
	h[headerEdgeRegion] = e.regionValue
	set(headerCallerRegion, string(location.Region))
	set(headerCallerCountry, location.Country)
	if location.Client.IsValid() {
		set(headerCallerIP, location.Client.String())
	}
	set(headerRequestID, x.requestID)
	if x.parent != nil {
		h["Traceparent"] = x.parent
	}
	if deadline, ok := x.ctx.Deadline(); ok {
		passTimeout(h, time.Until(deadline))
	}
	x.repeatable = x.upgrade == "" && (x.request.Method.Idempotent || hasKey(h))
	x.out = wire.Request{
		Method: in.Method, Target: originForm(in), Header: h, Upgrade: x.upgrade, Trailer: trailerOf(in),
		Body: x.body.head, Length: int64(len(x.body.head)),
	}
	if x.body.rest != nil {
		x.out.Rest, x.out.Length = (*restReader)(&x.body), in.ContentLength
	}
}

// ofOneHop reports whether a header is about the connection to the edge rather than for a stack; or tells of the
// hops before, which is for the edge to tell.
func ofOneHop(name string) bool {
	switch name {
	case "Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer",
		"Transfer-Encoding", "Upgrade", "Expect", "Content-Length",
		"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto":
		return true
	}
	return false
}

// dropNamed removes the headers that Connection names.
func dropNamed(h http.Header, connection []string) {
	for _, line := range connection {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.TrimSpace(name); name != "" {
				h.Del(name)
			}
		}
	}
}

// upgradeOf returns the protocol that a caller asks to switch to, if it is one that the edge passes on.
func upgradeOf(r *http.Request) string {
	given := r.Header["Upgrade"]
	if len(given) == 1 && strings.EqualFold(given[0], "websocket") && r.Method == http.MethodGet && r.ProtoMajor == 1 &&
		httpguts.HeaderValuesContainsToken(r.Header["Connection"], "upgrade") {
		return "websocket"
	}
	return ""
}

// originForm returns the path and the query as they go to a stack: as they came, where they are plain.
func originForm(r *http.Request) string {
	u := r.URL
	if plainTarget(r.RequestURI, u) {
		return r.RequestURI
	}
	if query := clean(u.RawQuery); query != u.RawQuery {
		changed := *u
		changed.RawQuery = query
		u = &changed
	}
	return u.RequestURI()
}

// plainTarget reports whether a request's target is its path and its query as they are, with nothing in them that two
// parsers could read differently.
func plainTarget(target string, u *url.URL) bool {
	path, query, asked := strings.Cut(target, "?")
	if path != u.Path || query != u.RawQuery || asked != (query != "") || u.Opaque != "" || path == "" || path[0] != '/' || clean(query) != query {
		return false
	}
	for i := range len(path) {
		c := path[i]
		if c != '/' && c != '.' && c != '-' && c != '_' && c != '~' && !letterOrDigit(c) {
			return false
		}
	}
	return true
}

func letterOrDigit(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// clean leaves nothing in a query that two parsers could read differently: semicolons, and percent signs that
// escape nothing.
func clean(query string) string {
	for i := 0; i < len(query); i++ {
		switch query[i] {
		case '%':
			if i+2 < len(query) && hexDigit(query[i+1]) && hexDigit(query[i+2]) {
				continue
			}
		case ';':
		default:
			continue
		}
		values, _ := url.ParseQuery(query) // what cannot be read is left out
		return values.Encode()
	}
	return query
}

func hexDigit(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// trailerOf returns the trailer of a request, which may still be to come with its body.
func trailerOf(r *http.Request) http.Header {
	for name := range r.Trailer {
		if forged(name) {
			kept := r.Trailer.Clone()
			stripMeridian(kept)
			return kept
		}
	}
	return r.Trailer
}

// forged reports whether a header is one of the edge's own, however its name is written: not the two pins, nor the
// consistency token, which grant nothing.
func forged(name string) bool {
	return len(name) >= len(headerPrefix) && strings.EqualFold(name[:len(headerPrefix)], headerPrefix) &&
		name != headerRegion && name != headerPrefer && name != consistency.Header
}

// stripMeridian removes every forged header.
func stripMeridian(h http.Header) {
	for name := range h {
		if forged(name) {
			delete(h, name)
		}
	}
}

// stamp sets the answer headers that every answer of the edge carries. The names are in their canonical form,
// and values that never change are shared, which is safe since adding to a full slice copies it.
func (e *Edge) stamp(h http.Header, x *exchange) {
	value := make([]string, 5) // one allocation for all
	set := func(name, text string) {
		value[0] = text
		h[name], value = value[:1:1], value[1:]
	}
	h[headerEdgeRegion] = e.regionValue
	if x.region != "" {
		set(headerServedRegion, string(x.region))
		set(headerRoute, string(x.route))
	}
	set(headerRequestID, x.requestID)
	timing := make([]byte, 0, 32)
	timing = strconv.AppendFloat(append(timing, "edge;dur="...), float64(time.Since(x.start))/float64(time.Millisecond), 'f', 2, 64)
	if before := h["Server-Timing"]; len(before) > 0 {
		h["Server-Timing"] = append(before, string(timing))
	} else {
		set("Server-Timing", string(timing))
	}
	if x.parent != nil {
		h["Traceparent"] = x.parent
	}
}

// traceparent renders a span as W3C Trace Context does.
func traceparent(span trace.SpanContext) string {
	traceID, spanID, flags := span.TraceID(), span.SpanID(), [1]byte{byte(span.TraceFlags())}
	var text [55]byte
	copy(text[:], "00-")
	hex.Encode(text[3:], traceID[:])
	text[35] = '-'
	hex.Encode(text[36:], spanID[:])
	text[52] = '-'
	hex.Encode(text[53:], flags[:])
	return string(text[:])
}
