package quota

import (
	"fmt"
	"hash/maphash"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// shardCount keeps callers on different processors out of each other's way.
const shardCount = 64

// bucketID names a bucket in this process.
type bucketID struct {
	policy *Policy
	key    Key
}

// bucket is what is left of one.
type bucket struct {
	full     int64 // when it is full again, nanoseconds since the epoch
	unshared int64 // requests that the region does not know of
	queued   bool  // waiting to be shared
}

// store holds a bounded number of buckets, those used last.
type store struct {
	seed   maphash.Seed
	shards []shard
}

type shard struct {
	mu      sync.Mutex
	buckets *simplelru.LRU[bucketID, *bucket]
	_       [64]byte
}

// newStore returns a store of at least one bucket.
func newStore(capacity int) (*store, error) {
	shards := min(shardCount, max(1, capacity/16))
	s := &store{seed: maphash.MakeSeed(), shards: make([]shard, shards)}
	for i := range s.shards {
		var err error
		if s.shards[i].buckets, err = simplelru.NewLRU[bucketID, *bucket](capacity/shards, nil); err != nil {
			return nil, fmt.Errorf("quota: %w", err)
		}
	}
	return s, nil
}

// with calls f with a bucket, which nobody else touches meanwhile. One that is not there is made, in place of
// the one that was not used for longest if the shard is full.
func (s *store) with(id bucketID, f func(*bucket)) {
	h := &s.shards[maphash.Comparable(s.seed, id)%uint64(len(s.shards))]
	h.mu.Lock()
	defer h.mu.Unlock()
	b, ok := h.buckets.Get(id)
	if !ok {
		b = &bucket{}
		h.buckets.Add(id, b)
	}
	f(b)
}

func (s *store) size() int {
	n := 0
	for i := range s.shards {
		h := &s.shards[i]
		h.mu.Lock()
		n += h.buckets.Len()
		h.mu.Unlock()
	}
	return n
}
