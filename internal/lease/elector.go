package lease

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/regions"
)

const (
	ttl        = 5 * time.Second
	interval   = 1500 * time.Millisecond // between renewals, and between looks at a lease that another one holds
	retryRenew = 300 * time.Millisecond  // after a renewal that failed
	perRank    = 2 * time.Second         // that each nearer region gets before a farther one claims
	callLimit  = 4 * time.Second         // of one read, claim or release
)

// ErrConfig is wrapped by errors about an Elector's configuration.
var ErrConfig = errors.New("lease: bad configuration")

// Config makes an Elector.
type Config struct {
	Regions  *regions.Set
	Region   regions.Name // where this instance runs
	Instance string       // unique among the instances of the region
	Store    Store
	Work     []Work // what the holder of a region's lease does
	Log      *slog.Logger
	Metrics  prometheus.Registerer // may be nil
}

// Elector takes part in the election for every region of a set and does the work of those it holds. It is
// safe for concurrent use.
type Elector struct {
	Config
	holder string
	gauge  *prometheus.GaugeVec
	lost   *prometheus.CounterVec

	mu   sync.Mutex
	held map[regions.Name]bool
}

// New returns an Elector; it does nothing until Run. Errors wrap ErrConfig.
func New(c Config) (*Elector, error) {
	if c.Regions == nil || c.Store == nil || c.Log == nil {
		return nil, fmt.Errorf("%w: a set of regions, a store and a logger are needed", ErrConfig)
	}
	if _, ok := c.Regions.Lookup(c.Region); !ok {
		return nil, fmt.Errorf("%w: region %q is not in the set of regions", ErrConfig, c.Region)
	}
	if c.Instance == "" || strings.Contains(c.Instance, "/") {
		return nil, fmt.Errorf("%w: instance %q is empty or has a slash", ErrConfig, c.Instance)
	}
	e := &Elector{
		Config: c, holder: string(c.Region) + "/" + c.Instance, held: map[regions.Name]bool{},
		gauge: promauto.With(c.Metrics).NewGaugeVec(prometheus.GaugeOpts{
			Name: "meridian_lease_held", Help: "1 while this instance does the background work of the region.",
		}, []string{"home"}),
		lost: promauto.With(c.Metrics).NewCounterVec(prometheus.CounterOpts{
			Name: "meridian_lease_lost_total", Help: "Times that this instance lost the lease of a region without giving it up.",
		}, []string{"home"}),
	}
	for _, home := range c.Regions.Names() { // so that a region without a holder is a zero, not a gap
		e.gauge.WithLabelValues(string(home)).Set(0)
		e.lost.WithLabelValues(string(home)).Add(0)
	}
	return e, nil
}

// Held returns the regions whose lease this instance believes to hold, sorted by name.
func (e *Elector) Held() []regions.Name {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make([]regions.Name, 0, len(e.held))
	for home := range e.held {
		out = append(out, home)
	}
	slices.Sort(out)
	return out
}

// Run takes part until ctx ends; then it stops the work, waits for it, and releases what it held.
func (e *Elector) Run(ctx context.Context) {
	var wg sync.WaitGroup
	// Each region has a goroutine of its own, so that one whose rows do not answer delays no other.
	for _, home := range e.Regions.Names() {
		wg.Go(func() { e.tend(ctx, home) })
	}
	wg.Wait()
}

// tend takes part in the election of one region.
func (e *Elector) tend(ctx context.Context, home regions.Name) {
	began := time.Now()
	for ctx.Err() == nil {
		until, won := e.try(ctx, home, time.Since(began))
		if won {
			e.hold(ctx, home, until)
			began = time.Now()
		}
		_ = clock.Sleep(ctx, interval*3/4+rand.N(interval/2)) // the loop looks at ctx; jitter needs no seed
	}
}

// try claims the lease if that is this instance's turn; until is when it has to be renewed. watched is how long
// this instance has been looking, which stands in for the age of a lease that nobody ever held.
func (e *Elector) try(ctx context.Context, home regions.Name, watched time.Duration) (until time.Time, won bool) {
	limited, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	seen, err := e.Store.Read(limited, home)
	if err == nil && e.myTurn(home, seen, watched) {
		// Taken before the call, so that this instance's view ends no later than the database's.
		until = time.Now().Add(ttl)
		won, err = e.Store.Claim(limited, home, seen, e.holder, ttl)
	}
	if err != nil && ctx.Err() == nil {
		e.Log.DebugContext(ctx, "lease not reachable", "home", home, "error", err)
	}
	return until, won && err == nil
}

func (e *Elector) myTurn(home regions.Name, seen Record, watched time.Duration) bool {
	// Nearer regions claim first, since each statement of the work pays the way to the home region.
	rank := slices.Index(e.Regions.Nearest(home), e.Region)
	switch {
	case seen.Holder == "":
		return watched >= time.Duration(rank)*perRank
	case seen.Holder == e.holder: // of this instance's former life
		return true
	// The home region takes its own lease back at once, even from a live holder elsewhere.
	case rank == 0:
		return seen.ExpiresIn <= 0 || !strings.HasPrefix(seen.Holder, string(home)+"/")
	default:
		return -seen.ExpiresIn > time.Duration(rank)*perRank
	}
}

// hold does the region's work until the lease is lost or ctx ends, and returns when all work stopped.
func (e *Elector) hold(ctx context.Context, home regions.Name, until time.Time) {
	e.Log.InfoContext(ctx, "doing the background work of a region", "home", home)
	working, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	for _, w := range e.Work {
		wg.Go(func() { w.run(working, home, e.Log) })
	}
	e.mark(home, true)
	// Renewal runs here, beside the work, so that a step that hangs cannot keep the lease from being renewed.
	e.renew(ctx, home, until)
	stop()
	// The gauge falls before the work has ended: from here on another instance may hold the lease.
	e.mark(home, false)
	wg.Wait()
	if ctx.Err() == nil {
		e.lost.WithLabelValues(string(home)).Inc()
		e.Log.WarnContext(ctx, "lost the lease of a region", "home", home)
		return
	}
	// ctx has ended, which is why the lease is given up; releasing needs a context that has not.
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), callLimit)
	defer cancel()
	if err := e.Store.Release(limited, home, e.holder); err != nil {
		e.Log.WarnContext(ctx, "lease not released; it expires by itself", "home", home, "error", err)
	}
}

// renew returns once the lease is lost, could not be renewed in time, or ctx ended.
func (e *Elector) renew(ctx context.Context, home regions.Name, until time.Time) {
	pause := interval
	for {
		_ = clock.Sleep(ctx, min(pause, time.Until(until)))
		// The new term counts from before the call: the database may have set it at any time since.
		asked := time.Now()
		if ctx.Err() != nil || !asked.Before(until) {
			return
		}
		// A renewal that is answered after the term is of no use, since the work has to have stopped by then.
		limited, cancel := context.WithDeadline(ctx, until)
		mine, err := e.Store.Renew(limited, home, e.holder, ttl)
		cancel()
		switch {
		case err != nil:
			e.Log.DebugContext(ctx, "lease not renewed", "home", home, "error", err)
			// One failed renewal does not cost the lease: there is time for several before the term ends.
			pause = retryRenew
		case !mine:
			return
		default:
			until, pause = asked.Add(ttl), interval
		}
	}
}

func (e *Elector) mark(home regions.Name, held bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if held {
		e.held[home] = true
		e.gauge.WithLabelValues(string(home)).Set(1)
		return
	}
	delete(e.held, home)
	e.gauge.WithLabelValues(string(home)).Set(0)
}
