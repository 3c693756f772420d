package edge

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/meridian-commerce/meridian/geo"
	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/discovery"
	"github.com/meridian-commerce/meridian/internal/edge/decide"
	"github.com/meridian-commerce/meridian/internal/plant"
	"github.com/meridian-commerce/meridian/regions"
)

const (
	maxDials = 4 // instances that may fail to connect before the edge gives up

	// retryPause is at most how long a repetition waits, so that what broke one instance (a host or a region
	// that goes down) has shown on the others.
	retryPause = 25 * time.Millisecond

	// headerReplay is how a stack that did nothing with a request says which region should serve it instead:
	// Meridian-Replay: region=<name>.
	headerReplay = "Meridian-Replay"
)

// course is the attempts of one request so far, and what they say about the next.
type course struct {
	decision decide.Decision
	served   served // who was asked last; nobody before any was
	tried    []*discovery.Endpoint
	budget   *budget       // that its repetition counts in
	claimed  bool          // it counts in the budget now
	unsent   int           // attempts that did not reach a stack
	retried  bool          // the one repetition is used
	replayed bool          // a stack sent it to another region
	unsure   bool          // an earlier attempt may have been done though it gave no definite answer
	silence  bool          // the last attempt ended because its instance did not answer
	avoid    regions.Name  // a region to which connections break
	trial    *atomic.Int32 // the attempt is a trial of an ejected region; counts those under way
}

// served says where a request went, and why.
type served struct {
	region regions.Name
	route  decide.Route
}

// deliver sends a request to the first candidate that can take it, and on to another where that is safe. The flight that
// it returns has an answer; it must be ended.
func (e *Edge) deliver(ctx context.Context, cl *class, o *outgoing, c *course) (*flight, error) {
	t, ok := e.trial(cl, o, c)
	if !ok {
		t, ok = e.next(cl, c, "")
	}
	if !ok {
		return nil, errNoTarget
	}
	if c.decision.Panic {
		e.metrics.panics.Inc()
	}
	for {
		f := e.attempt(ctx, cl, o, c, t)
		c.unclaim()
		result := judge(ctx, f.res, f.err)
		e.report(f.target, result, o, cl.Location.Client)
		c.learn(e.region, f.target, result, f.err)
		next, again := e.again(ctx, cl, o, c, f.target, result)
		if to, ok := e.replay(cl, o, c, f.res, result); ok {
			result = outcomeReplay
			next = to
			again = true
		}
		c.endTrial()
		if !again {
			return c.conclude(f, result)
		}
		c.unsure = c.unsure || result.unsure() && !cl.Method.ReadOnly
		e.metrics.retries.WithLabelValues(string(result)).Inc()
		f.end()
		t = next
	}
}

// report tells the view what an attempt says about its instance: nothing when the caller left or broke off the
// request, when the request itself was at fault, or when the application refused.
func (e *Edge) report(t target, result outcome, o *outgoing, caller netip.Addr) {
	switch {
	case result == outcomeDone:
		e.view.Report(t.Endpoint, true, caller)
	case result == outcomeUnsent:
		e.view.Report(t.Endpoint, false, netip.Addr{}) // no caller keeps a stack from accepting a connection
	case result.unsure() && o.body.whole():
		e.view.Report(t.Endpoint, false, network(caller))
	}
}

// network is whom evidence counts for. A caller that is not known is one like any other.
func network(caller netip.Addr) netip.Addr {
	if !caller.IsValid() {
		return netip.IPv6Unspecified()
	}
	return geo.Subscriber(caller, 56).Addr()
}

// learn notes what an attempt says about where to send the next one: not to instances that are silent too; and
// when a connection to another region broke, not there, because it is more likely to be all of the region, or
// the way to it, than one instance.
func (c *course) learn(edge regions.Name, t target, result outcome, err error) {
	c.silence = errors.Is(err, errTimeout) || errors.Is(err, errInstanceDown)
	if result == outcomeReset && t.Region != edge {
		c.avoid = t.Region
	}
}

// again returns where to send the request next, if it may be. What never reached a stack may always be sent
// elsewhere. What did is repeated at most once, within the budget, if that is harmless; what the application
// refused only by another instance of the same region.
func (e *Edge) again(ctx context.Context, cl *class, o *outgoing, c *course, last target, result outcome) (target, bool) {
	switch result {
	case outcomeDone, outcomeCanceled, outcomeInvalid:
		return target{}, false
	case outcomeUnsent:
		if c.unsent++; c.unsent == maxDials || !o.body.replayable() {
			return target{}, false
		}
		return e.next(cl, c, "")
	default: // it may have been done, or was refused by one instance
	}
	if !cl.repeatable && !plant.Bites(plant.PostRepeated, 1) || c.retried || !o.body.whole() {
		return target{}, false
	}
	var only regions.Name
	if result == outcomeRefused && c.trial == nil {
		only = last.Region
	}
	if _, ok := e.next(cl, c, only); !ok {
		return target{}, false
	}
	if !c.silence { // else long enough has passed already
		_ = clock.Sleep(ctx, e.pause/2+rand.N(e.pause/2)) // who has left finds out at the next attempt
	}
	if !c.claim(ctx, result) {
		e.metrics.overBudget.Inc()
		return target{}, false
	}
	c.retried = true
	return e.next(cl, c, only) // anew, since the view may have changed meanwhile
}

// replay returns an instance of the region that a stack says a request belongs to: once for each request, when
// its whole body is at hand, and only where the decision lets it go.
func (e *Edge) replay(cl *class, o *outgoing, c *course, res *http.Response, result outcome) (target, bool) {
	if res == nil || result == outcomeCanceled || c.replayed || !o.body.whole() {
		return target{}, false
	}
	to, ok := strings.CutPrefix(res.Header.Get(headerReplay), "region=")
	if !ok || to == string(c.served.region) {
		return target{}, false
	}
	t, ok := e.next(cl, c, regions.Name(to))
	c.replayed = ok
	return t, ok
}

// conclude returns the last attempt's result. After an earlier attempt that may have been done, only success
// is a definite answer: a refusal of the last attempt says nothing about the one before it.
func (c *course) conclude(f *flight, result outcome) (*flight, error) {
	err := f.err
	switch {
	case c.unsure && result != outcomeCanceled && (err != nil || f.res.StatusCode >= http.StatusMultipleChoices):
		err = errors.Join(errUnsure, err)
	case result == outcomeUnsent:
		c.served = served{} // nobody has seen the request
		err = errors.Join(errNoTarget, err)
	case err == nil:
		return f, nil
	}
	f.end()
	return nil, err
}
