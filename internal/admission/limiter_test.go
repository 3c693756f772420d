package admission

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meridian-commerce/meridian/internal/method"
)

// observe is observeAt of an answer that begins now.
func (l *limiter) observe(route string, took time.Duration, o outcome) {
	l.observeAt(time.Now(), route, took, o)
}

// backend is a region with a fixed capacity: so many requests at a time, each taking its time, in order of arrival.
type backend struct {
	slots   chan struct{}
	service atomic.Int64 // nanoseconds
}

func newBackend(concurrency int, service time.Duration) *backend {
	b := &backend{slots: make(chan struct{}, concurrency)}
	b.service.Store(int64(service))
	return b
}

func (b *backend) serve() {
	b.slots <- struct{}{}
	time.Sleep(time.Duration(b.service.Load()))
	<-b.slots
}

// tally counts what became of the requests of each class.
type tally struct {
	offered, admitted, served [method.Classes]atomic.Int64
	slowest                   atomic.Int64
}

// load offers requests at a rate for a time, in open loop: nothing slows the arrivals down. It returns when the
// time is over, and wg when the last answer came.
func load(wg *sync.WaitGroup, l *limiter, b *backend, seed uint64, perSecond float64, mix [method.Classes]float64, d time.Duration) *tally {
	t := &tally{}
	random := rand.New(rand.NewPCG(seed, seed))
	end := time.Now().Add(d)
	for {
		time.Sleep(time.Duration(random.ExpFloat64() / perSecond * float64(time.Second)))
		if !time.Now().Before(end) {
			return t
		}
		class, x := method.Checkout, random.Float64()
		for x >= mix[class] && class < method.Background {
			x -= mix[class]
			class++
		}
		t.offered[class].Add(1)
		if !l.enter(class) {
			continue
		}
		t.admitted[class].Add(1)
		wg.Go(func() {
			begun := time.Now()
			b.serve()
			took := time.Since(begun)
			l.leave(class)
			l.observe(class.String(), took, served)
			t.served[class].Add(1)
			for s := t.slowest.Load(); int64(took) > s && !t.slowest.CompareAndSwap(s, int64(took)); s = t.slowest.Load() {
			}
		})
	}
}

// ratio is the share of what was offered, of some classes, that was admitted.
func (t *tally) ratio(of ...method.Class) float64 {
	var offered, admitted int64
	for _, c := range of {
		offered += t.offered[c].Load()
		admitted += t.admitted[c].Load()
	}
	return float64(admitted) / float64(offered)
}

// TestOverload offers ten times what a region can do: it goes on doing nearly all that it can, takes nearly
// every checkout, makes nobody wait long, and takes everything again soon after.
func TestOverload(t *testing.T) {
	t.Parallel()
	mix := [method.Classes]float64{method.Checkout: .05, method.Cart: .15, method.Browse: .75, method.Background: .05}
	for _, c := range []struct {
		concurrency int
		service     time.Duration
		cold        bool // the edge starts in the overload
	}{
		{8, 20 * time.Millisecond, false},
		{8, 20 * time.Millisecond, true},
		{32, 40 * time.Millisecond, false},
		{2, 2 * time.Millisecond, false},
	} {
		t.Run(fmt.Sprintf("%d times %s cold %t", c.concurrency, c.service, c.cold), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var wg sync.WaitGroup
				l, b := newLimiter(1024), newBackend(c.concurrency, c.service)
				capacity := float64(c.concurrency) / c.service.Seconds()
				if !c.cold {
					before := load(&wg, l, b, 1, capacity*.7, mix, 5*time.Second)
					if got := before.ratio(method.Checkout, method.Cart, method.Browse, method.Background); got != 1 {
						t.Errorf("before the overload %.4f was admitted, want all", got)
					}
				}
				const long = 13 * time.Second // more than a probe
				during := load(&wg, l, b, 2, capacity*10, mix, long)
				var done float64
				for class := range during.served {
					done += float64(during.served[class].Load())
				}
				if goodput := done / capacity / long.Seconds(); goodput < .95 {
					t.Errorf("goodput was %.3f of the capacity, want 0.95", goodput)
				}
				if got := during.ratio(method.Checkout); got < .995 {
					t.Errorf("%.4f of the checkouts were admitted, want 0.995", got)
				}
				cart, browse, background := during.ratio(method.Cart), during.ratio(method.Browse), during.ratio(method.Background)
				if cart < .2 || browse > .05 || background > browse {
					t.Errorf("admitted: cart %.3f, browse %.3f, background %.3f; want them refused in reverse order", cart, browse, background)
				}
				late := load(&wg, l, b, 3, capacity*10, mix, time.Second)
				if slowest := time.Duration(late.slowest.Load()); slowest > 3*c.service+2*queueSlack {
					t.Errorf("an answer took %s, where %s is what one takes alone", slowest, c.service)
				}
				load(&wg, l, b, 4, capacity*.7, mix, 3*time.Second)
				after := load(&wg, l, b, 5, capacity*.7, mix, 2*time.Second)
				if got := after.ratio(method.Checkout, method.Cart, method.Browse, method.Background); got < 1 {
					t.Errorf("3 s after the overload %.4f was admitted, want all", got)
				}
				wg.Wait()
				if _, inFlight := l.now(); inFlight != 0 {
					t.Errorf("%d requests are under way at the end", inFlight)
				}
			})
		})
	}
}

