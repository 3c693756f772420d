package edge

import (
	"encoding/hex"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/meridian-commerce/meridian/internal/edge/decide"
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

// rewrite prepares the request to the stack. It runs after the proxy removed hop-by-hop headers, so that a
// caller cannot have the edge's own headers removed by naming them in Connection.
func (e *Edge) rewrite(pr *httputil.ProxyRequest) {
	x, out := exchangeOf(pr.In.Context()), pr.Out
	stripMeridian(out.Header)
	h, location := out.Header, &x.request.Location
	value := make([]string, 4) // one allocation for all
	set := func(name, text string) {
		if text != "" {
			value[0] = text
			h[name], value = value[:1:1], value[1:]
		}
	}
	h[headerEdgeRegion] = e.regionValue
	set(headerCallerRegion, string(location.Region))
	set(headerCallerCountry, location.Country)
	if location.Client.IsValid() {
		set(headerCallerIP, location.Client.String())
	}
	set(headerRequestID, x.requestID)
	for _, name := range [...]string{"Upgrade", "Connection", "Expect"} {
		h.Del(name)
	}
	out.URL.Scheme, out.Host = "http", ""
	out.Trailer, out.TransferEncoding = nil, nil
	if deadline, ok := pr.In.Context().Deadline(); ok {
		passTimeout(h, time.Until(deadline))
	}
	x.repeatable = x.request.Method.Idempotent || hasKey(h)
}

// stripMeridian removes every Meridian header but the two pins, however its name is written.
func stripMeridian(h http.Header) {
	for name := range h {
		if len(name) >= len(headerPrefix) && strings.EqualFold(name[:len(headerPrefix)], headerPrefix) &&
			name != headerRegion && name != headerPrefer {
			delete(h, name)
		}
	}
}

// modify completes the answer of a stack.
func (e *Edge) modify(res *http.Response) error {
	x := exchangeOf(res.Request.Context())
	x.status = res.StatusCode
	stripMeridian(res.Header)
	res.Header.Del(headerRegion)
	res.Header.Del(headerPrefer)
	e.stamp(res.Header, x, trace.SpanContextFromContext(res.Request.Context()))
	return nil
}

// stamp sets the answer headers that every answer of the edge carries. The names are in their canonical form,
// and values that never change are shared, which is safe since adding to a full slice copies it.
func (e *Edge) stamp(h http.Header, x *exchange, span trace.SpanContext) {
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
	if span.IsValid() {
		set("Traceparent", traceparent(span))
	}
}

// traceparent renders a span as W3C Trace Context does.
func traceparent(span trace.SpanContext) string {
	traceID, spanID, flags := span.TraceID(), span.SpanID(), [1]byte{byte(span.TraceFlags())}
	text := hex.AppendEncode(append(make([]byte, 0, 55), "00-"...), traceID[:])
	text = hex.AppendEncode(append(text, '-'), spanID[:])
	return string(hex.AppendEncode(append(text, '-'), flags[:]))
}
