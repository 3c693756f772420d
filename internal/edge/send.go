package edge

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/meridian-commerce/meridian/internal/discovery"
	"github.com/meridian-commerce/meridian/internal/edge/decide"
	"github.com/meridian-commerce/meridian/internal/edge/wire"
)

var (
	errNoTarget     = errors.New("edge: no candidate region has a healthy instance left")
	errTimeout      = errors.New("edge: the instance sent no answer in time")
	errInstanceDown = errors.New("edge: the instance stopped answering probes")
	errUnsure       = errors.New("edge: an earlier attempt may have been done")
	errLost         = errors.New("edge: another attempt was answered first")
)

// outcome is what one attempt proves.
type outcome string

const (
	outcomeDone     outcome = "done"     // an answer to pass on
	outcomeRefused  outcome = "refused"  // the application says that it did nothing (503 with an error body)
	outcomeInvalid  outcome = "invalid"  // the request cannot be sent, to whomever: nothing was sent, and nobody is to blame
	outcomeUnsent   outcome = "connect"  // no connection was made: nothing was sent
	outcomeStatus   outcome = "status"   // 502, 504, or a 503 of no known origin: it may have been done
	outcomeReset    outcome = "reset"    // the connection broke before an answer: it may have been done
	outcomeTimeout  outcome = "timeout"  // no answer in time: it may have been done
	outcomeCanceled outcome = "canceled" // the caller left, or its time is over
	outcomeReplay   outcome = "replay"   // the stack did nothing, and names the region that should
)

// unsure reports whether the attempt may have been done although it has no answer.
func (o outcome) unsure() bool {
	return o == outcomeStatus || o == outcomeReset || o == outcomeTimeout
}

// judge says what an attempt proves. ctx is the request's.
func judge(ctx context.Context, res *http.Response, err error) outcome {
	switch {
	case ctx.Err() != nil:
		return outcomeCanceled
	case errors.Is(err, wire.ErrMalformed):
		return outcomeInvalid
	case isDial(err):
		return outcomeUnsent
	case errors.Is(err, errTimeout):
		return outcomeTimeout
	case err != nil:
		return outcomeReset
	case res.StatusCode == http.StatusServiceUnavailable && strings.HasPrefix(res.Header.Get("Content-Type"), "application/json"):
		return outcomeRefused
	case res.StatusCode == http.StatusGatewayTimeout && expiring(ctx):
		return outcomeCanceled
	case res.StatusCode == http.StatusBadGateway, res.StatusCode == http.StatusServiceUnavailable, res.StatusCode == http.StatusGatewayTimeout:
		return outcomeStatus
	}
	return outcomeDone
}

// expiring reports whether the time that the caller gave is as good as over: stacks that keep to it see its end first, and
// callers that give a millisecond must not make stacks look as if they failed.
func expiring(ctx context.Context) bool {
	at, ok := ctx.Deadline()
	return ok && time.Until(at) < 100*time.Millisecond
}

func isDial(err error) bool {
	_, ok := errors.AsType[*wire.DialError](err)
	return ok
}

// target is an instance to send to, and why.
type target struct {
	discovery.Member
	route decide.Route
}

// flight is one attempt: under way, and then its answer or its failure.
type flight struct {
	target
	ctx    context.Context
	cancel context.CancelCauseFunc
	res    *http.Response
	err    error
}

// launch makes an instance count one more request under way, until the flight is ended.
func (e *Edge) launch(ctx context.Context, c *course, t target) *flight {
	if first := c.decision.Candidates()[0].Region; first != t.Region {
		e.metrics.failovers.WithLabelValues(string(first), string(t.Region)).Inc()
	}
	t.Acquire()
	c.tried = append(c.tried, t.Endpoint)
	f := &flight{target: t}
	f.ctx, f.cancel = context.WithCancelCause(ctx)
	return f
}

// end lets go of the instance, and of what is left of its answer. It does not read the rest to save the connection: an
// instance that is given up may never send it.
func (f *flight) end() {
	if f.res != nil {
		_ = f.res.Body.Close()
	}
	f.cancel(context.Canceled)
	f.Release()
}

// attempt sends a request to an instance and waits for the head of its answer. The flight that it returns may be another
// instance's, where a second one was asked meanwhile.
func (e *Edge) attempt(ctx context.Context, cl *class, o *outgoing, c *course, t target) *flight {
	sent := time.Now()
	usual := e.hedges.paceOf(cl, o)
	delay, hedged := c.hedgeAfter(usual)
	watch := watch{limit: e.timeout, down: cl.repeatable && !c.retried && o.body.whole()}
	if c.trial != nil {
		watch.limit = min(watch.limit, trialTimeout) // because somebody waits for it
	}
	if cl.stream || !o.body.whole() {
		watch.limit = 0
	}
	f := e.launch(ctx, c, t)
	if hedged {
		f = e.race(ctx, cl, o, c, f, watch, delay)
	} else {
		e.fly(f, o, watch, c.retried)
	}
	c.served = served{f.Region, f.route}
	if f.err == nil && usual != nil {
		usual.observe(time.Since(sent))
	}
	return f
}

// watch says what ends an attempt before its answer begins.
type watch struct {
	limit time.Duration // 0: none
	down  bool          // that the instance stops answering probes
}

// fly makes the attempt. Where it must not meet what broke an earlier one, it gets a fresh connection.
func (e *Edge) fly(f *flight, o *outgoing, w watch, fresh bool) {
	never := func() bool { return true }
	stopDown := never
	stopTimer := never
	if w.down {
		stopDown = context.AfterFunc(f.Up, func() { f.cancel(errInstanceDown) })
	}
	if w.limit > 0 {
		stopTimer = time.AfterFunc(w.limit, func() { f.cancel(errTimeout) }).Stop
	}
	f.res, f.err = e.send(f.ctx, o, f.target, fresh) //nolint:bodyclose // whoever flies it closes the answer that it keeps
	if down, late := !stopDown(), !stopTimer(); down || late {
		<-f.ctx.Done() // what has begun to cancel it is about to say why
	}
	// An answer that came as its attempt was given up cannot be read to its end.
	if cause := context.Cause(f.ctx); cause != nil {
		if f.res != nil {
			_ = f.res.Body.Close()
			f.res = nil
		}
		f.err = cause
	}
}

// send sends one attempt and waits for the head of its answer.
func (e *Edge) send(ctx context.Context, o *outgoing, t target, fresh bool) (*http.Response, error) {
	via := e.upstreams[t.Region]
	span := e.tracing.attempt(ctx, o.request, t.Addr)
	to := *o.request.URL
	to.Scheme = via.scheme
	to.Host = t.Addr
	req := o.request.WithContext(ctx)
	req.URL = &to
	req.Header = span.header
	o.body.attach(req)
	res, err := via.transport(o, fresh).RoundTrip(req)
	span.end(res, err)
	if dial, ok := errors.AsType[*wire.DialError](err); ok && ctx.Err() == nil {
		e.view.ReportFailure(t.Endpoint, dial.Err)
	}
	return res, err // unwrapped: judge tells the kinds apart
}
