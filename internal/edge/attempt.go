package edge

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/meridian-commerce/meridian/internal/discovery"
	"github.com/meridian-commerce/meridian/internal/edge/decide"
	"github.com/meridian-commerce/meridian/internal/edge/wire"
	"github.com/meridian-commerce/meridian/regions"
)

const (
	maxDials = 4 // instances that may fail to connect before the edge gives up

	// retryPause is at most how long a repetition waits, so that what broke one instance (a host or a region
	// that goes down) has shown on the others.
	retryPause = 25 * time.Millisecond

	budgetPause   = 5 * time.Millisecond // between two looks at the budget
	maxBudgetWait = time.Second
)

var (
	errNoTarget     = errors.New("edge: no candidate region has a healthy instance left")
	errTimeout      = errors.New("edge: the instance sent no answer in time")
	errInstanceDown = errors.New("edge: the instance stopped answering probes")
	errUnsure       = errors.New("edge: an earlier attempt may have been done")
)

// outcome is what one attempt proves.
type outcome string

const (
	outcomeDone     outcome = "done"     // an answer to pass on
	outcomeRefused  outcome = "refused"  // the application says that it did nothing (503 with an error body)
	outcomeUnsent   outcome = "connect"  // no connection was made: nothing was sent
	outcomeStatus   outcome = "status"   // 502, 504, or a 503 of no known origin: it may have been done
	outcomeReset    outcome = "reset"    // the connection broke before an answer: it may have been done
	outcomeTimeout  outcome = "timeout"  // no answer in time: it may have been done
	outcomeCanceled outcome = "canceled" // the caller left
	outcomeReplay   outcome = "replay"   // the stack did nothing, and names the region that should
)

// unsure reports whether the attempt may have been done although it has no answer.
func (o outcome) unsure() bool {
	return o == outcomeStatus || o == outcomeReset || o == outcomeTimeout
}

// target is an instance to send to, and why.
type target struct {
	discovery.Member
	route decide.Route
}

// roundTrip sends a request to the first candidate that can take it, and on to another where that is safe.
func (e *Edge) roundTrip(x *exchange) (*http.Response, error) {
	t, ok := e.trial(x)
	if !ok {
		t, ok = e.next(x, "")
	}
	if !ok {
		return nil, errNoTarget
	}
	if x.decision.Panic {
		e.metrics.panics.Inc()
	}
	for {
		var res *http.Response
		var err error
		t, res, err = e.try(x, t)
		x.unclaim()
		o := judge(x.ctx, res, err)
		e.report(x, t, o)
		x.learn(e.region, t, o, err)
		next, again := e.again(x.ctx, x, o, t)
		if to, ok := e.replay(x, res, o); ok {
			o, next, again = outcomeReplay, to, true
		}
		x.endTrial()
		if !again {
			return conclude(x, o, res, err)
		}
		x.unsure = x.unsure || o.unsure() && !x.request.Method.ReadOnly
		e.metrics.retries.WithLabelValues(string(o)).Inc()
		discard(res)
		t = next
	}
}

// report tells the view what an attempt says about its instance: nothing when the caller left or broke off the
// request, or when the application refused.
func (e *Edge) report(x *exchange, t target, o outcome) {
	switch {
	case o == outcomeDone:
		e.view.Report(t.Endpoint, true)
	case o.unsure() && x.body.rest == nil, o == outcomeUnsent:
		e.view.Report(t.Endpoint, false)
	}
}

// learn notes what an attempt says about where to send the next one: not to instances that are silent too; and
// when a connection to another region broke, not there, because it is more likely to be all of the region, or
// the way to it, than one instance.
func (x *exchange) learn(edge regions.Name, t target, o outcome, err error) {
	x.silence = errors.Is(err, errTimeout) || errors.Is(err, errInstanceDown)
	if o == outcomeReset && t.Region != edge {
		x.avoid = t.Region
	}
}

// judge says what an attempt proves.
func judge(ctx context.Context, res *http.Response, err error) outcome {
	switch {
	case ctx.Err() != nil:
		return outcomeCanceled
	case isDial(err):
		return outcomeUnsent
	case errors.Is(err, errTimeout):
		return outcomeTimeout
	case err != nil:
		return outcomeReset
	case res.StatusCode == http.StatusServiceUnavailable && strings.HasPrefix(res.Header.Get("Content-Type"), "application/json"):
		return outcomeRefused
	case res.StatusCode == http.StatusBadGateway, res.StatusCode == http.StatusServiceUnavailable, res.StatusCode == http.StatusGatewayTimeout:
		return outcomeStatus
	}
	return outcomeDone
}

