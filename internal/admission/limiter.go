package admission

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/meridian-commerce/meridian/internal/method"
)

const (
	leastLimit  = 8 // so that there is always something to learn from
	firstLimit  = 256
	leastOrders = 32   // of checkout are admitted at least
	ordersKeep  = 0.97 // of checkout's ceiling is kept in one window at least
	maxRoutes   = 256  // are told apart, should a router's names not be as few as they should be

	windowTime    = 100 * time.Millisecond // at least, between two looks at the limit
	windowSamples = 10                     // at least, in one look

	tolerance    = 1.5                   // times the time without waiting is not worth a refusal
	queueSlack   = 50 * time.Millisecond // of waiting is not worth one either
	maxTookTimes = 4                     // of what one answer may take is the most that it counts for
	shrinkMost   = 0.7                   // of the limit is kept in one window at least
	growBelow    = 0.9                   // of the time that answers may take

	probeEvery = 10 * time.Second // while requests are refused
	probeFirst = 2 * time.Second  // after the first refusal
	probeMost  = time.Second      // for each half of a probe
)

// limiter bounds how many requests are under way in one region, by how long its answers take.
//
// For each route it learns how long an answer takes when nothing waits: its base. It may take 1.5 times that,
// or 50 ms longer. Ten times a second, with S the sum of what the answers took, and A that of what they might
// have taken: S > A makes the limit smaller by A/S, S < 0.9 A larger by its square root. By Little's law the
// former is the concurrency at which answers take just what they may, whatever the mixture of routes.
//
// A limit that is not half used tells nothing of an overload and is not made smaller: a stall elsewhere (leases
// on the move, a slow provider) must not become refusals. While requests are refused, the limit is halved for
// a moment every 10 s: waiting gets shorter by that, and what does not is the base.
type limiter struct {
	most     float64 // 0: nothing is ever refused
	ceilings [method.Classes]atomic.Int64
	inFlight [method.Classes]atomic.Int64
	peak     atomic.Int64 // of all under way, in this window
	refused  atomic.Int64 // in this window

	mu        sync.Mutex
	limit     float64
	orders    float64 // checkout's ceiling: it follows the limit down slowly, past what waits already
	routes    map[string]*routeTimes
	began     time.Time // of this window
	samples   int
	took      float64 // seconds
	allowed   float64 // seconds
	binding   bool    // requests are being refused
	nextProbe time.Time
	probe     probe
}

// outcome is what the answer to a request says of the region's load.
type outcome uint8

const (
	unknown outcome = iota // nothing
	served                 // it took as long as it takes
	failed                 // it could not be served in time, however fast that was said
)

func newLimiter(most int) *limiter {
	l := &limiter{most: float64(most), routes: map[string]*routeTimes{}, began: time.Now()}
	l.set(l.first())
	return l
}

// first is the limit of a region that nothing is known of.
func (l *limiter) first() float64 { return min(firstLimit, l.most) }

// set changes the limit, within its bounds, and the ceilings with it.
func (l *limiter) set(limit float64) {
	l.limit = min(max(limit, min(leastLimit, l.most)), l.most)
	if l.most == 0 {
		for c := range l.ceilings {
			l.ceilings[c].Store(math.MaxInt64)
		}
		return
	}
	l.orders = min(max(l.orders, l.limit, leastOrders), l.most)
	l.ceilings[method.Checkout].Store(int64(l.orders))
	l.share(l.limit)
}

// share gives the other classes their shares of a limit.
func (l *limiter) share(limit float64) {
	l.ceilings[method.Cart].Store(max(1, int64(0.85*limit)))
	l.ceilings[method.Browse].Store(max(1, int64(0.7*limit)))
	l.ceilings[method.Background].Store(max(1, int64(0.5*limit)))
}

// ahead is how many requests of the class, or of those that matter more, are under way.
func (l *limiter) ahead(c method.Class) int64 {
	var n int64
	for more := range c + 1 {
		n += l.inFlight[more].Load()
	}
	return n
}

// full reports whether a request of the class would be refused now, and counts it as refused if so.
func (l *limiter) full(c method.Class) bool {
	if l.ahead(c) < l.ceilings[c].Load() {
		return false
	}
	l.refused.Add(1)
	return true
}

// enter admits a request of the class or refuses it. It never waits. A class is not kept out by those that
// matter less: what of them is under way already does not count.
func (l *limiter) enter(c method.Class) bool {
	l.inFlight[c].Add(1)
	if l.ahead(c) > l.ceilings[c].Load() {
		l.inFlight[c].Add(-1)
		l.refused.Add(1)
		return false
	}
	n := l.ahead(method.Background)
	for peak := l.peak.Load(); n > peak && !l.peak.CompareAndSwap(peak, n); peak = l.peak.Load() {
	}
	return true
}

