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
// FetchValidated and Write are for values that must never be out of date, Counts for counters on their way to
// the database.
//
// Its guarantees:
//   - Redis costs a caller at most Config.Timeout for a look and as much for a fill; once the breaker has
//     opened it costs nothing, and one probe a second finds out when it is back.
//   - An entry is never replaced by an older version of itself, and a fill whose load began before an
//     Invalidate is dropped, so nothing stale outlives the invalidation that was meant for it. (Where Redis
//     restarts or evicts the invalidation's own mark within the load's time, it can, for its Life.)
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
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/sony/gobreaker/v2"
	"golang.org/x/sync/singleflight"

	"github.com/meridian-commerce/meridian/internal/access/redisaccess"
)

// Config describes a region's Redis and the limits around it. Zero durations and counts take the defaults.
type Config struct {
	Address     string             // host:port; "" is a region without Redis: every fetch is a bypass
	Access      redisaccess.Access // how to connect there
	Timeout     time.Duration      // of one look or fill, the connection included; 50 ms
	LoadTimeout time.Duration      // of one load, its wait for the limit included; 5 s
	LoadLimit   int                // loads at a time while Redis is bypassed; 32
	Seed        uint64             // of the jitter of times to live and of early refreshes; 0 draws one
	Logger      *slog.Logger       // nil discards
}

const (
	breakerFailures = 5           // consecutive failures that open the breaker
	breakerCooldown = time.Second // until an open breaker lets a probe through
	poolSize        = 32          // connections
	poolWait        = 10 * time.Millisecond
)

// Cache is a region's Redis. It is safe for concurrent use.
type Cache struct {
	cfg     Config
	redis   *redis.Client // nil where the region has none
	breaker *gobreaker.CircuitBreaker[string]
	flights singleflight.Group
	loads   chan struct{} // a slot for each load while Redis is bypassed
	metrics *metrics
	failure atomic.Pointer[failure] // the last one

	refreshes singleflight.Group

	mu     sync.Mutex
	random *rand.Rand
}

// failure is a command that Redis did not carry out.
type failure struct {
	cause string
	err   error
}

// errNoRedis is the look's error in a region without Redis.
var errNoRedis = errors.New("cache: the region has no Redis")

// New returns the cache of a region. It does not connect: Redis being down is no error. Its metrics go to
// registry; the error is a second registration, a negative limit, or an Access that cannot be used.
func New(cfg Config, registry prometheus.Registerer) (*Cache, error) {
	if cfg.Timeout < 0 || cfg.LoadTimeout < 0 || cfg.LoadLimit < 0 {
		return nil, fmt.Errorf("cache: a limit is negative: time-outs %s and %s, %d loads", cfg.Timeout, cfg.LoadTimeout, cfg.LoadLimit)
	}
	cfg = withDefaults(cfg)
	c := &Cache{
		cfg:    cfg,
		loads:  make(chan struct{}, cfg.LoadLimit),
		random: rand.New(rand.NewPCG(cfg.Seed, cfg.Seed)),
	}
	c.breaker = gobreaker.NewCircuitBreaker[string](gobreaker.Settings{
		Name:          "redis " + cfg.Address,
		MaxRequests:   1,
		Timeout:       breakerCooldown,
		ReadyToTrip:   func(n gobreaker.Counts) bool { return n.ConsecutiveFailures >= breakerFailures },
		IsSuccessful:  func(err error) bool { return err == nil || errors.Is(err, redis.Nil) },
		IsExcluded:    func(err error) bool { return errors.Is(err, redis.ErrPoolTimeout) }, // says that we are busy, not Redis
		OnStateChange: c.logState,
	})
	var err error
	if c.metrics, err = newMetrics(registry, c.breaker.State); err != nil {
		return nil, err
	}
	if cfg.Address != "" {
		options := clientOptions(cfg)
		if err := cfg.Access.Apply(options); err != nil {
			return nil, fmt.Errorf("cache: %w", err)
		}
		redis.SetLogger(driverLog{cfg.Logger})
		c.redis = redis.NewClient(options)
	}
	return c, nil
}

func withDefaults(cfg Config) Config {
	if cfg.Timeout == 0 {
		cfg.Timeout = 50 * time.Millisecond
	}
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

func clientOptions(cfg Config) *redis.Options {
	return &redis.Options{
		Addr:                  cfg.Address,
		DialTimeout:           cfg.Timeout,
		ReadTimeout:           cfg.Timeout,
		WriteTimeout:          cfg.Timeout,
		ContextTimeoutEnabled: true,
		MaxRetries:            -1, // the database is the retry
		DialerRetries:         1,
		PoolSize:              poolSize,
		PoolTimeout:           poolWait,
		PipelinePoolSize:      -1,
		DisableIdentity:       true,
		MaintNotificationsConfig: &maintnotifications.Config{
			Mode: maintnotifications.ModeDisabled,
		},
	}
}

// Close ends the connections. Fetches after it are bypasses.
func (c *Cache) Close() error {
	if c.redis == nil {
		return nil
	}
	if err := c.redis.Close(); err != nil {
		return fmt.Errorf("cache: close: %w", err)
	}
	return nil
}

// do runs one Redis command under the breaker and Config.Timeout. An absent value is "" without an error.
// The caller's own cancellation is not passed on: it would count against Redis.
func (c *Cache) do(ctx context.Context, operation string, command func(context.Context) (string, error)) (string, error) {
	if c.redis == nil {
		return "", errNoRedis
	}
	value, err := c.breaker.Execute(func() (string, error) {
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.cfg.Timeout)
		defer cancel()
		value, err := command(limited)
		if err != nil && !errors.Is(err, redis.Nil) {
			c.failure.Store(&failure{c.metrics.failures.Count(err), err})
		}
		return value, err
	})
	switch {
	case err == nil, errors.Is(err, redis.Nil):
		return value, nil
	case errors.Is(err, gobreaker.ErrOpenState), errors.Is(err, gobreaker.ErrTooManyRequests):
	default:
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

func (c *Cache) logState(_ string, from, to gobreaker.State) {
	level := slog.LevelInfo
	if to == gobreaker.StateOpen && from == gobreaker.StateClosed {
		level = slog.LevelWarn
	}
	args := []any{"address", c.cfg.Address, "from", from.String(), "to", to.String()}
	if last := c.failure.Load(); to == gobreaker.StateOpen && last != nil {
		args = append(args, "cause", last.cause, "error", last.err)
	}
	c.cfg.Logger.Log(context.Background(), level, "redis breaker changed", args...)
}

// driverLog turns the Redis driver's own messages, which repeat while Redis is away, into debug records.
type driverLog struct{ logger *slog.Logger }

// Printf implements the driver's logger.
func (l driverLog) Printf(ctx context.Context, format string, args ...any) {
	l.logger.DebugContext(ctx, "redis driver", "message", fmt.Sprintf(format, args...))
}
