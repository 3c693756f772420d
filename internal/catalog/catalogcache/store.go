// Package catalogcache puts the regional cache in front of a catalog store: single products are cache-aside,
// everything else passes through. A Listener ends the region's entries of products that changed anywhere; it
// loses no change, whatever was down when it was made.
package catalogcache

import (
	"context"
	"time"

	"github.com/meridian-commerce/meridian/internal/cache"
	"github.com/meridian-commerce/meridian/internal/catalog"
)

// life bounds how old a product can be in a region whose cache cannot be told of its change, to just over a minute.
// Its second half lets a hot product be read without waiting, and every product while the database is away.
var life = cache.Life{Fresh: 30 * time.Second, Stale: 30 * time.Second}

// Store is a catalog.Store whose Find asks the cache first.
type Store struct {
	catalog.Store
	cache *cache.Cache
	told  func(ctx context.Context, s cache.Status)
}

// New returns a Store in front of another. told hears where each product came from.
func New(behind catalog.Store, c *cache.Cache, told func(ctx context.Context, s cache.Status)) *Store {
	return &Store{behind, c, told}
}

var codec = cache.JSON(func(p catalog.Product) uint64 { return uint64(p.Version) })

// Find implements catalog.Store. The product is shared: it must not be changed.
func (s *Store) Find(ctx context.Context, handle string) (catalog.Product, error) {
	p, status, err := cache.Through(ctx, s.cache, key(handle), life, codec, func(ctx context.Context) (catalog.Product, error) {
		return s.Store.Find(ctx, handle)
	})
	if err == nil {
		s.told(ctx, status)
	}
	return p, err
}

// Put implements catalog.Store. Where it can, it ends this region's entries of the products at once; a Listener
// ends them in every region, and here as well where Put could not.
func (s *Store) Put(ctx context.Context, products []catalog.Product) (int, error) {
	changed, err := s.Store.Put(ctx, products)
	if err != nil {
		return changed, err
	}
	keys := make([]string, len(products))
	for i, p := range products {
		keys[i] = key(p.Handle)
	}
	_ = s.cache.Invalidate(ctx, keys...) // only a head start: the change itself left word for the Listener
	return changed, nil
}

func key(handle string) string { return "product:" + handle }
