package edge

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"
	"go.opentelemetry.io/otel/trace"

	"github.com/meridian-commerce/meridian/internal/fault"
)

const (
	slow           = time.Second // from when on an answer is worth a line in the log
	longestTimeout = 24 * time.Hour
)

// serve takes one request from its arrival to its last byte.
func (e *Edge) serve(w http.ResponseWriter, r *http.Request) {
	method := e.methods.Lookup(r.Method, r.URL.Path)
	x := &exchange{start: time.Now(), requestID: requestID(r.Header), budget: e.budgetOf(method)}
	ctx, span := e.tracing.start(r, method.Name)
	defer span.End()
	ctx = context.WithValue(ctx, exchangeKey{}, x)
	if limit, ok := timeoutOf(r.Header); ok && limit < longestTimeout {
		limited, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		ctx = limited
	}
	r = r.WithContext(ctx)
	x.budget.enter()
	defer func() {
		e.release(x)
		x.unclaim()
		x.budget.leave()
		e.record(r, x)
	}()
	if refusal := e.open(w, x, r); refusal != nil {
		e.answer(w, r, x, refusal)
		x.finished = true
		return
	}
	e.proxy.ServeHTTP(w, r)
	if x.status == 0 && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		e.answer(w, r, x, unknown(http.StatusGatewayTimeout, connect.CodeDeadlineExceeded, fault.New(fault.Ambiguous, "DEADLINE_EXCEEDED",
			"The time that the caller gave ran out, and it is not known whether the request was done.")))
	}
	x.finished = true
}

// open fills in the exchange: the decision and the body.
func (e *Edge) open(w http.ResponseWriter, x *exchange, r *http.Request) *problem {
	found := e.examine(inquiryOf(r))
	x.request = found.request
	switch {
	case found.refusal != nil:
		return found.refusal
	case r.Method == http.MethodConnect || r.Method == http.MethodTrace:
		return invalid(fault.New(fault.Invalid, "METHOD_NOT_ALLOWED", "%s is not served here.", r.Method))
	case len(r.Header["Content-Length"]) > 1: // only HTTP/2 comes this far with two
		return invalid(fault.New(fault.Invalid, "LENGTH_TWICE", "A request has one Content-Length."))
	case tooMany(r.Header):
		return &problem{http.StatusRequestHeaderFieldsTooLarge, connect.CodeInvalidArgument,
			fault.New(fault.Invalid, "HEADERS_TOO_MANY", "A request has at most %d header lines.", maxHeaders)}
	}
	x.decision = e.decide(&x.request)
	x.stream = x.request.Method.Stream || strings.Contains(r.Header.Get("Accept"), "text/event-stream")
	if x.request.Method.ClientSends {
		x.body = payload{rest: r.Body}
		return nil
	}
	body, err := readPayload(w, r, e.maxBody, e.patience)
	x.body = body
	return e.unreadable(err)
}

// unreadable says what is wrong with a body that could not be read.
func (e *Edge) unreadable(err error) *problem {
	var long *http.MaxBytesError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &long):
		return &problem{http.StatusRequestEntityTooLarge, connect.CodeResourceExhausted,
			fault.Wrap(err, fault.Invalid, "BODY_TOO_LARGE", "A request's body has at most %d bytes.", long.Limit)}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &problem{http.StatusRequestTimeout, connect.CodeDeadlineExceeded,
			fault.Wrap(err, fault.Invalid, "BODY_TOO_SLOW", "The request's body did not come within %v.", e.patience)}
	}
	return invalid(fault.Wrap(err, fault.Invalid, "BODY_UNREADABLE", "The request's body ended before it was complete."))
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
	describe(trace.SpanFromContext(r.Context()), r, x)
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
