package quota

import (
	"hash/maphash"
	"sync"
)

// shardCount keeps callers on different processors out of each other's way.
const shardCount = 64

// bucketID names a bucket in this process.
type bucketID struct {
	policy *Policy
	key    Key
}

// bucket is a link of its shard's ring, which begins with the one used last.
type bucket struct {
	id         bucketID
	full       int64 // when it is full again, nanoseconds since the epoch
	unshared   int64 // requests that the region does not know of
	queued     bool  // waiting to be shared
	prev, next *bucket
}

// store holds a bounded number of buckets, those used last.
type store struct {
	seed   maphash.Seed
	shards []shard
}

type shard struct {
	mu       sync.Mutex
	capacity int
	buckets  map[bucketID]*bucket
	ring     bucket // sentinel
	_        [64]byte
}

func newStore(capacity int) *store {
	shards := min(shardCount, max(1, capacity/16))
	s := &store{seed: maphash.MakeSeed(), shards: make([]shard, shards)}
	for i := range s.shards {
		h := &s.shards[i]
		h.capacity, h.buckets = capacity/shards, map[bucketID]*bucket{}
		h.ring.prev, h.ring.next = &h.ring, &h.ring
	}
	return s
}

// with calls f with a bucket, which nobody else touches meanwhile. One that is not there is made, in place of
// the one that was not used for longest if the shard is full.
func (s *store) with(id bucketID, f func(*bucket)) {
	h := &s.shards[maphash.Comparable(s.seed, id)%uint64(len(s.shards))]
	h.mu.Lock()
	defer h.mu.Unlock()
	f(h.find(id))
}

func (h *shard) find(id bucketID) *bucket {
	b, ok := h.buckets[id]
	switch {
	case ok:
		b.unlink()
	case len(h.buckets) >= h.capacity:
		b = h.ring.prev
		b.unlink()
		delete(h.buckets, b.id)
		*b = bucket{id: id}
		h.buckets[id] = b
	default:
		b = &bucket{id: id}
		h.buckets[id] = b
	}
	b.prev, b.next = &h.ring, h.ring.next
	b.prev.next, b.next.prev = b, b
	return b
}

func (b *bucket) unlink() { b.prev.next, b.next.prev = b.next, b.prev }

func (s *store) size() int {
	n := 0
	for i := range s.shards {
		h := &s.shards[i]
		h.mu.Lock()
		n += len(h.buckets)
		h.mu.Unlock()
	}
	return n
}
