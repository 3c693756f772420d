package cache

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/meridian-commerce/meridian/internal/redis"
)

// Counts are counters that Redis gathers from every process of a region, on their way to the database: Add
// gathers, Take hands a batch to the one who carries it on, Done ends the batch. A batch that was taken and not
// ended is handed out again, unchanged and under the same id, before any later one, so a carrier that applies
// each id once counts each Add once. What was gathered and not ended is lost with Redis. Counts is safe for
// concurrent use; its errors mean that Redis did not answer, and then the effect of the call is unknown.
type Counts struct {
	cache *Cache
	name  string
}

// Counts returns the counters of a name, which is unique in the region's Redis.
func (c *Cache) Counts(name string) *Counts { return &Counts{c, "counts:" + name} }

// Batch is what was counted in a while, by counter.
type Batch struct {
	ID     string
	Counts map[string]int64
}

// addLife is how long an Add is remembered, so that its repetition has no effect.
const addLife = time.Minute

// add adds ARGV[2…], pairs of a counter and a number, to the hash KEYS[1] once for each id (KEYS[2]).
var add = redis.NewScript(`
if not redis.call('SET', KEYS[2], '1', 'NX', 'PX', ARGV[1]) then return '0' end
for i = 2, #ARGV, 2 do redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 1]) end
return '1'`)

// take hands out the batch under way (KEYS[2], its id KEYS[3]), or makes one (id ARGV[1]) of all that was gathered
// (KEYS[1]), once in a turn of ARGV[2] ms (KEYS[4]). It returns the id and then pairs of a counter and a number.
var take = redis.NewScript(`
if not redis.call('SET', KEYS[4], '1', 'NX', 'PX', ARGV[2]) then return {} end
if redis.call('EXISTS', KEYS[2]) == 0 then
  if redis.call('EXISTS', KEYS[1]) == 0 then return {} end
  redis.call('RENAME', KEYS[1], KEYS[2])
end
redis.call('SET', KEYS[3], ARGV[1], 'NX')
local batch = redis.call('HGETALL', KEYS[2])
table.insert(batch, 1, redis.call('GET', KEYS[3]))
return batch`)

// done ends the batch (KEYS[1], its id KEYS[2]) if it is the one of that id (ARGV[1]).
var done = redis.NewScript(`
if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('DEL', KEYS[1], KEYS[2]) end
return '1'`)

// Add adds to counters. Repeating a batch within a minute, because its outcome was unknown, has no effect.
func (n *Counts) Add(ctx context.Context, b Batch) error {
	args := make([]any, 0, 1+2*len(b.Counts))
	args = append(args, addLife.Milliseconds())
	for counter, count := range b.Counts {
		args = append(args, counter, count)
	}
	_, err := n.cache.do(ctx, "count", func(ctx context.Context, on redis.Commands) (string, error) {
		return add.Run(ctx, on, []string{n.name, n.name + ":added:" + b.ID}, args...).Text()
	})
	return err
}

// Take returns a batch to carry on, without counters where there is nothing to do or where another process of the
// region has had its turn within the last every. id names the batch if it is a new one.
func (n *Counts) Take(ctx context.Context, id string, every time.Duration) (Batch, error) {
	var flat []string
	_, err := n.cache.do(ctx, "count", func(ctx context.Context, on redis.Commands) (string, error) {
		keys := []string{n.name, n.batch(), n.batchID(), n.name + ":turn"}
		var err error
		flat, err = take.Run(ctx, on, keys, id, every.Milliseconds()).StringSlice()
		return "", err
	})
	if err != nil || len(flat) == 0 {
		return Batch{}, err
	}
	b := Batch{ID: flat[0], Counts: make(map[string]int64, len(flat)/2)}
	for pair := range slices.Chunk(flat[1:], 2) {
		if b.Counts[pair[0]], err = strconv.ParseInt(pair[len(pair)-1], 10, 64); err != nil {
			return Batch{}, fmt.Errorf("cache: counter %q: %w", pair[0], err)
		}
	}
	return b, nil
}

// Done ends a batch whose counts the database has.
func (n *Counts) Done(ctx context.Context, id string) error {
	_, err := n.cache.do(ctx, "count", func(ctx context.Context, on redis.Commands) (string, error) {
		return done.Run(ctx, on, []string{n.batch(), n.batchID()}, id).Text()
	})
	return err
}

func (n *Counts) batch() string   { return n.name + ":batch" }
func (n *Counts) batchID() string { return n.name + ":batch:id" }