// TestSlowerService: when what a region does takes four times as long for good, in the middle of an overload,
// that is soon its new measure, and when it is as fast as before, that is.
func TestSlowerService(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var wg sync.WaitGroup
		l, b := newLimiter(1024), newBackend(8, 20*time.Millisecond)
		mix := [method.Classes]float64{method.Checkout: .01, method.Cart: .15, method.Browse: .84}
		for _, service := range []time.Duration{20 * time.Millisecond, 80 * time.Millisecond, 20 * time.Millisecond} {
			b.service.Store(int64(service))
			load(&wg, l, b, 1, 4000, mix, 13*time.Second)
			a := load(&wg, l, b, 2, 4000, mix, 5*time.Second)
			done := a.served[method.Checkout].Load() + a.served[method.Cart].Load() + a.served[method.Browse].Load()
			if goodput := float64(done) * service.Seconds() / 8 / 5; goodput < .93 {
				t.Errorf("with %s each, goodput is %.3f of the capacity, want 0.93", service, goodput)
			}
			if got := a.ratio(method.Checkout); got < .99 {
				t.Errorf("with %s each, %.3f of the checkouts are admitted, want 0.99", service, got)
			}
			if slowest := time.Duration(a.slowest.Load()); slowest > 4*service+2*queueSlack {
				t.Errorf("with %s each, an answer took %s", service, slowest)
			}
		}
		wg.Wait()
	})
}

// TestProbeEnds: a probe whose region answers nothing to learn from gives up, and the limit is what it was.
func TestProbeEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(100)
		for l.enter(method.Browse) {
		}
		refuse := func(windows int) {
			for range windows * windowSamples {
				time.Sleep(windowTime / windowSamples)
				l.enter(method.Browse)
				l.observe("r", 10*time.Millisecond, served)
			}
		}
		for refuse(1); l.probe.stage == none; refuse(1) {
			if time.Since(l.began) > time.Minute {
				t.Fatal("no probe began")
			}
		}
		limit := l.limit
		if got := l.ceilings[method.Browse].Load(); got != int64(.7*limit/2) {
			t.Errorf("browse may have %d under way in a probe, with a limit of %.0f", got, limit)
		}
		time.Sleep(probeMost + time.Millisecond)
		l.observe("r", 10*time.Millisecond, served)
		l.observe("r", 10*time.Millisecond, served)
		if l.probe.stage != none || l.limit != limit || l.ceilings[method.Browse].Load() != int64(.7*limit) {
			t.Errorf("the probe is at stage %d with a limit of %.0f after its time", l.probe.stage, l.limit)
		}
	})
}

// TestStallIsNoOverload: answers that take long while few are under way, as when leases move, refuse nobody.
func TestStallIsNoOverload(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var wg sync.WaitGroup
		l, b := newLimiter(1024), newBackend(1000, 5*time.Millisecond)
		mix := [method.Classes]float64{method.Checkout: .1, method.Cart: .3, method.Browse: .6}
		load(&wg, l, b, 1, 30, mix, 10*time.Second)
		b.service.Store(int64(3 * time.Second))
		if got := load(&wg, l, b, 2, 30, mix, 10*time.Second).ratio(method.Checkout, method.Cart, method.Browse); got < 1 {
			t.Errorf("%.3f was admitted in a stall, want all", got)
		}
		wg.Wait()
		if limit, _ := l.now(); limit < firstLimit {
			t.Errorf("the limit fell to %.0f in a stall", limit)
		}
	})
}

