package edge

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/meridian-commerce/meridian/internal/fault"
)

// slow is from when on an answer is worth a line in the log.
const slow = time.Second

// serve takes one request from its arrival to its last byte.
func (e *Edge) serve(w http.ResponseWriter, r *http.Request) {
	x := &exchange{start: time.Now(), requestID: requestID(r.Header)}
	ctx := context.WithValue(r.Context(), exchangeKey{}, x)
	r = r.WithContext(ctx)
	e.budget.enter()
	defer func() {
		e.release(x)
		e.unclaim(x)
		e.budget.leave()
		e.record(r, x)
	}()
	if refusal := e.open(x, r); refusal != nil {
		e.answer(w, r, x, refusal)
		x.finished = true
		return
	}
	e.proxy.ServeHTTP(w, r)
	x.finished = true
}

// open fills in the exchange: the decision and the body.
func (e *Edge) open(x *exchange, r *http.Request) *problem {
	found := e.examine(inquiryOf(r))
	x.request = found.request
	switch {
	case found.refusal != nil:
		return found.refusal
	case r.Method == http.MethodConnect || r.Method == http.MethodTrace:
		return invalid(fault.New(fault.Invalid, "METHOD_NOT_ALLOWED", "%s is not served here.", r.Method))
	}
	x.decision = e.policy.Decide(x.request, e.view.Snapshot())
	x.stream = x.request.Method.Stream || strings.Contains(r.Header.Get("Accept"), "text/event-stream")
	if x.request.Method.ClientSends {
		x.body = payload{rest: r.Body}
		return nil
	}
	body, err := readPayload(r)
	if err != nil {
		return invalid(fault.Wrap(err, fault.Invalid, "BODY_UNREADABLE", "The request's body ended before it was complete."))
	}
	x.body = body
	return nil
}

// record writes the metrics, the span and the log line of a finished exchange.
func (e *Edge) record(r *http.Request, x *exchange) {
	took := time.Since(x.start)
	code := strconv.Itoa(x.status)
	left := r.Context().Err() != nil
	switch {
	case left && (!x.finished || x.status == 0):
		code = "canceled" // the caller left before the end of the answer
	case !x.finished:
		code = "aborted" // the answer broke off
	}
	e.metrics.observe(r.Context(), x, code, took)
	if span := trace.SpanFromContext(r.Context()); span.IsRecording() {
		span.SetAttributes(attribute.String("meridian.route", string(x.route)), attribute.String("meridian.served_region", string(x.region)),
			attribute.String("meridian.request_id", x.requestID), attribute.Int("meridian.attempts", len(x.tried)))
	}
	level := slog.LevelDebug
	if x.status >= http.StatusInternalServerError || !x.finished && !left || took > slow && !x.stream {
		level = slog.LevelInfo
	}
	if e.log.Enabled(r.Context(), level) {
		e.log.LogAttrs(r.Context(), level, "request", slog.String("method", r.Method), slog.String("name", x.request.Method.Name),
			slog.String("code", code), slog.Duration("took", took), slog.String("route", string(x.route)),
			slog.String("region", string(x.region)), slog.Int("attempts", len(x.tried)), slog.String("request_id", x.requestID))
	}
}

// release lets go of the last attempt's instance and connection.
func (e *Edge) release(x *exchange) {
	if x.cancel == nil {
		return
	}
	x.cancel(context.Canceled)
	x.tried[len(x.tried)-1].Release()
	x.cancel = nil
}
