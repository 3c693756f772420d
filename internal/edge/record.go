package edge

import (
	"context"
	"encoding/binary"
	"log/slog"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// slow is from when on an answer is worth a line in the log.
const slow = time.Second

// record writes the metrics, the span and the log line of a finished exchange.
func (e *Edge) record(x *exchange) {
	took := time.Since(x.start)
	ended := asAnswered
	left := x.ctx.Err() != nil
	switch {
	case left && (!x.finished || x.status == 0):
		ended = asCanceled
	case !x.finished:
		ended = asAborted
	}
	e.metrics.observe(answerKind{x.course.served, x.status, ended}, took, x.class.stream, &x.traced)
	x.traced.end(x)
	level := slog.LevelDebug
	if x.status >= http.StatusInternalServerError || !x.finished && !left || took > slow && !x.class.stream || e.sampled(&x.traced) {
		level = slog.LevelInfo
	}
	if e.log.Enabled(x.ctx, level) {
		e.log.LogAttrs(x.logged(), level, "request", slog.String("method", x.in.Method), slog.String("name", x.class.Method.Name),
			slog.String("code", codeOf(x.status, ended)), slog.Duration("took", took), slog.String("route", string(x.course.served.route)),
			slog.String("region", string(x.course.served.region)), slog.Int("attempts", len(x.course.tried)), slog.String("request_id", x.id))
	}
}

// sampled reports whether a request that went well has a line in the access log. The trace's id decides, so that all
// edges that a trace passes agree.
func (e *Edge) sampled(t *traced) bool {
	id := t.context.TraceID()
	return binary.BigEndian.Uint64(id[8:])%100 < e.logPercent
}

// logged returns the context by which a log knows the exchange's trace.
func (x *exchange) logged() context.Context {
	if x.traced.span != nil {
		return x.ctx
	}
	return trace.ContextWithSpanContext(x.ctx, x.traced.context)
}