// TestMixtureIsNoOverload: more of the requests that take long anyway is no sign of waiting.
func TestMixtureIsNoOverload(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(1024)
		busy := func(slowShare int, windows int) {
			for range windows * 20 {
				for i := range 10 {
					route, took := "quick", 2*time.Millisecond
					if i < slowShare {
						route, took = "slow", 300*time.Millisecond
					}
					l.observe(route, took, served)
				}
				l.peak.Store(300) // crowded
				time.Sleep(windowTime / 20)
			}
		}
		busy(1, 20)
		before, _ := l.now()
		busy(9, 20)
		if after, _ := l.now(); after < before {
			t.Errorf("the limit fell from %.0f to %.0f", before, after)
		}
	})
}

// TestQuickRefusalsShrink: a region that says quickly that it cannot is no quick region.
func TestQuickRefusalsShrink(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(1024)
		observe := func(took time.Duration, o outcome) {
			for range 20 {
				l.peak.Store(300)
				time.Sleep(windowTime / windowSamples)
				l.observe("r", took, o)
			}
		}
		observe(10*time.Millisecond, served)
		before, _ := l.now()
		observe(time.Millisecond, failed)
		after, _ := l.now()
		if after > before*.75 {
			t.Errorf("the limit went from %.0f to %.0f", before, after)
		}
		observe(time.Hour, unknown)
		if still, _ := l.now(); still != after {
			t.Errorf("outcomes that say nothing moved the limit from %.0f to %.0f", after, still)
		}
	})
}

// TestForgetsOverload: what is left of a limit after an overload grows back though hardly anything is under way.
func TestForgetsOverload(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(1024)
		l.set(leastLimit)
		for range 40 * windowSamples {
			time.Sleep(windowTime / windowSamples)
			l.observe("r", time.Millisecond, served)
		}
		if limit, _ := l.now(); limit < firstLimit || limit > firstLimit+17 {
			t.Errorf("4 s after an overload the limit is %.0f, want %d and no more than a step", limit, firstLimit)
		}
	})
}

func TestCeilings(t *testing.T) {
	t.Parallel()
	fill := func(l *limiter, c method.Class) (n int) {
		for l.enter(c) {
			if n++; n > 5000 {
				break
			}
		}
		if !l.full(c) {
			t.Errorf("%s was refused, but its limiter is not full", c)
		}
		return n
	}
	l := newLimiter(100)
	var got [method.Classes]int
	for _, c := range []method.Class{method.Background, method.Browse, method.Cart, method.Checkout} {
		got[c] = fill(l, c)
	}
	// Each class counts itself and those that matter more, never those that matter less.
	if want := [method.Classes]int{100, 85, 70, 50}; got != want {
		t.Errorf("admitted one after the other: %v, want %v", got, want)
	}
	l = newLimiter(100)
	for c := range method.Classes {
		got[c] = fill(l, c)
	}
	if want := [method.Classes]int{method.Checkout: 100}; got != want {
		t.Errorf("admitted with checkout first: %v, want %v", got, want)
	}
	if l := newLimiter(0); fill2(l) != 5000 {
		t.Error("a limit of 0 is no limit, but something was refused")
	}
	l.orders = 0
	l.set(0)
	if got := [...]int64{l.ceilings[method.Checkout].Load(), l.ceilings[method.Cart].Load(), l.ceilings[method.Background].Load()}; got != [...]int64{leastOrders, 6, 4} {
		t.Errorf("the least limit admits %v of checkout, cart and background", got)
	}
	if small := newLimiter(3); fill(small, method.Checkout) != 3 || small.enter(method.Background) {
		t.Error("the most that is configured was exceeded")
	}
}

func fill2(l *limiter) (n int) {
	for n < 5000 && !l.full(method.Background) && l.enter(method.Background) {
		n++
	}
	return n
}

// TestRoutesAreBounded: names that a router invents do not fill the memory.
func TestRoutesAreBounded(t *testing.T) {
	t.Parallel()
	l := newLimiter(10)
	for i := range 10 * maxRoutes {
		l.observe(fmt.Sprint(i), time.Millisecond, served)
	}
	if n := len(l.routes); n != maxRoutes {
		t.Errorf("%d routes are remembered, want %d", n, maxRoutes)
	}
}
