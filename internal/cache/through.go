package cache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/meridian-commerce/meridian/internal/fault"
)

// Codec turns values into bytes and back. Version orders the values of one key: a value that was read later
// from the system of record has the same or a larger one.
type Codec[T any] struct {
	Encode  func(T) ([]byte, error)
	Decode  func([]byte) (T, error)
	Version func(T) uint64
}

// JSON returns a codec by encoding/json.
func JSON[T any](version func(T) uint64) Codec[T] {
	return Codec[T]{
		Encode: func(v T) ([]byte, error) { return json.Marshal(v) },
		Decode: func(b []byte) (v T, err error) {
			err = json.Unmarshal(b, &v)
			return v, err
		},
		Version: version,
	}
}

// Life is how long an entry is of use.
type Life struct {
	Fresh time.Duration // ±10 %, so that entries filled together do not expire together
	Stale time.Duration // how much longer it is still served while it is loaded anew; 0: not at all
}

// fetched is what a flight brings home.
type fetched[T any] struct {
	value  T
	status Status
}

// Through returns the value of a key: from Redis, or else by load, whose result it then keeps for life. Keys are
// global to Redis, and all callers of one key must use the same T. Callers share the value and must not change
// it. load must read the system of record: from a lagging replica it could bring back what an Invalidate was
// meant to end.
//
// An entry that is about to lose its freshness, or has lost it, is served at once and loaded anew behind the
// caller's back; a load that fails then leaves it to be served until its life ends. So a value may be as old as
// 1.1 · Fresh + Stale, unless an Invalidate ended it.
//
// Concurrent callers of a key share one flight. It has Config.LoadTimeout and ends with no caller; a caller
// whose ctx ends leaves with that error. Other errors are the load's own, or fault.Unavailable DATABASE_BUSY
// where Redis is away and too many loads run. Redis's trouble is never an error. The outcome counts for every
// caller; Status is meaningful only without an error.
func Through[T any](
	ctx context.Context, c *Cache, key string, life Life, codec Codec[T], load func(context.Context) (T, error),
) (T, Status, error) {
	led := false
	landed := c.flights.DoChan(key, func() (any, error) {
		led = true
		// Other callers share this flight, so the one that started it must not end it by leaving.
		alone, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.cfg.LoadTimeout)
		defer cancel()
		return fetch(alone, c, source[T]{key, life, codec, load})
	})
	var zero T
	select {
	case result := <-landed:
		if result.Err != nil {
			return zero, Status{}, result.Err
		}
		// Two callers that disagree about a key's type are a defect, which must not become a panic in one of them.
		f, ok := result.Val.(fetched[T])
		if !ok {
			return zero, Status{}, fmt.Errorf("cache: key %q is fetched as %T and as %T", key, result.Val, f)
		}
		f.status.Collapsed = !led
		c.metrics.fetches.WithLabelValues(string(f.status.Outcome)).Inc()
		return f.value, f.status, nil
	case <-ctx.Done():
		return zero, Status{}, fmt.Errorf("cache: fetch %q: %w", key, context.Cause(ctx))
	}
}

// source is what a caller wants to have fetched.
type source[T any] struct {
	key   string
	life  Life
	codec Codec[T]
	load  func(context.Context) (T, error)
}

// fetch is one flight. Its span belongs to the trace of the caller that started it.
func fetch[T any](ctx context.Context, c *Cache, from source[T]) (fetched[T], error) {
	ctx, span := trace.SpanFromContext(ctx).TracerProvider().Tracer("meridian/cache").Start(ctx, "cache.fetch",
		trace.WithAttributes(attribute.String("cache.key", from.key)))
	defer span.End()
	f, err := fetchOnce(ctx, c, from)
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
		return f, err
	}
	span.SetAttributes(attribute.String("cache.outcome", string(f.status.Outcome)))
	return f, nil
}

