// Package cartcache puts the regional cache in front of a cart store. A change is written through once it is
// committed; a read asks the database for the version and takes the items from Redis only when that is the
// version that Redis holds. So a read is as current as one without Redis, whatever Redis missed while it was
// away or while another region served the cart.
package cartcache

import (
	"context"
	"time"

	"github.com/meridian-commerce/meridian/internal/cache"
	"github.com/meridian-commerce/meridian/internal/cart"
	"github.com/meridian-commerce/meridian/regions"
)

// life is how long a cart that nobody touches stays in Redis. It has no part in how current a read is.
var life = cache.Life{Fresh: 15 * time.Minute}

// Behind is the store that holds the carts.
type Behind interface {
	cart.Store
	// FindUnless is Find, except that it returns known itself where the cart is still at known's version.
	FindUnless(ctx context.Context, home regions.Name, userID string, known cart.Cart) (cart.Cart, error)
}

// Store implements cart.Store.
type Store struct {
	behind Behind
	cache  *cache.Cache
	told   func(ctx context.Context, s cache.Status)
}

// New returns a Store in front of another. told hears where each cart that was read came from.
func New(behind Behind, c *cache.Cache, told func(ctx context.Context, s cache.Status)) *Store {
	return &Store{behind, c, told}
}

var codec = cache.JSON(func(c cart.Cart) uint64 { return uint64(c.Version) })

// Find implements cart.Store.
func (s *Store) Find(ctx context.Context, home regions.Name, userID string) (cart.Cart, error) {
	c, status, err := cache.FetchValidated(ctx, s.cache, key(home, userID), life, codec, func(ctx context.Context, known *cart.Cart) (cart.Cart, error) {
		if known == nil {
			return s.behind.Find(ctx, home, userID)
		}
		return s.behind.FindUnless(ctx, home, userID, *known)
	})
	if err == nil {
		s.told(ctx, status)
	}
	return c, err
}

// Change implements cart.Store. Whether Redis took the new cart changes nothing: the next read finds out.
func (s *Store) Change(ctx context.Context, home regions.Name, userID string, change func(cart.Cart) (cart.Cart, error)) (cart.Cart, error) {
	after, err := s.behind.Change(ctx, home, userID, change)
	if err == nil {
		cache.Write(ctx, s.cache, key(home, userID), life, codec, after)
	}
	return after, err
}

func key(home regions.Name, userID string) string { return "cart:" + string(home) + ":" + userID }
