package edge

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"connectrpc.com/connect"

	"github.com/meridian-commerce/meridian/internal/fault"
)

const (
	slow           = time.Second // from when on an answer is worth a line in the log
	longestTimeout = 24 * time.Hour
)

// serve takes one request from its arrival to its last byte.
func (e *Edge) serve(w http.ResponseWriter, r *http.Request) {
	method := e.methods.Lookup(r.Method, r.URL.Path)
	x := e.exchange()
	x.in, x.start, x.requestID, x.budget = r, time.Now(), requestID(r.Header), e.budgetOf(method)
	e.tracing.start(x, method.Name)
	if x.trace.IsValid() {
		x.parent = []string{traceparent(x.trace)}
	}
	if limit, ok := timeoutOf(r.Header); ok && limit < longestTimeout {
		limited := &deadlineContext{Context: x.ctx, until: x.start.Add(limit)}
		defer limited.end()
		x.ctx = limited
	}
	x.budget.enter()
	defer func() {
		e.release(x)
		x.unclaim()
		x.budget.leave()
		e.record(x)
		if x.span != nil {
			x.span.End()
		}
		e.forget(x)
	}()
	if refusal := e.open(w, x); refusal != nil {
		e.answer(w, x, refusal)
		x.finished = true
		return
	}
	e.forward(w, x)
	if x.status == 0 && errors.Is(x.ctx.Err(), context.DeadlineExceeded) {
		e.answer(w, x, unknown(http.StatusGatewayTimeout, connect.CodeDeadlineExceeded, fault.New(fault.Ambiguous, "DEADLINE_EXCEEDED",
			"The time that the caller gave ran out, and it is not known whether the request was done.")))
	}
	x.finished = true
}

// exchange returns an empty exchange. It is large, so that those that are over are used again.
func (e *Edge) exchange() *exchange {
	if x, ok := e.exchanges.Get().(*exchange); ok {
		return x
	}
	return new(exchange)
}

// forget ends the use of an exchange, unless what is left of its body may still be read for an attempt.
func (e *Edge) forget(x *exchange) {
	if x.body.rest != nil {
		return
	}
	tried, header := x.tried[:0], x.header
	if x.retried || x.shared {
		header = nil // an attempt that was given up may still be reading it
	}
	clear(header)
	*x = exchange{tried: tried, header: header}
	e.exchanges.Put(x)
}

// open fills in the exchange: the decision, the body, and what goes to a stack.
func (e *Edge) open(w http.ResponseWriter, x *exchange) *problem {
	r := x.in
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
	x.decision = e.decide(&x.request, x.start)
	x.upgrade = upgradeOf(r)
	x.stream = x.upgrade != "" || x.request.Method.Stream || strings.Contains(first(r.Header, "Accept"), "text/event-stream")
	x.shared = x.upgrade == "" && (x.stream || strings.HasPrefix(first(r.Header, "Content-Type"), "application/grpc"))
	if x.request.Method.ClientSends {
		x.body = payload{rest: r.Body}
	} else {
		body, err := readPayload(w, r, e.maxBody, e.patience)
		x.body = body
		if err != nil {
			return e.unreadable(err)
		}
	}
	e.prepare(x)
	return nil
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
	e.metrics.observe(x, ended, took)
	describe(x.span, x)
	level := slog.LevelDebug
	if x.status >= http.StatusInternalServerError || !x.finished && !left || took > slow && !x.stream || e.sampled(x) {
		level = slog.LevelInfo
	}
	if e.log.Enabled(x.ctx, level) {
		e.log.LogAttrs(x.logged(), level, "request", slog.String("method", x.in.Method), slog.String("name", x.request.Method.Name),
			slog.String("code", codeOf(x.status, ended)), slog.Duration("took", took), slog.String("route", string(x.route)),
			slog.String("region", string(x.region)), slog.Int("attempts", len(x.tried)), slog.String("request_id", x.requestID))
	}
}

// sampled reports whether a request that went well has a line in the access log. The trace's id decides, so that all
// edges that a trace passes agree.
func (e *Edge) sampled(x *exchange) bool {
	id := x.trace.TraceID()
	return binary.BigEndian.Uint64(id[8:])%100 < e.logPercent
}