func fetchOnce[T any](ctx context.Context, c *Cache, from source[T]) (fetched[T], error) {
	seen, err := c.look(ctx, from.key)
	floor := c.floors.get(from.key)
	if err != nil {
		// Nothing is written back: Redis has just failed to answer, and a fill would cost the caller another time-out.
		value, err := limited(ctx, c, from.load)
		if err == nil {
			c.floors.loaded(from.key, floor, from.codec.Version(value), false)
		}
		return fetched[T]{value, Status{Outcome: Bypass}}, err
	}
	if value, ok := held(ctx, c, from, seen); ok && seen.entry.version >= floor {
		status := Status{Outcome: Hit, TTL: seen.fresh()}
		if status.TTL <= 0 {
			status.Outcome = Stale
		}
		if c.early(seen.entry.loadTime, status.TTL) {
			// The caller has its value, so it does not wait for the refresh.
			refresh(ctx, c, from, seen)
		}
		return fetched[T]{value, status}, nil
	}
	value, stored, err := fill(ctx, c, from, seen)
	return fetched[T]{value, Status{Outcome: Miss, Stored: stored}}, err
}

// held is the value that a look found. An entry that cannot be read is none: it is loaded and written anew.
func held[T any](ctx context.Context, c *Cache, from source[T], seen sighting) (value T, ok bool) {
	if !seen.found && seen.corrupt == nil {
		return value, false
	}
	err := seen.corrupt
	if err == nil {
		value, err = from.codec.Decode(seen.entry.payload)
	}
	if err != nil {
		c.unusable(ctx, "decode", from.key, err)
	}
	return value, err == nil
}

// fill loads a value and puts it into Redis, as far as that is possible and right.
func fill[T any](ctx context.Context, c *Cache, from source[T], seen sighting) (value T, stored bool, err error) {
	// How long a load takes decides how early the entry is refreshed.
	began := time.Now()
	floor := c.floors.get(from.key)
	if value, err = recovered(ctx, from.load); err != nil {
		return value, false, err
	}
	stored = keep(ctx, c, from, seen.raw, value, time.Since(began))
	c.floors.loaded(from.key, floor, from.codec.Version(value), stored)
	return value, stored, nil
}

// keep reports whether it put a value into Redis.
func keep[T any](ctx context.Context, c *Cache, from source[T], seen string, value T, loadTime time.Duration) bool {
	if ctx.Err() != nil {
		return false // the load outlived its time, and so maybe a tombstone that was meant for it
	}
	payload, err := from.codec.Encode(value)
	if err != nil {
		c.unusable(ctx, "encode", from.key, err)
		return false
	}
	stored, err := c.store(ctx, from.key, seen, entry{
		version: from.codec.Version(value), stale: from.life.Stale, loadTime: loadTime, payload: payload,
	}, from.life.Fresh)
	// Redis refused the value because it has something newer, which is what should happen.
	if err == nil && !stored {
		c.metrics.outdated.Inc()
	}
	return stored
}

func (c *Cache) unusable(ctx context.Context, operation, key string, err error) {
	c.metrics.errors.WithLabelValues(operation).Inc()
	c.cfg.Logger.WarnContext(ctx, "cache entry unusable", "operation", operation, "key", strconv.Quote(key), "error", err)
}

// limited loads under Config.LoadLimit, which protects the database while Redis shields it from nothing.
func limited[T any](ctx context.Context, c *Cache, load func(context.Context) (T, error)) (T, error) {
	select {
	case c.loads <- struct{}{}:
		defer func() { <-c.loads }()
		return recovered(ctx, load)
	case <-ctx.Done():
		var zero T
		return zero, fault.Wrap(ctx.Err(), fault.Unavailable, "DATABASE_BUSY",
			"the regional cache is away and %d reads are waiting for the database already", c.cfg.LoadLimit).After(time.Second)
	}
}

// recovered turns a load's panic into an error: in a flight's goroutine it would end the process.
func recovered[T any](ctx context.Context, load func(context.Context) (T, error)) (value T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fault.Wrap(errors.New(string(debug.Stack())), fault.Internal, "LOAD_PANICKED", "a load panicked: %v", p)
		}
	}()
	return load(ctx)
}

// Write puts a value that was just committed, or read past the cache, into Redis, unless a newer version is there,
// and reports whether it did. Where Redis does not answer, nothing is written, and an older entry may stay for its
// life.
func Write[T any](ctx context.Context, c *Cache, key string, life Life, codec Codec[T], value T) bool {
	// The value stands whether or not its caller still waits.
	floor := c.floors.get(key)
	stored := keep(context.WithoutCancel(ctx), c, source[T]{key: key, life: life, codec: codec}, "", value, 0)
	// What is not believed at all was changed after the caller read it, for all that is known here.
	if version := codec.Version(value); !stored && floor < version {
		c.floors.loaded(key, floor, version, false)
	}
	return stored
}