// leave ends what enter admitted.
func (l *limiter) leave(c method.Class) { l.inFlight[c].Add(-1) }

// observeAt learns from how long an answer that began now took to begin.
func (l *limiter) observeAt(now time.Time, route string, took time.Duration, o outcome) {
	if o == unknown || l.most == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.probe.stage != none && !l.probed(now, now.Add(-took)) {
		return
	}
	l.add(route, took.Seconds(), o)
	if l.samples >= windowSamples && now.Sub(l.began) >= windowTime {
		l.close(now)
	}
}

func (l *limiter) add(route string, took float64, o outcome) {
	t := l.routes[route]
	if t == nil {
		if len(l.routes) == maxRoutes {
			return
		}
		t = &routeTimes{}
		l.routes[route] = t
	}
	allowed := t.allowed(took)
	if o == failed {
		took = max(took, 2*allowed)
	} else {
		t.sum += took
		t.count++
	}
	l.took += min(took, maxTookTimes*allowed)
	l.allowed += allowed
	l.samples++
}

// close looks at a window and begins the next one.
func (l *limiter) close(now time.Time) {
	refused, peak := l.refused.Swap(0), float64(l.peak.Swap(l.ahead(method.Background)))
	load := l.took / l.allowed
	crowded := refused > 0 || 2*peak >= l.limit
	measured := l.probe.stage == measuring
	l.orders *= ordersKeep
	switch {
	case measured:
		l.probe.stage = none
		l.set(l.probe.after)
	case crowded && load > 1:
		l.set(l.limit * max(1/load, shrinkMost))
	case load < growBelow && (crowded || l.limit < l.first()):
		l.set(l.limit + math.Sqrt(l.limit))
	}
	for _, t := range l.routes {
		t.learn(peak <= l.limit/8, measured)
	}
	l.plan(now, refused > 0)
	l.begin(now)
}

// begin begins a window.
func (l *limiter) begin(now time.Time) {
	l.began = now
	l.samples = 0
	l.took = 0
	l.allowed = 0
	for _, t := range l.routes {
		t.sum = 0
		t.count = 0
	}
}

// probe is a look at how long answers take with half as many under way.
type probe struct {
	stage stage
	began time.Time // of the stage
	after float64   // the limit afterwards
}

type stage uint8

const (
	none stage = iota
	draining
	measuring
)

// plan begins a probe when it is time for one.
func (l *limiter) plan(now time.Time, refusing bool) {
	switch {
	case l.probe.stage != none:
	case !refusing:
		l.binding = false
	case !l.binding:
		l.binding = true
		l.nextProbe = now.Add(probeFirst)
	case !now.Before(l.nextProbe):
		l.nextProbe = now.Add(probeEvery)
		l.probe = probe{draining, now, l.limit}
		l.share(l.limit / 2)
	}
}

// probed moves a probe on, and reports whether an answer to a request that began then counts: whether all that
// was under way before the probe was over.
func (l *limiter) probed(now, begun time.Time) bool {
	switch {
	case now.Sub(l.probe.began) > probeMost:
		l.probe.stage = none // it does not drain: that tells nothing
		l.set(l.probe.after)
		l.begin(now)
	case l.probe.stage == draining:
		if l.ahead(method.Background) <= l.ceilings[method.Cart].Load() {
			l.probe.stage = measuring
			l.probe.began = now
			l.begin(now)
		}
	}
	return l.probe.stage == measuring && !begun.Before(l.probe.began)
}

// now returns the limit and how many requests are under way.
func (l *limiter) now() (limit float64, inFlight int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.limit, l.ahead(method.Background)
}

// routeTimes is how long a route's answers take, in seconds.
type routeTimes struct {
	base  float64 // when nothing waits; 0: not known
	last  float64 // on average in the last window that was no probe
	sum   float64 // of this window's answers
	count float64
}

// allowed is how long an answer may take. An unknown route's first answers are taken as they are.
func (t *routeTimes) allowed(took float64) float64 {
	base := t.base
	if base == 0 {
		base = took
	}
	return max(tolerance*base, base+queueSlack.Seconds())
}

// learn ends a window. In a crowd an answer can only take longer than the base, so only less is believed; when
// calm, more is too, slowly. A probe tells how much of the time is waiting: with half as many under way, waiting
// takes half as long, and what does not get shorter is the base.
func (t *routeTimes) learn(calm, measured bool) {
	if t.count == 0 {
		return
	}
	average := t.sum / t.count
	weight := t.count / (t.count + 10)
	switch {
	case t.base == 0:
		t.base = average
	case average < t.base:
		t.base += weight * (average - t.base)
	case measured:
		waiting := min(1, max(0, 2*(t.last-average)/t.last))
		t.base = max(t.base, (1-waiting)*average)
	case calm:
		t.base += weight / 50 * (average - t.base)
	}
	if !measured {
		t.last = average
	}
}