func isDial(err error) bool {
	if err == nil {
		return false
	}
	_, ok := errors.AsType[*wire.DialError](err)
	return ok
}

// again returns where to send the request next, if it may be. What never reached a stack may always be sent
// elsewhere. What did is repeated at most once, within the budget, if that is harmless; what the application
// refused only by another instance of the same region.
func (e *Edge) again(ctx context.Context, x *exchange, o outcome, last target) (target, bool) {
	if o == outcomeDone || o == outcomeCanceled {
		return target{}, false
	}
	if o == outcomeUnsent {
		if x.unsent++; x.unsent == maxDials || !x.body.replayable() {
			return target{}, false
		}
		return e.next(x, "")
	}
	if !x.repeatable || x.retried || x.body.rest != nil {
		return target{}, false
	}
	var only regions.Name
	if o == outcomeRefused && x.trial == nil {
		only = last.Region
	}
	if _, ok := e.next(x, only); !ok {
		return target{}, false
	}
	if !x.silence {
		pause(ctx, e.pause/2+rand.N(e.pause/2))
	}
	if !x.claim(ctx, o) {
		e.metrics.overBudget.Inc()
		return target{}, false
	}
	x.retried, x.claimed = true, true
	return e.next(x, only)
}

// claim takes a retry out of the budget. When an instance or a region goes down, all that was under way there
// breaks at once, more than the budget allows at a time: those wait for their turn. What was answered does
// not, since that may be overload.
func (x *exchange) claim(ctx context.Context, o outcome) bool {
	deadline := time.Now().Add(maxBudgetWait)
	for !x.budget.take() {
		if o == outcomeRefused || o == outcomeStatus || ctx.Err() != nil || time.Now().After(deadline) {
			return false
		}
		pause(ctx, budgetPause/2+rand.N(budgetPause/2))
	}
	return true
}

// unclaim gives a claimed retry back to the budget.
func (x *exchange) unclaim() {
	if x.claimed {
		x.budget.give()
		x.claimed = false
	}
}

// pause waits, or until ctx is done.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// next returns the best instance that was not tried yet: of the first region, in the order of the decision, that
// has one.
func (e *Edge) next(x *exchange, only regions.Name) (target, bool) {
	snapshot := e.view.Snapshot().For(x.request.Method.Module)
	if x.avoid != "" && only == "" {
		if t, ok := nextOf(x, func(n regions.Name) bool { return n != x.avoid }, snapshot, !x.silence); ok {
			return t, true
		}
	}
	wanted := func(n regions.Name) bool { return only == "" || n == only }
	if x.silence { // another region rather than an instance that is silent too, though not yet known to be down
		if t, ok := nextOf(x, wanted, snapshot, false); ok {
			return t, true
		}
	}
	return nextOf(x, wanted, snapshot, true)
}

// nextOf prefers, within a region, instances that answered probes lately; silent says whether others will do.
// In a panic every instance will.
func nextOf(x *exchange, wanted func(regions.Name) bool, s *discovery.Snapshot, silent bool) (target, bool) {
	for i := 0; ; i++ {
		c, more := x.decision.Next(i)
		if !more {
			return target{}, false
		}
		if !wanted(c.Region) {
			continue
		}
		region := s.Region(c.Region)
		m, ok := pick(region.Healthy, x.tried, discovery.Member.Fresh)
		if !ok && silent {
			m, ok = pick(region.Healthy, x.tried, nil)
		}
		if x.decision.Panic {
			m, ok = pick(region.Members, x.tried, nil)
		}
		if ok {
			return target{m, c.Route}, true
		}
	}
}

// conclude returns the last attempt's result. After an earlier attempt that may have been done, only success
// is a definite answer: a refusal of the last attempt says nothing about the one before it.
func conclude(x *exchange, o outcome, res *http.Response, err error) (*http.Response, error) {
	if x.unsure && o != outcomeCanceled && (err != nil || res.StatusCode >= http.StatusMultipleChoices) {
		discard(res)
		return nil, errors.Join(errUnsure, err)
	}
	if o == outcomeUnsent {
		x.region, x.route = "", ""
		return nil, errors.Join(errNoTarget, err)
	}
	return res, err
}

// discard closes an answer that is not passed on. It does not read the rest to save the connection: an
// instance that answers like that may never send it.
func discard(res *http.Response) {
	if res != nil {
		_ = res.Body.Close()
	}
}
