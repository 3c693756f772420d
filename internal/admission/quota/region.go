package quota

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/meridian-commerce/meridian/internal/redis"
)

// redisConns is enough for one shared batch and the sign-ins and orders of a region's peak.
const redisConns = 16

//go:embed gcra.lua
var gcraScript string

// region is the region's buckets: a Redis that may vanish.
type region struct {
	redis     *redis.Client
	script    *redis.Script
	queue     chan bucketID // buckets with something to share
	questions *prometheus.CounterVec
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
	client, err := redis.Open(cfg.Redis, redis.Options{Timeout: cfg.Timeout, Conns: redisConns, Logger: cfg.Logger}, registry)
	if err != nil {
		return nil, fmt.Errorf("quota: %w", err)
	}
	return &region{
		redis:  client,
		script: redis.NewScript(gcraScript),
		queue:  make(chan bucketID, 4*shareMost),
		questions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "meridian", Subsystem: "admission", Name: "redis_questions_total",
			Help: "Round trips to the region's Redis, by result: answered, failed, or skipped while it is away.",
		}, []string{"result"}),
	}, nil
}

// ask charges buckets in one round trip. The answers are in the order of the charges.
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
	var values []int64
	err := r.redis.Do(ctx, func(ctx context.Context, on redis.Commands) (err error) {
		values, err = r.script.Run(ctx, on, keys, args...).Int64Slice()
		if err == nil && len(values) != 2*len(charges) {
			err = fmt.Errorf("quota: %d values for %d buckets", len(values), len(charges))
		}
		return err
	})
	switch {
	case err == nil:
		r.questions.WithLabelValues("answered").Inc()
	case errors.Is(err, redis.ErrAway):
		r.questions.WithLabelValues("skipped").Inc()
		return nil, err // it ends here: the local bucket decides
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
