package edge

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/meridian-commerce/meridian/internal/edge/wire"
)

// lateAfter is from when on an attempt counts as slow. Until then it is only waited for; from then on the edge
// also looks whether the caller leaves or the instance goes down, which costs more than most requests do.
const lateAfter = 5 * time.Millisecond

// try sends one attempt and waits for the headers of its answer. It returns who gave it, which is another instance
// where a second one was asked meanwhile.
func (e *Edge) try(x *exchange, t target) (target, *http.Response, error) {
	e.release(x)
	t.Acquire()
	x.tried = append(x.tried, t.Endpoint)
	e.hold(x, t)
	attempt := e.tracing.attempt(x, t.Addr)
	send := e.tryUnary
	if x.shared {
		send = e.tryShared
	}
	t, res, err := send(x, t, attempt.header)
	attempt.end(res, err)
	if dial, ok := errors.AsType[*wire.DialError](err); ok && x.ctx.Err() == nil {
		e.view.ReportFailure(t.Endpoint, dial.Err)
	}
	return t, res, err
}

// hold makes an instance the one that the exchange uses.
func (e *Edge) hold(x *exchange, t target) {
	if first := x.decision.Candidates()[0].Region; first != t.Region {
		e.metrics.failovers.WithLabelValues(string(first), string(t.Region)).Inc()
	}
	x.held, x.region, x.route = t.Endpoint, t.Region, t.route
}

// tryUnary sends an attempt on a connection of its own.
func (e *Edge) tryUnary(x *exchange, t target, header http.Header) (target, *http.Response, error) {
	out, sent := x.out, time.Now()
	out.Host, out.Header, out.Fresh = t.Addr, header, x.retried
	flight, err := e.upstreams[t.Region].unary.Send(x.ctx, t.Addr, &out)
	if err != nil {
		return t, nil, err //nolint:wrapcheck // for judge to tell apart
	}
	x.flight = flight
	by, usual := e.answerBy(x, sent), e.hedges.paceOf(x)
	began, err := flight.Await(soonest(by, sent.Add(lateAfter)))
	if err != nil {
		return t, nil, err //nolint:wrapcheck // for judge to tell apart
	}
	var res *http.Response
	if began {
		res, err = headOf(flight, by)
	} else {
		t, res, err = e.late(x, t, &out, sent, by, usual)
	}
	if err != nil {
		return t, nil, err
	}
	if usual != nil {
		usual.observe(time.Since(sent))
	}
	if x.unwatch == nil && !flight.Whole(res) {
		x.unwatch = context.AfterFunc(x.ctx, flight.Cancel)
	}
	return t, res, nil
}

// headOf reads the head of an answer that began.
func headOf(flight *wire.Exchange, by time.Time) (*http.Response, error) {
	res, err := flight.Answer(by)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, errTimeout
	}
	return res, err //nolint:wrapcheck // for judge to tell apart
}

// late waits on for an attempt that is slow. It gives it up when the caller leaves, or, if it can be repeated, when
// its instance is found to be down; and asks another instance meanwhile where that is due.
func (e *Edge) late(x *exchange, t target, out *wire.Request, sent, by time.Time, usual *pace) (target, *http.Response, error) {
	flight := x.flight
	x.unwatch = context.AfterFunc(x.ctx, flight.Cancel)
	unwatchDown := func() bool { return true }
	if x.mayRepeat() {
		unwatchDown = context.AfterFunc(t.Up, flight.Cancel)
	}
	down := func(res *http.Response, err error) (target, *http.Response, error) {
		if !unwatchDown() {
			discard(res)
			return t, nil, errInstanceDown
		}
		return t, res, err
	}
	if delay, ok := x.hedgeAfter(usual); ok {
		if began, err := flight.Await(soonest(by, sent.Add(delay))); !began && err == nil {
			if second, ok := e.hedge(x); ok {
				defer unwatchDown()
				out.Interim = nil // two would speak at once
				return e.settle(x, e.race(x, runner{target: t, flight: flight, stop: flight.Cancel}, second, by))
			}
		}
	}
	return down(receive(flight, by))
}

