package cache

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// What a key holds in Redis, told apart by the first byte:
//
//	E<version, 16 hex digits><payload>   an entry
//	T<random>                            a tombstone: an Invalidate's mark, unique to it
const (
	entryMark     = 'E'
	tombstoneMark = 'T'
	versionLen    = 16
)

// tombstoneLife is how much longer than any load a tombstone stays, so that a load that began before it
// finds it.
const tombstoneLife = time.Minute

// invalidateBatch is how many keys share one time-out: well within it, also on a busy machine.
const invalidateBatch = 200

var errCorrupt = errors.New("cache: the key holds no entry of this format")

// fill writes an entry (ARGV[2], version ARGV[3], life ARGV[4] ms) after a look that saw ARGV[1], unless that
// would undo something newer: an entry of a later version, or an invalidation since the look.
var fill = redis.NewScript(`
local now = redis.call('GET', KEYS[1]) or ''
if string.sub(now, 1, 1) == 'T' and now ~= ARGV[1] then return '0' end
local version = string.match(now, '^E(' .. string.rep('[0-9a-f]', 16) .. ')')
if version and version > ARGV[3] then return '0' end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[4])
return '1'`)

func encodeVersion(v uint64) string { return fmt.Sprintf("%016x", v) }

func encodeEntry(version uint64, payload []byte) string {
	return string(entryMark) + encodeVersion(version) + string(payload)
}

// payloadOf returns what an entry holds. ok is false for an absent value and for a tombstone.
func payloadOf(raw string) (payload []byte, ok bool, err error) {
	if raw == "" || raw[0] == tombstoneMark {
		return nil, false, nil
	}
	if raw[0] != entryMark || len(raw) < 1+versionLen {
		return nil, false, errCorrupt
	}
	if _, err := strconv.ParseUint(raw[1:1+versionLen], 16, 64); err != nil {
		return nil, false, errCorrupt
	}
	return []byte(raw[1+versionLen:]), true, nil
}

// Invalidate makes the next fetch of each key load anew, here and in every other process of the region; only
// one that joins a flight already under way in another process may still see the old value. Call it after the
// change was committed. An error means that Redis was not reached and may still hold the old entries: repeat
// it until it succeeds, as a consumer of the outbox does.
func (c *Cache) Invalidate(ctx context.Context, keys ...string) error {
	defer func() {
		for _, key := range keys {
			c.flights.Forget(key) // who asks from now on does not join a load that began before
		}
	}()
	for some := range slices.Chunk(keys, invalidateBatch) {
		if err := c.bury(ctx, some); err != nil && !errors.Is(err, errNoRedis) {
			return err
		}
	}
	return nil
}

func (c *Cache) bury(ctx context.Context, keys []string) error {
	_, err := c.do(ctx, "invalidate", func(ctx context.Context) (string, error) {
		_, err := c.redis.Pipelined(ctx, func(p redis.Pipeliner) error {
			for _, key := range keys {
				p.Set(ctx, key, string(tombstoneMark)+rand.Text(), c.cfg.LoadTimeout+tombstoneLife)
			}
			return nil
		})
		return "", err
	})
	return err
}

func (c *Cache) look(ctx context.Context, key string) (string, error) {
	return c.do(ctx, "look", func(ctx context.Context) (string, error) { return c.redis.Get(ctx, key).Result() })
}

// store reports whether the entry was written. seen is what the look returned before the load.
func (c *Cache) store(ctx context.Context, key, seen string, version uint64, payload []byte, ttl time.Duration) (bool, error) {
	written, err := c.do(ctx, "fill", func(ctx context.Context) (string, error) {
		return fill.Run(ctx, c.redis, []string{key}, seen, encodeEntry(version, payload), encodeVersion(version),
			c.jitter(ttl).Milliseconds()).Text()
	})
	return written == "1", err
}
