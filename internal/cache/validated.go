package cache

import (
	"context"
)

// FetchValidated returns the value of a key as the system of record has it during the call, for values that must
// never be out of date: whatever Redis held, lost or missed plays no part in what is returned. load is told the
// value that Redis holds, nil where it holds none; it returns that very value once the system of record has
// confirmed its version, or else the current one. That spares reading and sending what is known already, and not
// the question. A version must never stand for two different values of a key.
//
// No caller joins another's fetch: one that began earlier may not have seen this caller's own last write.
// Errors are load's own.
func FetchValidated[T any](
	ctx context.Context, c *Cache, key string, life Life, codec Codec[T], load func(ctx context.Context, known *T) (T, error),
) (T, Status, error) {
	from := source[T]{key: key, life: life, codec: codec}
	seen, lookErr := c.look(ctx, key)
	var known *T
	if lookErr == nil {
		if value, ok := held(ctx, c, from, seen); ok {
			known = &value
		}
	}
	value, err := load(ctx, known)
	if err != nil {
		return value, Status{}, err
	}
	status := Status{Outcome: Miss}
	switch {
	case lookErr != nil:
		status.Outcome = Bypass
	case known != nil && codec.Version(*known) == codec.Version(value):
		status.Outcome = Validated
	default:
		status.Stored = keep(ctx, c, from, seen.raw, value, 0)
	}
	c.metrics.fetches.WithLabelValues(string(status.Outcome)).Inc()
	return value, status, nil
}

// Write puts a value that was just committed into Redis, unless a newer version is there, and reports whether it
// did. Where Redis does not answer nothing is written: only FetchValidated may read what was written so.
func Write[T any](ctx context.Context, c *Cache, key string, life Life, codec Codec[T], value T) bool {
	return keep(context.WithoutCancel(ctx), c, source[T]{key: key, life: life, codec: codec}, "", value, 0)
}
