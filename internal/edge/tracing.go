package edge

import (
	"context"
	"encoding/binary"
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

// start begins the span of an exchange, as the child of what its request's headers name.
func (t tracing) start(x *exchange, name string) {
	ctx, h := x.in.Context(), x.in.Header
	if len(h["Traceparent"]) > 0 {
		ctx = t.propagator.Extract(ctx, propagation.HeaderCarrier(h))
	}
	if t.tracer != nil {
		x.ctx, x.span = t.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer)) //nolint:spancheck // serve ends it
		x.trace = x.span.SpanContext()
		return
	}
	parent := trace.SpanContextFromContext(ctx)
	cfg := trace.SpanContextConfig{TraceID: parent.TraceID(), TraceFlags: parent.TraceFlags(), TraceState: parent.TraceState()}
	if !parent.IsValid() {
		binary.NativeEndian.PutUint64(cfg.TraceID[:8], rand.Uint64())
		binary.NativeEndian.PutUint64(cfg.TraceID[8:], rand.Uint64()|1) // zero is no id
		cfg.TraceFlags = trace.FlagsSampled                             // for a stack to record
	}
	binary.NativeEndian.PutUint64(cfg.SpanID[:], rand.Uint64()|1)
	x.ctx, x.trace = ctx, trace.NewSpanContext(cfg)
}

// logged returns the context by which a log knows the exchange's trace.
func (x *exchange) logged() context.Context {
	if x.span != nil {
		return x.ctx
	}
	return trace.ContextWithSpanContext(x.ctx, x.trace)
}

// attempt is one attempt's span, from its start to the headers of its answer.
type attempt struct {
	header http.Header // of the request, whose trace context is the span's
	span   trace.Span  // nil: none
}

// attempt begins the span of sending x to an address.
func (t tracing) attempt(x *exchange, address string) attempt {
	if t.tracer == nil {
		return attempt{header: x.out.Header}
	}
	ctx, span := t.tracer.Start(x.ctx, "attempt", trace.WithSpanKind(trace.SpanKindClient))
	header := maps.Clone(x.out.Header)
	t.propagator.Inject(ctx, propagation.HeaderCarrier(header))
	if span.IsRecording() {
		span.SetAttributes(attribute.String("http.request.method", x.out.Method), attribute.String("server.address", address))
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

// describe says on a recorded span what was asked and what came of it.
func describe(span trace.Span, x *exchange) {
	if span == nil || !span.IsRecording() {
		return
	}
	r := x.in
	span.SetAttributes(
		attribute.String("http.request.method", r.Method), attribute.String("url.path", r.URL.Path),
		attribute.String("user_agent.original", r.UserAgent()), attribute.Int("http.response.status_code", x.status),
		attribute.String("meridian.route", string(x.route)), attribute.String("meridian.served_region", string(x.region)),
		attribute.String("meridian.request_id", x.requestID), attribute.Int("meridian.attempts", len(x.tried)),
	)
	if x.status >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, http.StatusText(x.status))
	}
}
