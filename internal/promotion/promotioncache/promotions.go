// Package promotioncache says which promotions carts are priced by, out of the region's cache: one look for the promotions of
// all carts with the same codes.
package promotioncache

import (
	"context"
	"strings"
	"time"

	"github.com/meridian-commerce/meridian/internal/cache"
	"github.com/meridian-commerce/meridian/internal/checkout"
	"github.com/meridian-commerce/meridian/internal/promotion"
)

// life bounds how long a cart shows a promotion that was changed, or is over, to just over a minute, as it does a price; one that
// is read again and again is some ten seconds old. Orders are not placed by what is here.
var life = cache.Life{Fresh: 10 * time.Second, Stale: 50 * time.Second}

// Store keeps promotions, readable in every region without a WAN hop. It is safe for concurrent use.
type Store interface {
	// Candidates returns the promotions that may apply to a cart with some codes, and the store's time.
	Candidates(ctx context.Context, codes []string) ([]promotion.Promotion, time.Time, error)
	// Coded returns the promotion that has a code, and the store's time. Errors: fault.NotFound (PROMOTION_CODE_UNKNOWN).
	Coded(ctx context.Context, code string) (promotion.Promotion, time.Time, error)
}

// Promotions implements cart.Promotions.
type Promotions struct {
	behind Store
	cache  *cache.Cache
}

// New returns the promotions of a store.
func New(behind Store, c *cache.Cache) *Promotions { return &Promotions{behind, c} }

// read is what a store said at a time of its own.
type read struct {
	All []promotion.Promotion
	At  time.Time
}

// What was read later is newer, whatever is in it.
var codec = cache.JSON(func(r read) uint64 { return uint64(r.At.UnixMicro()) })

// Rules implements cart.Promotions: what ran when the store was read.
func (p *Promotions) Rules(ctx context.Context, codes []string) (checkout.Rules, error) {
	known, _, err := cache.Through(ctx, p.cache, "promotions:"+strings.Join(codes, ","), life, codec, func(ctx context.Context) (read, error) {
		all, at, err := p.behind.Candidates(ctx, codes)
		return read{all, at}, err
	})
	return promotion.Rules(known.All, codes, known.At), err
}

// Admit implements cart.Promotions. It asks the store: whoever gives a code is told what is so now.
func (p *Promotions) Admit(ctx context.Context, given string) (string, error) {
	code := promotion.Code(given)
	if code == "" {
		return "", promotion.UnknownCode(given)
	}
	found, at, err := p.behind.Coded(ctx, code)
	if err != nil {
		return "", err
	}
	return code, found.Admit(at)
}
