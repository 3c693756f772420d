package edge

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"math/rand/v2"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// tracing makes the edge's span of a request. It does by hand what an instrumentation library does for any
// server, since the edge needs a small part of it for every request: what is not recorded costs next to nothing.
type tracing struct {
	tracer     trace.Tracer // nil: nothing is recorded, but traces go on from callers to stacks
	propagator propagation.TextMapPropagator
}

func newTracing(deps Deps) tracing {
	t := tracing{propagator: deps.Propagator}
	if deps.Tracer != nil {
		t.tracer = deps.Tracer.Tracer("github.com/meridian-commerce/meridian/internal/edge")
	}
	return t
}

// traced is the edge's span of one request.
type traced struct {
	span    trace.Span // nil: it is not recorded
	context trace.SpanContext
	parent  []string // the span as a Traceparent header's value; nil: there is none
}

// start begins the span of a request, as the child of what its headers name.
func (t tracing) start(r *http.Request, name string) (context.Context, traced) {
	ctx := r.Context()
	if len(r.Header["Traceparent"]) > 0 {
		ctx = t.propagator.Extract(ctx, propagation.HeaderCarrier(r.Header))
	}
	var out traced
	if t.tracer != nil {
		ctx, out.span = t.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer)) //nolint:spancheck // traced.end does
		out.context = out.span.SpanContext()
	} else {
		out.context = unrecorded(trace.SpanContextFromContext(ctx))
	}
	if out.context.IsValid() {
		out.parent = []string{traceparent(out.context)}
	}
	return ctx, out
}

// unrecorded makes the edge's link of a trace that nobody records here.
func unrecorded(parent trace.SpanContext) trace.SpanContext {
	cfg := trace.SpanContextConfig{TraceID: parent.TraceID(), TraceFlags: parent.TraceFlags(), TraceState: parent.TraceState()}
	if !parent.IsValid() {
		binary.NativeEndian.PutUint64(cfg.TraceID[:8], rand.Uint64())
		binary.NativeEndian.PutUint64(cfg.TraceID[8:], rand.Uint64()|1) // zero is no id
		cfg.TraceFlags = trace.FlagsSampled                             // for a stack to record
	}
	binary.NativeEndian.PutUint64(cfg.SpanID[:], rand.Uint64()|1)
	return trace.NewSpanContext(cfg)
}

// attempt is one attempt's span, from its start to the headers of its answer.
type attempt struct {
	header http.Header // of the request, whose trace context is the span's
	span   trace.Span  // nil: none
}

// attempt begins the span of sending a request to an address.
func (t tracing) attempt(ctx context.Context, req *http.Request, address string) attempt {
	if t.tracer == nil {
		return attempt{header: req.Header}
	}
	ctx, span := t.tracer.Start(ctx, "attempt", trace.WithSpanKind(trace.SpanKindClient))
	header := maps.Clone(req.Header)
	t.propagator.Inject(ctx, propagation.HeaderCarrier(header))
	if span.IsRecording() {
		span.SetAttributes(attribute.String("http.request.method", req.Method), attribute.String("server.address", address))
	}
	return attempt{header, span}
}

// end ends the span with what came of it.
func (a attempt) end(res *http.Response, err error) {
	if a.span == nil {
		return
	}
	if err != nil {
		a.span.SetStatus(codes.Error, err.Error())
	} else {
		a.span.SetAttributes(attribute.Int("http.response.status_code", res.StatusCode))
	}
	a.span.End()
}

// end says on a recorded span what was asked and what came of it, and ends it.
func (t *traced) end(x *exchange) {
	if t.span == nil {
		return
	}
	defer t.span.End()
	if !t.span.IsRecording() {
		return
	}
	r := x.in
	t.span.SetAttributes(
		attribute.String("http.request.method", r.Method), attribute.String("url.path", r.URL.Path),
		attribute.String("user_agent.original", r.UserAgent()), attribute.Int("http.response.status_code", x.status),
		attribute.String("meridian.route", string(x.course.served.route)), attribute.String("meridian.served_region", string(x.course.served.region)),
		attribute.String("meridian.request_id", x.id), attribute.Int("meridian.attempts", len(x.course.tried)),
	)
	if x.status >= http.StatusInternalServerError {
		t.span.SetStatus(codes.Error, http.StatusText(x.status))
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
