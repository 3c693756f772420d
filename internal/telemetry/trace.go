package telemetry

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

const traceparent = "traceparent" // W3C Trace Context

// Inject returns the current span as a W3C traceparent, to travel with an event; "" where there is none.
func Inject(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier[traceparent]
}

// Extract returns ctx with the span that Inject described as its remote parent, or ctx itself where parent
// is empty or malformed.
func Extract(ctx context.Context, parent string) context.Context {
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{traceparent: parent})
}

// Observe records a value, with the trace of ctx as its exemplar where that trace is sampled, so that a slow
// bucket leads to a request that was slow. An observer that takes no exemplars, such as a summary's, records
// the value alone.
func Observe(ctx context.Context, o prometheus.Observer, value float64) {
	span := trace.SpanContextFromContext(ctx)
	if with, ok := o.(prometheus.ExemplarObserver); ok && span.IsSampled() {
		with.ObserveWithExemplar(value, prometheus.Labels{"trace_id": span.TraceID().String()})
		return
	}
	o.Observe(value)
}

// LatencyBuckets returns histogram bounds in seconds that tell apart what Meridian promises: a read at home
// (3 ms), the quorum round trips of a write (70 and 175 ms), a lease transfer (up to 8 s).
func LatencyBuckets() []float64 {
	return []float64{
		.0005, .001, .002, .003, .005, .01, .02, .035, .05, .075, .1, .15, .2, .3, .5, 1, 2.5, 5, 8, 15,
	}
}
