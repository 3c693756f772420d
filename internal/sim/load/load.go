// Package load is an open-loop load of shoppers: arrivals come when a seeded Poisson schedule says, whether
// or not earlier ones were served, and a latency counts from when its request was meant to start, so that a
// stalled system cannot hide behind callers that wait for it. Shoppers sit in real cities, have accounts and
// carts, and behave as people do: after a 503 or an unknown outcome they try again, orders under the same key.
//
// What they did and saw goes into a history.
package load

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/internet"
	"github.com/meridian-commerce/meridian/regions"
)

// Access is how shoppers reach the system; *internet.Internet is one.
type Access interface {
	// Caller returns how a caller in a city, at an address, sends requests.
	Caller(city string, address netip.Addr) (http.RoundTripper, error)
	// Nearest returns the region whose edge is nearest to a city when all are announced.
	Nearest(city string) regions.Name
}

// Config says how much load, from where, through what.
type Config struct {
	Seed     uint64
	Rate     float64       // arrivals per second; each makes 1.3 requests on average
	WarmUp   time.Duration // load before the load begins, so that caches and connections are as they are in use
	Duration time.Duration
	Shoppers int // accounts; about one per city at least
	Hour     int // of the day, UTC, at which the load is said to begin
	Cities   []internet.City
	Access   Access
	History  *history.History
	Progress io.Writer // where set-up says how far it is; may be nil
}

// maxInFlight bounds the arrivals being served at once. One that finds no room is dropped and counted: the
// generator was too slow, and its figures cannot be trusted.
const maxInFlight = 2000

// Load generates load. Run is called once; End may end it early.
type Load struct {
	cfg      Config
	schedule []Arrival
	run      string // tells this load's accounts and keys from another's
	store    assortment
	crowd    [][]*person // by city

	ending context.Context
	end    context.CancelFunc

	diverted atomic.Int64

	mu     sync.Mutex
	recent []bought // by anybody, newest last
}

// Result is what the generator itself has to answer for.
type Result struct {
	Began         time.Time     // after the warm-up
	Ended         time.Time     // when the last journey had
	Arrivals      int           // since then
	Dropped       int           // arrivals that found too many others in flight
	Diverted      int           // arrivals that browsed, because every shopper of the city was checking out
	MaxStartDelay time.Duration // how much later than scheduled an arrival set off at worst
}

// New draws the schedule, reads the catalog and signs every shopper up, in the city where it lives. Run does the rest.
func New(ctx context.Context, cfg Config) (*Load, error) {
	if cfg.Access == nil || cfg.History == nil {
		return nil, errors.New("load: it takes an access to the system and a history")
	}
	if cfg.Shoppers < len(cfg.Cities) {
		return nil, fmt.Errorf("load: %d shoppers are fewer than the %d cities", cfg.Shoppers, len(cfg.Cities))
	}
	schedule, err := Schedule(cfg.Seed, cfg.Cities, cfg.Hour, cfg.Rate, cfg.WarmUp+cfg.Duration)
	if err != nil {
		return nil, err
	}
	cfg.Progress = cmp.Or(cfg.Progress, io.Discard)
	l := &Load{cfg: cfg, schedule: schedule, run: fmt.Sprintf("%d-%x", cfg.Seed, time.Now().UnixMilli())}
	l.ending, l.end = context.WithCancel(context.Background())
	return l, l.setUp(ctx)
}

// Run plays the schedule from now on, the warm-up first, and returns when the last journey has ended, or early with the
// context's error. Canceling the context cuts requests off; their outcomes count as unknown.
func (l *Load) Run(ctx context.Context) (Result, error) {
	start := time.Now()
	p := Player{Most: maxInFlight, Ending: l.ending.Done()}
	times := func(yield func(time.Duration) bool) {
		for _, a := range l.schedule {
			if !yield(a.After) {
				return
			}
		}
	}
	err := p.Play(ctx, start, times, func(n int, intended time.Time) { l.serve(ctx, n, l.schedule[n], intended) })
	p.Wait()
	result := Result{Began: start.Add(l.cfg.WarmUp), Ended: time.Now(), Dropped: p.Dropped, Diverted: int(l.diverted.Load()), MaxStartDelay: p.Delay}
	for _, a := range l.schedule[:p.Arrived] {
		if a.After >= l.cfg.WarmUp {
			result.Arrivals++
		}
	}
	return result, err
}

// End lets nobody else arrive; Run returns when the last journey has ended. It may be called at any time, by anyone.
func (l *Load) End() { l.end() }

// While runs the load while work is done, and ends it then. The error is that of work, which ends the load too, or
// else that of Run.
func (l *Load) While(ctx context.Context, work func(ctx context.Context) error) (Result, error) {
	working, ctx := errgroup.WithContext(ctx)
	working.Go(func() error {
		defer l.End()
		return work(ctx)
	})
	result, err := l.Run(ctx)
	return result, cmp.Or(working.Wait(), err)
}

// Requests returns how many requests the mix makes per second at the configured rate, about.
func (l *Load) Requests() float64 { return 1.3 * l.cfg.Rate }

// serve plays one arrival's journey with a shopper of its city.
func (l *Load) serve(ctx context.Context, number int, a Arrival, intended time.Time) {
	rng := rand.New(rand.NewPCG(a.Seed, 0x6a6f75726e6579))
	journey := a.Journey
	s, release := l.pick(rng, a)
	if s == nil {
		l.diverted.Add(1)
		journey = Browse
		crowd := l.crowd[a.City]
		s = crowd[rng.IntN(len(crowd))]
		release = func() {}
	}
	defer release()
	s.ready(ctx, rng)
	defer s.refresh(ctx, rng)
	t := trip{person: s, load: l, rng: rng, number: number, next: intended}
	journeys[journey].play(&t, ctx)
}

// pick draws a shopper who sits in the arrival's city. One that changes its cart must not be checking out at
// the same time, as two checkouts of one cart would refuse each other; nil means that all of them are.
func (l *Load) pick(rng *rand.Rand, a Arrival) (*person, func()) {
	crowd := l.crowd[a.City]
	offset := rng.IntN(len(crowd))
	for i := range crowd {
		s := crowd[(offset+i)%len(crowd)]
		switch a.Journey {
		case Checkout:
			if s.carts.TryLock() {
				return s, s.carts.Unlock
			}
		case EditCart:
			if s.carts.TryRLock() {
				return s, s.carts.RUnlock
			}
		default:
			return s, func() {}
		}
	}
	return nil, nil
}