// answerBy returns until when an attempt's answer must begin, zero for never.
func (e *Edge) answerBy(x *exchange, sent time.Time) time.Time {
	var by time.Time
	if !x.stream && x.body.rest == nil {
		by = sent.Add(x.limit(e.timeout))
	}
	if deadline, ok := x.ctx.Deadline(); ok {
		by = soonest(by, deadline)
	}
	return by
}

// soonest returns the earlier time; zero is never.
func soonest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// tryShared sends an attempt on a connection that it shares.
func (e *Edge) tryShared(x *exchange, t target, header http.Header) (target, *http.Response, error) {
	ctx, cancel := context.WithCancelCause(x.ctx)
	x.cancel = cancel
	via, to := e.upstreams[t.Region], *x.in.URL
	to.Scheme, to.Host, to.User, to.RawQuery = via.scheme, t.Addr, nil, clean(to.RawQuery)
	out := (&http.Request{
		Method: x.out.Method, URL: &to, ContentLength: x.out.Length, Trailer: x.out.Trailer,
		Header: header.Clone(), // an attempt that was given up may still be reading it
	}).WithContext(ctx)
	if _, ok := out.Header["User-Agent"]; !ok {
		out.Header["User-Agent"] = []string{""} // else the transport says its own
	}
	x.body.attach(out, x.repeatable)
	out, settled := x.passHints(out)
	end := e.watchdog(x, t, cancel)
	res, err := via.shared.RoundTrip(out)
	settled()
	if struck := end(); struck != nil {
		discard(res)
		return t, nil, struck
	}
	return t, res, err //nolint:wrapcheck // for judge to tell apart
}

// passHints has informational answers passed on until settled is called.
func (x *exchange) passHints(out *http.Request) (hinting *http.Request, settled func()) {
	var mu sync.Mutex // the transport calls from a goroutine of its own
	interim := x.out.Interim
	trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		mu.Lock()
		defer mu.Unlock()
		if interim != nil && code != http.StatusContinue {
			interim(code, http.Header(h))
		}
		return nil
	}}
	return out.WithContext(httptrace.WithClientTrace(out.Context(), trace)), func() {
		mu.Lock()
		defer mu.Unlock()
		interim = nil
	}
}

// watchdog cancels a shared attempt whose answer takes too long, or, if it can be repeated, whose instance is
// found to be down. The returned function ends it, and returns why it has struck, or nil if it has not and will
// not.
func (e *Edge) watchdog(x *exchange, t target, cancel context.CancelCauseFunc) (end func() error) {
	var verdict atomic.Pointer[error] // whoever sets it first
	strike := func(cause error) {
		if verdict.CompareAndSwap(nil, &cause) {
			cancel(cause)
		}
	}
	stopDown, stopTimer := func() bool { return true }, func() bool { return true }
	if x.mayRepeat() {
		stopDown = context.AfterFunc(t.Up, func() { strike(errInstanceDown) })
	}
	if !x.stream && x.body.rest == nil {
		stopTimer = time.AfterFunc(x.limit(e.timeout), func() { strike(errTimeout) }).Stop
	}
	return func() error {
		stopDown()
		stopTimer()
		var inTime error
		verdict.CompareAndSwap(nil, &inTime)
		return *verdict.Load()
	}
}

// mayRepeat reports whether the attempt under way can be followed by another.
func (x *exchange) mayRepeat() bool { return x.repeatable && !x.retried && x.body.rest == nil }

// release lets go of the last attempt's instance and connection.
func (e *Edge) release(x *exchange) {
	if x.held == nil {
		return
	}
	if x.unwatch != nil {
		x.unwatch()
		x.unwatch = nil
	}
	if x.flight != nil {
		x.flight.Cancel()
		x.flight = nil
	}
	if x.cancel != nil {
		x.cancel(context.Canceled)
		x.cancel = nil
	}
	x.held.Release()
	x.held = nil
}
