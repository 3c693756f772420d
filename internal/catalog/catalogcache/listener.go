package catalogcache

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/meridian-commerce/meridian/internal/cache"
	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/regions"
)

const (
	listenEvery = 200 * time.Millisecond // idle, that is one read of the region's own rows
	listenBatch = 200                    // changes of one step
	listenLimit = 5 * time.Second        // of one step
	maxPause    = 2 * time.Second        // between steps that cannot read the changes
)

// Listener tells a region's cache of the changes that were made anywhere. Every instance of the region runs one:
// only they reach its Redis. Telling twice is harmless.
type Listener struct {
	region  regions.Name
	changes catalog.Changes
	cache   *cache.Cache
	log     *slog.Logger
	lag     prometheus.Histogram
}

// NewListener returns a Listener, which does nothing until Run. The error is a second registration of its metrics.
func NewListener(region regions.Name, changes catalog.Changes, c *cache.Cache, log *slog.Logger, reg prometheus.Registerer) (*Listener, error) {
	l := &Listener{region: region, changes: changes, cache: c, log: log, lag: prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "meridian_catalog_change_lag_seconds",
		Help:    "From a product's change, anywhere, until this region's cache was notified of it.",
		Buckets: []float64{.05, .1, .2, .3, .4, .6, .8, 1.2, 2.5, 5, 15, 60, 300},
	})}
	if err := reg.Register(l.lag); err != nil {
		return nil, fmt.Errorf("catalogcache: register metrics: %w", err)
	}
	return l, nil
}

// Run tells until ctx ends.
func (l *Listener) Run(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; {
		n, err := l.step(ctx)
		pause := listenEvery/2 + rand.N(listenEvery/2) // jitter needs no seed: no result depends on it
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			// Once for an outage: the log says when it began, the lag's histogram how long it took.
			if failures++; failures == 1 {
				l.log.WarnContext(ctx, "the cache cannot be notified of changed products; trying again", "error", err)
			}
			// While it is the cache that is away, changes are still read: what changed is not believed once it is back.
			if n == 0 {
				pause = min(pause<<min(failures, 5), maxPause)
			}
		default:
			// A full batch means that more is waiting.
			if failures = 0; n == listenBatch {
				pause = 0
			}
		}
		_ = clock.Sleep(ctx, pause) // the loop looks at ctx
	}
}

// step notifies of a batch of changes and returns how many, also of those that the cache could not be notified of. A change
// is over only once the cache was notified.
func (l *Listener) step(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, listenLimit)
	defer cancel()
	changes, err := l.changes.Pending(ctx, l.region, listenBatch)
	if err != nil || len(changes) == 0 {
		return 0, err
	}
	keys := make([]string, len(changes))
	for i, c := range changes {
		keys[i] = key(c.Handle)
	}
	// All or none: what is not invalidated stays pending, and invalidating twice does no harm.
	if err := l.cache.Invalidate(ctx, keys...); err != nil {
		return len(changes), err
	}
	for _, c := range changes {
		l.lag.Observe(time.Since(c.Since).Seconds())
	}
	return len(changes), l.changes.Notified(ctx, l.region, changes)
}
