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

// Outcome is where a value came from.
type Outcome string

// The outcomes of a fetch.
const (
	Hit    Outcome = "hit"    // from Redis
	Miss   Outcome = "miss"   // loaded, since Redis had no entry
	Bypass Outcome = "bypass" // loaded, since Redis did not answer
)

// Status describes one fetch.
type Status struct {
	Outcome   Outcome
	Stored    bool // the loaded value was put into Redis
	Collapsed bool // the caller joined another caller's fetch
}

// Header renders s as a Cache-Status header's value (RFC 9211) of the cache of that name, a token or any text.
func (s Status) Header(name string) string {
	value := quoted(name)
	switch s.Outcome {
	case Hit:
		value += "; hit"
	case Miss:
		value += "; fwd=uri-miss"
	default:
		value += "; fwd=bypass"
	}
	if s.Stored {
		value += "; stored"
	}
	if s.Collapsed {
		value += "; collapsed"
	}
	return value
}

// quoted renders a structured field's string (RFC 8941), which holds printable ASCII only.
func quoted(s string) string {
	out := []byte{'"'}
	for _, b := range []byte(s) {
		switch {
		case b < ' ' || b > '~':
			b = '?'
		case b == '"' || b == '\\':
			out = append(out, '\\')
		}
		out = append(out, b)
	}
	return string(append(out, '"'))
}

// fetched is what a flight brings home.
type fetched[T any] struct {
	value  T
	status Status
}

// Through returns the value of a key: from Redis, or else by load, whose result it then keeps for about ttl
// (±10 %). Keys are global to Redis, and all callers of one key must use the same T. Callers share the value
// and must not change it. load must read the system of record: from a lagging replica it could bring back
// what an Invalidate was meant to end.
//
// Concurrent callers of a key share one flight. It has Config.LoadTimeout and ends with no caller; a caller
// whose ctx ends leaves with that error. Other errors are the load's own, or fault.Unavailable DATABASE_BUSY
// where Redis is away and too many loads run. Redis's trouble is never an error. The outcome counts for every
// caller; Status is meaningful only without an error.
func Through[T any](
	ctx context.Context, c *Cache, key string, ttl time.Duration, codec Codec[T], load func(context.Context) (T, error),
) (T, Status, error) {
	led := false
	landed := c.flights.DoChan(key, func() (any, error) {
		led = true
		alone, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.cfg.LoadTimeout)
		defer cancel()
		return fetch(alone, c, key, ttl, codec, load)
	})
	var zero T
	select {
	case result := <-landed:
		if result.Err != nil {
			return zero, Status{}, result.Err
		}
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

// fetch is one flight. Its span belongs to the trace of the caller that started it.
func fetch[T any](
	ctx context.Context, c *Cache, key string, ttl time.Duration, codec Codec[T], load func(context.Context) (T, error),
) (fetched[T], error) {
	ctx, span := trace.SpanFromContext(ctx).TracerProvider().Tracer("meridian/cache").Start(ctx, "cache.fetch",
		trace.WithAttributes(attribute.String("cache.key", key)))
	defer span.End()
	f, err := fetchOnce(ctx, c, key, ttl, codec, load)
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
		return f, err
	}
	span.SetAttributes(attribute.String("cache.outcome", string(f.status.Outcome)))
	return f, nil
}

func fetchOnce[T any](
	ctx context.Context, c *Cache, key string, ttl time.Duration, codec Codec[T], load func(context.Context) (T, error),
) (fetched[T], error) {
	seen, err := c.look(ctx, key)
	if err != nil {
		value, err := limited(ctx, c, load)
		return fetched[T]{value, Status{Outcome: Bypass}}, err
	}
	payload, ok, err := payloadOf(seen)
	if ok {
		var value T
		if value, err = codec.Decode(payload); err == nil {
			return fetched[T]{value, Status{Outcome: Hit}}, nil
		}
	}
	if err != nil {
		c.corrupt(ctx, "decode", key, err) // and loaded and written anew
	}
	value, err := recovered(ctx, load)
	if err != nil {
		return fetched[T]{}, err
	}
	return fetched[T]{value, Status{Outcome: Miss, Stored: keep(ctx, c, key, seen, ttl, codec, value)}}, nil
}

// keep puts a loaded value into Redis, as far as that is possible and right, and reports whether it did.
func keep[T any](ctx context.Context, c *Cache, key, seen string, ttl time.Duration, codec Codec[T], value T) bool {
	if ctx.Err() != nil {
		return false // the load outlived its time, and so maybe a tombstone that was meant for it
	}
	payload, err := codec.Encode(value)
	if err != nil {
		c.corrupt(ctx, "encode", key, err)
		return false
	}
	stored, err := c.store(ctx, key, seen, codec.Version(value), payload, ttl)
	if err == nil && !stored {
		c.metrics.outdated.Inc()
	}
	return stored
}

func (c *Cache) corrupt(ctx context.Context, operation, key string, err error) {
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
