package edge

import (
	"context"
	"errors"
	"math"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/meridian-commerce/meridian/internal/edge/decide"
	"github.com/meridian-commerce/meridian/internal/edge/wire"
)

// Hedging sends a second request where the first one takes longer than nearly all do, and takes the answer that
// comes first: what is slow about one instance for a moment (a collection of garbage, a cold connection, a queue)
// then shows to nobody. It is for reads of GLOBAL data alone, which any instance answers; it is the one repetition
// that a request may have; and a budget bounds it, so that a region where everything is slow is not asked twice.
// See "The Tail at Scale" (Dean and Barroso, 2013).
const (
	mostHedged    = 20   // percent of reads under way
	hedgeKnown    = 100  // answers of a route that must have been seen before one of its requests is hedged
	hedgeQuantile = 0.95 // of a route's answers are waited for without a hedge
	paceGain      = 0.02 // of the estimate is what one answer moves it by, at most
)

// pace is how long a route takes to begin its answers: an estimate of the quantile that each answer moves a little,
// up when it took longer and down when it did not, so that it rests where the share of longer ones is as it should
// be. The zero value knows nothing; it is safe for concurrent use.
type pace struct {
	seen  atomic.Int64
	level atomic.Uint64 // the bits of a float64, nanoseconds
}

func (p *pace) observe(took time.Duration) {
	if p.seen.Add(1) == 1 {
		p.level.Store(math.Float64bits(float64(took)))
		return
	}
	before := p.level.Load()
	level := math.Float64frombits(before)
	if float64(took) > level {
		level += paceGain * hedgeQuantile * level
	} else {
		level -= paceGain * (1 - hedgeQuantile) * level
	}
	p.level.CompareAndSwap(before, math.Float64bits(max(level, float64(time.Microsecond)))) // one of two at once is enough
}

// usual returns what nearly all answers take at most, at least as long as a request is only waited for, and false
// while too few were seen.
func (p *pace) usual() (time.Duration, bool) {
	if p.seen.Load() < hedgeKnown {
		return 0, false
	}
	return max(lateAfter, time.Duration(math.Float64frombits(p.level.Load()))), true
}

// hedges bounds the second requests under way by a share of the GLOBAL reads under way, and knows each route's pace.
type hedges struct {
	percent int64 // 0: none
	under   atomic.Int64
	mu      sync.RWMutex
	paces   map[string]*pace // by the route's name
}

// paceOf returns the pace of a request's route, nil for one that is never hedged.
func (h *hedges) paceOf(x *exchange) *pace {
	m := &x.request.Method
	if h.percent == 0 || m.Locality != decide.Global || !m.ReadOnly || x.stream || x.shared || x.body.rest != nil {
		return nil
	}
	h.mu.RLock()
	p := h.paces[m.Name]
	h.mu.RUnlock()
	if p != nil {
		return p
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.paces[m.Name] == nil {
		h.paces[m.Name] = new(pace)
	}
	return h.paces[m.Name]
}

// take claims one hedge until give, if the budget allows one beside so many requests under way.
func (h *hedges) take(live int64) bool {
	if h.under.Add(1) <= max(1, live*h.percent/100) {
		return true
	}
	h.under.Add(-1)
	return false
}

func (h *hedges) give() { h.under.Add(-1) }

// hedgeAfter returns for how long a request is waited for before it is hedged, and false for one that is not.
func (x *exchange) hedgeAfter(usual *pace) (time.Duration, bool) {
	if usual == nil || x.retried || x.trial != nil {
		return 0, false
	}
	return usual.usual()
}

// hedge returns where to send a second request, now that the first has taken longer than usual, and false when
// there is nowhere or the budget is used up.
func (e *Edge) hedge(x *exchange) (target, bool) {
	t, ok := e.next(x, "")
	if !ok {
		return target{}, false
	}
	if !e.hedges.take(e.reads.live.Load()) {
		e.metrics.hedges.WithLabelValues("over_budget").Inc()
		return target{}, false
	}
	x.retried = true
	x.tried = append(x.tried, t.Endpoint)
	t.Acquire()
	return t, true
}

// runner is one of two attempts at once.
type runner struct {
	target
	flight *wire.Exchange // nil: nothing was sent
	stop   func()         // ends it, and its watches
	res    *http.Response
	err    error
}

// drop ends an attempt that is not wanted any more.
func (r *runner) drop() {
	discard(r.res)
	r.stop()
	r.Release()
}

// race has a second attempt run beside the first. The first good answer wins; if neither is, the first to come. The
// loser is canceled, which says nothing of its instance.
func (e *Edge) race(x *exchange, first runner, second target, by time.Time) *runner {
	defer e.hedges.give()
	finished, over := make(chan *runner), make(chan struct{})
	defer close(over)
	hand := func(r *runner) {
		select {
		case finished <- r:
		case <-over:
			r.drop()
		}
	}
	go func() {
		r := first
		r.res, r.err = receive(r.flight, by) //nolint:bodyclose // the winner's is passed on, the loser's dropped
		hand(&r)
	}()
	ctx, cancel := context.WithCancel(x.ctx)
	attempt, out := e.tracing.attempt(x, second.Addr), x.out
	out.Host, out.Header, out.Interim = second.Addr, attempt.header, nil
	go func() {
		r := runner{target: second, stop: cancel}
		if r.flight, r.err = e.upstreams[second.Region].unary.Send(ctx, second.Addr, &out); r.err == nil {
			context.AfterFunc(ctx, r.flight.Cancel)
			r.res, r.err = receive(r.flight, by) //nolint:bodyclose // as above
		}
		attempt.end(r.res, r.err)
		hand(&r)
	}()
	winner := <-finished
	if judge(x.ctx, winner.res, winner.err) == outcomeDone || x.ctx.Err() != nil {
		if winner.Endpoint == second.Endpoint {
			first.stop()
		} else {
			cancel()
		}
		return winner
	}
	other := <-finished
	if judge(x.ctx, other.res, other.err) == outcomeDone || winner.res == nil && other.res != nil {
		winner, other = other, winner
	}
	e.report(x, other.target, judge(x.ctx, other.res, other.err))
	if dial, ok := errors.AsType[*wire.DialError](other.err); ok && x.ctx.Err() == nil {
		e.view.ReportFailure(other.Endpoint, dial.Err)
	}
	other.drop()
	return winner
}

// settle makes the winner of a race the attempt that the exchange goes on with.
func (e *Edge) settle(x *exchange, winner *runner) (target, *http.Response, error) {
	result := "lost"
	if winner.Endpoint != x.held {
		result = "won"
		x.unwatch()
		x.unwatch = func() bool { winner.stop(); return true }
		x.flight = winner.flight
		e.hold(x, winner.target)
	}
	e.metrics.hedges.WithLabelValues(result).Inc()
	return winner.target, winner.res, winner.err
}

// receive waits for an answer and its head.
func receive(flight *wire.Exchange, by time.Time) (*http.Response, error) {
	began, err := flight.Await(by)
	if err == nil && !began {
		err = errTimeout
	}
	if err != nil {
		return nil, err //nolint:wrapcheck // for judge to tell apart
	}
	return headOf(flight, by)
}
