// Package cache is a region's accelerator: values that the database could give as well, kept in the region's
// own Redis. Redis may be slow, hung, empty or gone at any time, and every fetch still succeeds as long as its
// load does.
//
//	Through ── flight (one per key and process) ── look ──hit────▶ value
//	                                                ├─────stale, or soon─▶ value, and behind the caller's back
//	                                                │                      claim (one per region) ─▶ load ─▶ fill
//	                                                ├─────miss──▶ load ─▶ fill ─▶ value
//	                                                └─(breaker open, time-out)─ limit ─▶ load ─▶ value
//
// Write is for values that were just committed or read past the cache, Counts for counters on their way to the
// database.
//
// Its guarantees:
//   - Redis costs a caller at most Config.Timeout for a look and as much for a fill; once the breaker has
//     opened it costs nothing, and one probe a second finds out when it is back.
//   - An entry is never replaced by an older version of itself, and a fill whose load began before an
//     Invalidate is dropped, so nothing stale outlives the invalidation that was meant for it. (Where Redis
//     restarts or evicts the invalidation's own mark within the load's time, it can, for its Life.)
//   - After Redis was away, a process does not go back to what Redis held before: it believes no entry that is older
//     than what it has read meanwhile, nor any whose Invalidate failed.
//   - Concurrent fetches of one key share one load, which no single caller's cancellation ends.
//   - What is served past its freshness is no older than its Life says, and one process of the region reloads it.
package cache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"

	"github.com/meridian-commerce/meridian/internal/redis"
)

// Config describes a region's Redis and the limits around it. Zero durations and counts take the defaults.
type Config struct {
	Redis       redis.Config  // in a region without Redis every fetch is a bypass
	Timeout     time.Duration // of one look or fill, the connection included; 50 ms
	LoadTimeout time.Duration // of one load, its wait for the limit included; 5 s
	LoadLimit   int           // loads at a time while Redis is bypassed; 32
	Seed        uint64        // of the jitter of times to live and of early refreshes; 0 draws one
	Logger      *slog.Logger  // nil discards
}

// Cache is a region's Redis. It is safe for concurrent use.
type Cache struct {
	cfg     Config
	redis   *redis.Client
	flights singleflight.Group
	loads   chan struct{} // a slot for each load while Redis is bypassed
	metrics *metrics
	floors  *floors

	refreshes singleflight.Group

	mu     sync.Mutex
	random *rand.Rand
}

// New returns the cache of a region. It does not connect: Redis being down is no error. Its metrics go to
// registry; the error is a second registration, a negative limit, or redis.ErrConfig.
func New(cfg Config, registry prometheus.Registerer) (*Cache, error) {
	if cfg.Timeout < 0 || cfg.LoadTimeout < 0 || cfg.LoadLimit < 0 {
		return nil, fmt.Errorf("cache: a limit is negative: time-outs %s and %s, %d loads", cfg.Timeout, cfg.LoadTimeout, cfg.LoadLimit)
	}
	cfg = withDefaults(cfg)
	c := &Cache{
		cfg:    cfg,
		floors: newFloors(),
		loads:  make(chan struct{}, cfg.LoadLimit),
		random: rand.New(rand.NewPCG(cfg.Seed, cfg.Seed)),
	}
	var err error
	if c.redis, err = redis.Open(cfg.Redis, redis.Options{Timeout: cfg.Timeout, Logger: cfg.Logger}, registry); err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	if c.metrics, err = newMetrics(registry, c.redis.State); err != nil {
		return nil, err
	}
	return c, nil
}

func withDefaults(cfg Config) Config {
	if cfg.LoadTimeout == 0 {
		cfg.LoadTimeout = 5 * time.Second
	}
	if cfg.LoadLimit == 0 {
		cfg.LoadLimit = 32
	}
	if cfg.Seed == 0 {
		cfg.Seed = rand.Uint64()
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return cfg
}

// Close ends the connections. Fetches after it are bypasses.
func (c *Cache) Close() error { return c.redis.Close() } // its errors say what they are

// do runs one Redis command, and counts its failure under the operation's name. An absent value is "" without an error.
func (c *Cache) do(ctx context.Context, operation string, command func(context.Context, redis.Commands) (string, error)) (string, error) {
	var value string
	err := c.redis.Do(ctx, func(ctx context.Context, on redis.Commands) (err error) {
		value, err = command(ctx, on)
		return err
	})
	if err == nil {
		return value, nil
	}
	if !errors.Is(err, redis.ErrAway) && !errors.Is(err, redis.ErrNone) {
		c.metrics.errors.WithLabelValues(operation).Inc()
	}
	return "", fmt.Errorf("cache: %s: %w", operation, err)
}

// jitter spreads a time to live over ±10 %, so that entries filled together do not expire together. The
// result is at least a millisecond, Redis's unit.
func (c *Cache) jitter(ttl time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	spread := 0.9 + 0.2*c.random.Float64()
	return max(time.Duration(float64(ttl)*spread), time.Millisecond)
}
