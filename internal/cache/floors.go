package cache

import (
	"math"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

const (
	maxFloors = 1 << 14 // keys that a process remembers; a few MiB
	nothing   = math.MaxUint64
)

// floors remembers, of values that changed or were read while Redis did not take them, below which version its entries
// are not believed: those from before are still there once it answers again. It is safe for concurrent use.
type floors struct {
	mu sync.Mutex
	of *simplelru.LRU[string, uint64]
}

func newFloors() *floors {
	of, _ := simplelru.NewLRU[string, uint64](maxFloors, nil) // its error is a size of 0
	return &floors{of: of}
}

// get returns a key's floor; 0: any entry is believed.
func (f *floors) get(key string) uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	floor, _ := f.of.Get(key)
	return floor
}

// raise believes no entry of the keys until they are loaded, or until lower.
func (f *floors) raise(keys []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, key := range keys {
		f.of.Add(key, nothing)
	}
}

// lower believes all entries of the keys: those from before are gone.
func (f *floors) lower(keys []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, key := range keys {
		f.of.Remove(key)
	}
}

// loaded takes the version that a load gave for the floor, unless somebody moved that from before, where it was when
// the load began. A version that Redis has taken needs none.
func (f *floors) loaded(key string, before, version uint64, stored bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now, _ := f.of.Get(key); now != before {
		return
	}
	if stored {
		f.of.Remove(key)
	} else {
		f.of.Add(key, version)
	}
}
