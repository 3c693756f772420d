package edge

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// tracing makes the edge's span of a request. It does by hand what an instrumentation library does for any
// server, since the edge needs a small part of it for every request: what is not recorded costs next to nothing.
type tracing struct {
	tracer     trace.Tracer
	propagator propagation.TextMapPropagator
}

func newTracing(deps Deps) tracing {
	return tracing{deps.Tracer.Tracer("github.com/meridian-commerce/meridian/internal/edge"), deps.Propagator}
}

// start begins the span of a request, as the child of what its headers name.
func (t tracing) start(r *http.Request, name string) (context.Context, trace.Span) {
	ctx := t.propagator.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	return t.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer)) //nolint:spancheck // the caller ends it
}

// transport is the connections to stacks with a span for each attempt, from its start to the headers of its
// answer, whose context goes along.
type transport struct {
	tracing
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, span := t.tracer.Start(r.Context(), "attempt", trace.WithSpanKind(trace.SpanKindClient))
	defer span.End()
	out := r.WithContext(ctx)
	out.Header = r.Header.Clone() // an attempt that was given up may still be reading the headers
	t.propagator.Inject(ctx, propagation.HeaderCarrier(out.Header))
	res, err := t.next.RoundTrip(out)
	if span.IsRecording() {
		span.SetAttributes(attribute.String("http.request.method", r.Method), attribute.String("server.address", r.URL.Host))
		if err != nil {
			span.SetStatus(codes.Error, err.Error())
		} else {
			span.SetAttributes(attribute.Int("http.response.status_code", res.StatusCode))
		}
	}
	return res, err //nolint:wrapcheck // a transport's errors are its caller's to tell apart
}

// describe says on a recorded span what was asked and what came of it.
func describe(span trace.Span, r *http.Request, x *exchange) {
	if !span.IsRecording() {
		return
	}
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
