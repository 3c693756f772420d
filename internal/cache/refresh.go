package cache

import (
	"context"
	"math"
	"time"

	"github.com/meridian-commerce/meridian/internal/redis"
)

// early decides whether an entry that is fresh for so much longer is loaded anew already. It is XFetch (Vattani,
// Chierichetti and Lowenstein, "Optimal probabilistic cache stampede prevention", 2015, with β = 1): each look
// draws an exponentially distributed head start whose mean is the time that the load took, so that of many looks
// about one goes first, the earlier the slower the load and the busier the key, and no process has to know of
// another. What is not fresh any more is always due.
func (c *Cache) early(loadTime, fresh time.Duration) bool {
	if fresh <= 0 {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return float64(loadTime)*-math.Log(1-c.random.Float64()) >= float64(fresh)
}

// refresh loads a value anew behind the caller's back, unless this or another process of the region does so
// already. The claim of one that failed is not given back: the next try waits for its end.
func refresh[T any](ctx context.Context, c *Cache, from source[T], seen sighting) {
	c.refreshes.DoChan(from.key, func() (any, error) {
		// The caller has been answered already, and its context may end at any time.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.cfg.LoadTimeout)
		defer cancel()
		// One process of the region is enough: the others would only load the database.
		if mine, err := c.claims(ctx, from.key, seen.raw); err != nil || !mine {
			return nil, err
		}
		outcome := "done"
		if _, _, err := fill(ctx, c, from, seen); err != nil {
			outcome = "failed"
			c.cfg.Logger.WarnContext(ctx, "cache entry not refreshed; it is served until its life ends", "key", from.key, "error", err)
		}
		c.metrics.refreshes.WithLabelValues(outcome).Inc()
		return nil, nil
	})
}

// claim makes the claim KEYS[2] for ARGV[2] ms, if nobody has it and KEYS[1] still holds what the look saw (ARGV[1]):
// a process that comes late finds that the entry was refreshed already.
var claim = redis.NewScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return '0' end
if redis.call('SET', KEYS[2], '1', 'NX', 'PX', ARGV[2]) then return '1' end
return '0'`)

// claims reports whether this process is the one of the region that refreshes what a look saw. A claim ends with
// the fill that it was made for, or after the longest load.
func (c *Cache) claims(ctx context.Context, key, seen string) (bool, error) {
	made, err := c.do(ctx, "claim", func(ctx context.Context, on redis.Commands) (string, error) {
		return claim.Run(ctx, on, []string{key, claimOf(key)}, seen, c.cfg.LoadTimeout.Milliseconds()).Text()
	})
	return made == "1", err
}

func claimOf(key string) string { return "refresh:" + key }
