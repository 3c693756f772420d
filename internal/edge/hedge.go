package edge

import (
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/meridian-commerce/meridian/internal/method"
)

// Hedging sends a second request where the first one takes longer than nearly all do, and takes the answer that
// comes first: what is slow about one instance for a moment (a collection of garbage, a cold connection, a queue)
// then shows to nobody. It is for reads of GLOBAL data alone, which any instance answers; it is the one repetition
// that a request may have; and a budget bounds it, so that a region where everything is slow is not asked twice.
// See "The Tail at Scale" (Dean and Barroso, 2013).
const (
	mostHedged    = 20                   // percent of reads under way
	hedgeLeast    = 5 * time.Millisecond // is waited for at least: quicker answers gain nothing from a second request
	hedgeKnown    = 100                  // answers of a route that must have been seen before one of its requests is hedged
	hedgeQuantile = 0.95                 // of a route's answers are waited for without a hedge
	paceGain      = 0.02                 // of the estimate is what one answer moves it by, at most
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

// usual returns what nearly all answers take at most, and at least hedgeLeast; false while too few were seen.
func (p *pace) usual() (time.Duration, bool) {
	if p.seen.Load() < hedgeKnown {
		return 0, false
	}
	return max(hedgeLeast, time.Duration(math.Float64frombits(p.level.Load()))), true
}

// hedges bounds the second requests under way by a share of the GLOBAL reads under way, and knows each route's pace.
type hedges struct {
	percent int64 // 0: none
	under   atomic.Int64
	mu      sync.RWMutex
	paces   map[string]*pace // by the route's name
}

// paceOf returns the pace of a request's route, nil for one that is never hedged.
func (h *hedges) paceOf(cl *class, o *outgoing) *pace {
	m := &cl.Method
	if h.percent == 0 || m.Locality != method.Global || !m.ReadOnly || cl.stream || cl.shared || !o.body.whole() {
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
	if h.paces[m.Name] == nil { // another request may have made it meanwhile
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
func (c *course) hedgeAfter(usual *pace) (time.Duration, bool) {
	if usual == nil || c.retried || c.trial != nil {
		return 0, false
	}
	return usual.usual()
}

// hedge launches a second attempt, now that the first has taken longer than usual; nil when there is nowhere to send it
// or the budget is used up.
func (e *Edge) hedge(ctx context.Context, cl *class, o *outgoing, c *course) *flight {
	t, ok := e.next(cl, c, "")
	if !ok {
		return nil
	}
	if !e.hedges.take(e.reads.live.Load()) {
		e.metrics.hedges.WithLabelValues("over_budget").Inc()
		return nil
	}
	o.hints.stop() // two would speak at once
	c.retried = true
	return e.launch(ctx, c, t)
}

// race makes an attempt, and a second one beside it if no answer has begun after so long. The first good answer wins,
// and the other attempt is canceled, which says nothing of its instance. If neither is good, any answer is better than
// none. When it returns, the attempt that did not win is over.
func (e *Edge) race(ctx context.Context, cl *class, o *outgoing, c *course, first *flight, w watch, delay time.Duration) *flight {
	var won atomic.Pointer[flight] // set once, by whoever is answered well first
	var second *flight
	begun := make(chan struct{})
	over := make(chan struct{})
	// Until the timer fires, a race costs no more than the timer: the first attempt is made here.
	timer := time.AfterFunc(delay, func() {
		second = e.hedge(ctx, cl, o, c)
		close(begun)
		if second == nil {
			return
		}
		defer close(over)
		e.fly(second, o, watch{limit: max(1, w.limit-delay)}, false)
		if judge(ctx, second.res, second.err) == outcomeDone && won.CompareAndSwap(nil, second) {
			first.cancel(errLost)
		}
	})
	e.fly(first, o, w, false)
	if timer.Stop() {
		return first
	}
	if <-begun; second == nil {
		return first
	}
	defer e.hedges.give()
	if result := judge(ctx, first.res, first.err); (result == outcomeDone || result == outcomeCanceled) && won.CompareAndSwap(nil, first) {
		second.cancel(errLost)
	}
	<-over
	winner := first
	other := second
	if w := won.Load(); w == second || w == nil && first.res == nil && second.res != nil {
		winner = second
		other = first
	}
	if result := judge(ctx, other.res, other.err); result != outcomeDone && !errors.Is(other.err, errLost) {
		e.report(other.target, result, o, cl.Location.Client)
	}
	other.end()
	if winner == second {
		e.metrics.hedges.WithLabelValues("won").Inc()
	} else {
		e.metrics.hedges.WithLabelValues("lost").Inc()
	}
	return winner
}
