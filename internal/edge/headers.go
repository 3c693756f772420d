package edge

import (
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"
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

// rewrite prepares the request to the stack. It runs after the proxy removed hop-by-hop headers, so that a
// caller cannot have the edge's own headers removed by naming them in Connection.
func (e *Edge) rewrite(pr *httputil.ProxyRequest) {
	x, out := exchangeOf(pr.In.Context()), pr.Out
	stripMeridian(out.Header)
	h := out.Header
	h.Set(headerEdgeRegion, string(e.region))
	h.Set(headerCallerRegion, string(x.request.Location.Region))
	if x.request.Location.Country != "" {
		h.Set(headerCallerCountry, x.request.Location.Country)
	}
	if x.request.Location.Client.IsValid() {
		h.Set(headerCallerIP, x.request.Location.Client.String())
	}
	h.Set(headerRequestID, x.requestID)
	for _, name := range [...]string{"Upgrade", "Connection", "Expect"} {
		h.Del(name)
	}
	out.URL.Scheme, out.Host = "http", ""
	out.Trailer, out.TransferEncoding = nil, nil
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

// stamp sets the answer headers that every answer of the edge carries.
func (e *Edge) stamp(h http.Header, x *exchange, span trace.SpanContext) {
	h.Set(headerEdgeRegion, string(e.region))
	if x.region != "" {
		h.Set(headerServedRegion, string(x.region))
		h.Set(headerRoute, string(x.route))
	}
	h.Set(headerRequestID, x.requestID)
	h.Add("Server-Timing", "edge;dur="+strconv.FormatFloat(float64(time.Since(x.start))/float64(time.Millisecond), 'f', 2, 64))
	if span.IsValid() {
		h.Set("Traceparent", "00-"+span.TraceID().String()+"-"+span.SpanID().String()+"-"+span.TraceFlags().String())
	}
}
