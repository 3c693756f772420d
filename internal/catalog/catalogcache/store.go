// Package catalogcache puts the regional cache in front of a catalog store: single products are cache-aside,
// everything else passes through. A Listener ends the region's entries of products that changed anywhere; it
// loses no change, whatever was down when it was made. Until then, a caller who brings a consistency token of a
// change is given nothing older.
package catalogcache

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/meridian-commerce/meridian/internal/cache"
	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/consistency"
)

// life bounds how old a product can be in a region whose cache cannot be notified of its change, to just over a minute.
// Its second half lets a hot product be read without waiting, and every product while the database is away.
var life = cache.Life{Fresh: 30 * time.Second, Stale: 30 * time.Second}

// Store is a catalog.Store whose Find asks the cache first.
type Store struct {
	catalog.Store
	cache   *cache.Cache
	observe func(ctx context.Context, s cache.Status)
	newer   singleflight.Group // reads past entries that are too old
}

// New returns a Store in front of another. observe hears where each product came from.
func New(behind catalog.Store, c *cache.Cache, observe func(ctx context.Context, s cache.Status)) *Store {
	return &Store{Store: behind, cache: c, observe: observe}
}

// Find implements catalog.Store. The product is shared: it must not be changed.
func (s *Store) Find(ctx context.Context, handle string) (catalog.Product, error) {
	p, status, err := cache.Through(ctx, s.cache, key(handle), life, codec, func(ctx context.Context) (catalog.Product, error) {
		return s.Store.Find(ctx, handle)
	})
	if least := consistency.Least(ctx, catalog.Kind, handle); err == nil && p.Version < least && !status.Loaded() {
		p, err = s.findNewer(ctx, handle, least)
		status = cache.Status{Outcome: cache.Refused}
	}
	if err == nil {
		s.observe(ctx, status)
	}
	return p, err
}

// findNewer reads a product from the store behind, for a caller to whom the region's entry is too old, and puts it
// in the entry's place. It returns what the store has even where that is older, since nothing newer is anywhere.
// Callers who ask for the same version share a read, since it was committed before any of them asked. Those who ask
// for the newest do not: what one of them wrote may be newer than another's read.
func (s *Store) findNewer(ctx context.Context, handle string, least int64) (catalog.Product, error) {
	if least == consistency.Newest {
		return s.replace(ctx, handle)
	}
	landed := s.newer.DoChan(handle+" "+strconv.FormatInt(least, 10), func() (any, error) {
		alone, cancel := context.WithTimeout(context.WithoutCancel(ctx), newerTimeout)
		defer cancel()
		return s.replace(alone, handle)
	})
	select {
	case result := <-landed:
		p, _ := result.Val.(catalog.Product)
		return p, result.Err
	case <-ctx.Done():
		return catalog.Product{}, fmt.Errorf("catalogcache: find %q: %w", handle, context.Cause(ctx))
	}
}

const newerTimeout = 5 * time.Second

// replace reads a product from the store behind and makes it the region's entry.
func (s *Store) replace(ctx context.Context, handle string) (catalog.Product, error) {
	p, err := s.Store.Find(ctx, handle)
	if err == nil {
		cache.Write(ctx, s.cache, key(handle), life, codec, p)
	}
	return p, err
}

// Put implements catalog.Store. Where it can, it ends this region's entries of the products at once; a Listener
// ends them in every region, and here as well where Put could not.
func (s *Store) Put(ctx context.Context, products []catalog.Product) (catalog.Stored, error) {
	stored, err := s.Store.Put(ctx, products)
	if err != nil {
		return stored, err
	}
	keys := make([]string, len(products))
	for i, p := range products {
		keys[i] = key(p.Handle)
	}
	_ = s.cache.Invalidate(ctx, keys...) // only a head start: the change itself left word for the Listener
	return stored, nil
}

func key(handle string) string { return "product:" + handle }
