package quota

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/sony/gobreaker/v2"

	"github.com/meridian-commerce/meridian/internal/access/redisaccess"
)

const (
	breakerFailures = 5           // consecutive failures that open the breaker
	breakerCooldown = time.Second // until an open breaker lets a question through
	poolSize        = 16          // connections
	poolWait        = 10 * time.Millisecond
)

//go:embed gcra.lua
var gcraScript string

// region is the region's buckets: a Redis that may vanish.
type region struct {
	client    *redis.Client
	breaker   *gobreaker.CircuitBreaker[[]int64]
	script    *redis.Script
	timeout   time.Duration
	queue     chan bucketID // buckets with something to share
	questions *prometheus.CounterVec
	failures  *redisaccess.Failures
	failure   atomic.Pointer[failure] // the last one
}

// failure is a question that Redis did not answer.
type failure struct {
	cause string
	err   error
}

// charge is a number of requests to take out of a bucket.
type charge struct {
	id       bucketID
	requests int64
	force    bool // they were admitted already
}

// answer is a bucket after a charge.
type answer struct {
	allowed bool
	ahead   int64 // nanoseconds until it is full
}

func newRegion(cfg Config, registry prometheus.Registerer) (*region, error) {
	options := &redis.Options{
		Addr: cfg.Redis, DialTimeout: cfg.Timeout, ReadTimeout: cfg.Timeout, WriteTimeout: cfg.Timeout,
		ContextTimeoutEnabled: true,
		MaxRetries:            -1, // the local bucket is the retry
		DialerRetries:         1,
		PoolSize:              poolSize, PoolTimeout: poolWait, PipelinePoolSize: -1, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if err := cfg.Access.Apply(options); err != nil {
		return nil, fmt.Errorf("quota: %w", err)
	}
	redis.SetLogger(driverLog{cfg.Logger})
	r := &region{
		timeout: cfg.Timeout,
		script:  redis.NewScript(gcraScript),
		queue:   make(chan bucketID, 4*shareMost),
		questions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "meridian", Subsystem: "admission", Name: "redis_questions_total",
			Help: "Round trips to the region's Redis, by result: answered, failed, or skipped while it is away.",
		}, []string{"result"}),
		client: redis.NewClient(options),
	}
	var err error
	if r.failures, err = redisaccess.NewFailures(registry); err != nil {
		return nil, fmt.Errorf("quota: %w", err)
	}
	r.breaker = gobreaker.NewCircuitBreaker[[]int64](gobreaker.Settings{
		Name: "redis " + cfg.Redis, MaxRequests: 1, Timeout: breakerCooldown,
		ReadyToTrip: func(n gobreaker.Counts) bool { return n.ConsecutiveFailures >= breakerFailures },
		IsExcluded:  func(err error) bool { return errors.Is(err, redis.ErrPoolTimeout) }, // says that we are busy, not Redis
		OnStateChange: func(_ string, from, to gobreaker.State) {
			r.logState(cfg, from, to)
		},
	})
	return r, nil
}

func (r *region) logState(cfg Config, from, to gobreaker.State) {
	level := slog.LevelInfo
	if to == gobreaker.StateOpen && from == gobreaker.StateClosed {
		level = slog.LevelWarn
	}
	args := []any{"address", cfg.Redis, "from", from.String(), "to", to.String()}
	if last := r.failure.Load(); to == gobreaker.StateOpen && last != nil {
		args = append(args, "cause", last.cause, "error", last.err)
	}
	cfg.Logger.Log(context.Background(), level, "admission's redis breaker changed", args...)
}

// ask charges buckets in one round trip, under the breaker and the time-out. The answers are in the order of the
// charges. The caller's own cancellation is not passed on: it would count against Redis.
func (r *region) ask(ctx context.Context, charges []charge) ([]answer, error) {
	keys, args := make([]string, len(charges)), make([]any, 0, 3*len(charges))
	for i, c := range charges {
		keys[i] = "admission:" + c.id.policy.name + ":" + c.id.key.String()
		force := 0
		if c.force {
			force = 1
		}
		args = append(args, micros(c.requests*c.id.policy.interval), micros(c.id.policy.tolerance), force)
	}
	values, err := r.breaker.Execute(func() ([]int64, error) {
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.timeout)
		defer cancel()
		values, err := r.script.Run(limited, r.client, keys, args...).Int64Slice()
		if err == nil && len(values) != 2*len(charges) {
			err = fmt.Errorf("quota: %d values for %d buckets", len(values), len(charges))
		}
		if err != nil {
			r.failure.Store(&failure{r.failures.Count(err), err})
		}
		return values, err
	})
	switch {
	case err == nil:
		r.questions.WithLabelValues("answered").Inc()
	case errors.Is(err, gobreaker.ErrOpenState), errors.Is(err, gobreaker.ErrTooManyRequests):
		r.questions.WithLabelValues("skipped").Inc()
		return nil, err //nolint:wrapcheck // it ends here: the local bucket decides
	default:
		r.questions.WithLabelValues("failed").Inc()
		return nil, fmt.Errorf("quota: redis: %w", err)
	}
	answers := make([]answer, len(charges))
	for i := range answers {
		answers[i] = answer{allowed: values[2*i] == 1, ahead: values[2*i+1] * int64(time.Microsecond)}
	}
	return answers, nil
}

// micros is a time of nanoseconds in Redis's unit, at least one.
func micros(ns int64) int64 { return max(1, ns/int64(time.Microsecond)) }

// enqueue notes that a bucket has something to share, if there is room.
func (r *region) enqueue(id bucketID) bool {
	select {
	case r.queue <- id:
		return true
	default:
		return false
	}
}

func (r *region) dequeue() (bucketID, bool) {
	select {
	case id := <-r.queue:
		return id, true
	default:
		return bucketID{}, false
	}
}

// driverLog turns the Redis driver's own messages, which repeat while Redis is away, into debug records.
type driverLog struct{ logger *slog.Logger }

// Printf implements the driver's logger.
func (l driverLog) Printf(ctx context.Context, format string, args ...any) {
	l.logger.DebugContext(ctx, "redis driver", "message", fmt.Sprintf(format, args...))
}
