package edge

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/meridian-commerce/meridian/internal/consistency"
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

// outgoing is what goes to a stack, whichever it is.
type outgoing struct {
	request *http.Request // without an address, a body and a context
	header  http.Header   // of request; kept to be used again
	body    payload
	alone   bool // it needs a connection that nothing else uses, before or after
	shared  bool // it goes over a connection that others use too
	hints   *hints
}

// prepare makes what goes to a stack. The edge's own headers are set after those are gone that are for one hop,
// so that a caller cannot have them removed by naming them in Connection.
func (e *Edge) prepare(x *exchange) {
	in := x.in
	o := &x.out
	location := &x.class.Location
	h := o.header
	if h == nil {
		h = make(http.Header, len(in.Header)+8)
		o.header = h
	}
	for name, values := range in.Header {
		if !hopByHop(name) && !forged(name) {
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
	set(headerRequestID, x.id)
	if x.traced.parent != nil {
		h["Traceparent"] = x.traced.parent
	}
	if _, ok := h["User-Agent"]; !ok {
		h["User-Agent"] = []string{""} // else net/http says its own
	}
	if deadline, ok := x.ctx.Deadline(); ok {
		passTimeout(h, time.Until(deadline))
	}
	x.class.repeatable = x.class.Method.Repeatable(hasKey(h))
	o.address(in)
	o.shared = x.class.shared
	o.alone = !o.body.whole() || len(o.request.Trailer) > 0
}

// address makes the request that every attempt copies.
func (o *outgoing) address(in *http.Request) {
	to := *in.URL
	to.User = nil
	to.RawQuery = clean(to.RawQuery)
	o.request = &http.Request{
		Method: in.Method, URL: &to, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: o.header, ContentLength: int64(len(o.body.head)), Trailer: trailerOf(in),
	}
	if !o.body.whole() {
		o.request.ContentLength = in.ContentLength
	}
	if len(o.request.Trailer) > 0 {
		o.request.ContentLength = -1 // only what goes in chunks has a trailer
	}
}

// hopByHop reports whether a header is about the connection to the edge rather than for a stack; or tells of the
// hops before, which is for the edge to tell.
func hopByHop(name string) bool {
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

// trailerOf returns what of a request's trailer goes to a stack: nothing that only an edge may say, nor anything that
// means something about the request itself and so belongs into its header, where the edge has looked at it. The
// trailer of a stream is still to come; it is passed on as far as it was announced.
func trailerOf(r *http.Request) http.Header {
	if len(r.Trailer) == 0 {
		return nil
	}
	kept := make(http.Header, len(r.Trailer))
	for name, values := range r.Trailer {
		if !forged(name) && httpguts.ValidTrailerHeader(name) {
			kept[name] = values
		}
	}
	return kept
}

// forged reports whether a header is one of the edge's own, however its name is written: not the two pins, nor the
// consistency token, which grant nothing.
func forged(name string) bool {
	return len(name) >= len(headerPrefix) && strings.EqualFold(name[:len(headerPrefix)], headerPrefix) &&
		name != headerRegion && name != headerPrefer && name != consistency.Header
}

// stamp sets the answer headers that every answer of the edge carries. The names are in their canonical form,
// and values that never change are shared, which is safe since adding to a full slice copies it.
func (x *exchange) stamp(h http.Header, edge []string) {
	value := make([]string, 5) // one allocation for all
	set := func(name, text string) {
		value[0] = text
		h[name], value = value[:1:1], value[1:]
	}
	h[headerEdgeRegion] = edge
	if by := x.course.served; by.region != "" {
		set(headerServedRegion, string(by.region))
		set(headerRoute, string(by.route))
	}
	set(headerRequestID, x.id)
	timing := make([]byte, 0, 32)
	timing = strconv.AppendFloat(append(timing, "edge;dur="...), float64(time.Since(x.start))/float64(time.Millisecond), 'f', 2, 64)
	if before := h["Server-Timing"]; len(before) > 0 {
		h["Server-Timing"] = append(before, string(timing))
	} else {
		set("Server-Timing", string(timing))
	}
	if x.traced.parent != nil {
		h["Traceparent"] = x.traced.parent
	}
}
