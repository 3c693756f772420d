package cache

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/meridian-commerce/meridian/internal/redis"
)

// What a key holds in Redis, told apart by the first byte (numbers are hex digits):
//
//	E<version, 16><stale in ms, 8><load time in µs, 8><payload>   an entry
//	T<random>                                                     a tombstone: an Invalidate's mark, unique to it
//
// An entry lives in Redis for as long as it is fresh plus as long as it may be stale; what is left of that, by
// Redis's own clock, tells how fresh it is.
const (
	entryMark     = 'E'
	tombstoneMark = 'T'
	versionLen    = 16
	durationLen   = 8
	headerLen     = 1 + versionLen + 2*durationLen
)

// tombstoneLife is how much longer than any load a tombstone stays, so that a load that began before it
// finds it.
const tombstoneLife = time.Minute

// invalidateBatch is how many keys share one time-out: well within it, also on a busy machine.
const invalidateBatch = 200

var errCorrupt = errors.New("cache: the key holds no entry of this format")

// put writes an entry (ARGV[2], version ARGV[3], life ARGV[4] ms) after a look that saw ARGV[1], unless that
// would undo something newer: an entry of a later version, or an invalidation since the look. Either way the
// claim to refresh it (KEYS[2]) is over.
var put = redis.NewScript(`
redis.call('DEL', KEYS[2])
local now = redis.call('GET', KEYS[1]) or ''
if string.sub(now, 1, 1) == 'T' and now ~= ARGV[1] then return '0' end
local version = string.match(now, '^E(' .. string.rep('[0-9a-f]', 16) .. ')')
if version and version > ARGV[3] then return '0' end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[4])
return '1'`)

// entry is a value as Redis keeps it.
type entry struct {
	version  uint64
	stale    time.Duration // how long it may be served once it is not fresh any more; in ms
	loadTime time.Duration // how long the load took; in µs
	payload  []byte
}

func encodeVersion(v uint64) string { return fmt.Sprintf("%016x", v) }

func (e entry) encode() string {
	return string(entryMark) + encodeVersion(e.version) + encodeDuration(e.stale, time.Millisecond) +
		encodeDuration(e.loadTime, time.Microsecond) + string(e.payload)
}

func encodeDuration(d, unit time.Duration) string {
	return fmt.Sprintf("%08x", min(max(int64(d/unit), 0), math.MaxUint32))
}

// parseEntry reads what a key holds. ok is false for an absent value and for a tombstone.
func parseEntry(raw string) (e entry, ok bool, err error) {
	if raw == "" || raw[0] == tombstoneMark {
		return entry{}, false, nil
	}
	if raw[0] != entryMark || len(raw) < headerLen {
		return entry{}, false, errCorrupt
	}
	version, err1 := strconv.ParseUint(raw[1:1+versionLen], 16, 64)
	stale, err2 := strconv.ParseUint(raw[1+versionLen:headerLen-durationLen], 16, 32)
	loadTime, err3 := strconv.ParseUint(raw[headerLen-durationLen:headerLen], 16, 32)
	if errors.Join(err1, err2, err3) != nil {
		return entry{}, false, errCorrupt
	}
	return entry{
		version: version, stale: time.Duration(stale) * time.Millisecond, loadTime: time.Duration(loadTime) * time.Microsecond,
		payload: []byte(raw[headerLen:]),
	}, true, nil
}

// sighting is what a look found.
type sighting struct {
	raw     string
	entry   entry
	found   bool          // there is an entry
	corrupt error         // there is something else, which is no tombstone either
	left    time.Duration // of the entry's life in Redis
}

// fresh is how much longer the entry is fresh; negative: for how long it has not been.
func (s sighting) fresh() time.Duration { return s.left - s.entry.stale }

// Invalidate makes the next fetch of each key load anew, here and in every other process of the region; only
// one that joins a flight already under way in another process may still see the old value. Call it after the
// change was committed. An error means that Redis was not reached and may still hold the old entries: repeat
// it until it succeeds, as a consumer of the outbox does.
func (c *Cache) Invalidate(ctx context.Context, keys ...string) error {
	defer func() {
		for _, key := range keys {
			c.flights.Forget(key) // who asks from now on does not join a load that began before
			c.refreshes.Forget(key)
		}
	}()
	// In batches, because all of one round trip shares one time-out.
	for some := range slices.Chunk(keys, invalidateBatch) {
		if err := c.mark(ctx, some); err != nil && !errors.Is(err, redis.ErrNone) {
			c.floors.raise(keys)
			return err
		}
		c.floors.lower(some)
	}
	return nil
}

// mark puts a tombstone in the place of each entry.
func (c *Cache) mark(ctx context.Context, keys []string) error {
	_, err := c.do(ctx, "invalidate", func(ctx context.Context, on redis.Commands) (string, error) {
		_, err := on.Pipelined(ctx, func(p redis.Pipeliner) error {
			for _, key := range keys {
				p.Set(ctx, key, string(tombstoneMark)+rand.Text(), c.cfg.LoadTimeout+tombstoneLife)
			}
			return nil
		})
		return "", err
	})
	return err
}

func (c *Cache) look(ctx context.Context, key string) (sighting, error) {
	var left time.Duration
	raw, err := c.do(ctx, "look", func(ctx context.Context, on redis.Commands) (string, error) {
		pipeline := on.Pipeline()
		// Both in one round trip: the time that is left tells whether the entry is still fresh.
		value, life := pipeline.Get(ctx, key), pipeline.PTTL(ctx, key)
		_, err := pipeline.Exec(ctx)
		left = life.Val()
		return value.Val(), err
	})
	if err != nil {
		return sighting{}, err
	}
	seen := sighting{raw: raw, left: left}
	seen.entry, seen.found, seen.corrupt = parseEntry(raw)
	return seen, nil
}

// store reports whether the entry was written. seen is what the look returned before the load.
func (c *Cache) store(ctx context.Context, key, seen string, e entry, fresh time.Duration) (bool, error) {
	// Jitter keeps entries that were filled together from expiring together.
	life := c.jitter(fresh) + e.stale
	written, err := c.do(ctx, "fill", func(ctx context.Context, on redis.Commands) (string, error) {
		return put.Run(ctx, on, []string{key, claimOf(key)}, seen, e.encode(), encodeVersion(e.version), life.Milliseconds()).Text()
	})
	return written == "1", err
}
