package catalogcache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/errgroup"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/checkout"
	"github.com/meridian-commerce/meridian/internal/money"
)

const (
	knownNames = 1 << 16 // handles that a process remembers; a few MiB
	findLimit  = 8       // products of one cart that are looked for at a time
)

// Handles knows which products variants and SKUs belong to. It is safe for concurrent use.
type Handles interface {
	// Handles returns products' handles by the ids and SKUs of variants. Both stay with their product for good.
	Handles(ctx context.Context, names []string) (map[string]string, error)
}

// Offers implements cart.Offers out of the products that are cached for browsing: a cart costs what the page of the
// product just said, and the database is asked for what the region does not hold. It is safe for concurrent use.
type Offers struct {
	products *Store
	handles  Handles
	known    *lru.Cache[string, string] // handles by ids and SKUs
}

// NewOffers returns the Offers of a store's products. The error is the library's.
func NewOffers(products *Store, h Handles) (*Offers, error) {
	// Kept in the process, since what never changes needs no invalidation, and would cost a second look into Redis.
	known, err := lru.New[string, string](knownNames)
	if err != nil {
		return nil, fmt.Errorf("catalogcache: %w", err)
	}
	return &Offers{products, h, known}, nil
}

// Offers implements cart.Offers. A price is as old as the product's entry may be, and never older than what the caller's
// consistency token asks for.
func (o *Offers) Offers(ctx context.Context, variants []string, currency money.Currency) (map[string]checkout.Offer, error) {
	byHandle, err := o.group(ctx, variants)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	offers := make(map[string]checkout.Offer, len(variants))
	finds, ctx := errgroup.WithContext(ctx)
	// Bounded, so that one large cart does not take all connections to Redis, or with Redis away all of the loads.
	finds.SetLimit(findLimit)
	for handle, wanted := range byHandle {
		finds.Go(func() error {
			p, err := o.products.Find(ctx, handle)
			if errors.Is(err, catalog.ErrNotFound) {
				return nil // its variants have no offer, as those of a product that is not sold
			}
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			for _, variant := range wanted {
				if offer, sold := p.Offer(variant, currency); sold {
					offers[variant] = offer
				}
			}
			return nil
		})
	}
	return offers, finds.Wait()
}

// Offer implements cart.Offers.
func (o *Offers) Offer(ctx context.Context, sku string, currency money.Currency) (variant string, offer *checkout.Offer, err error) {
	byHandle, err := o.group(ctx, []string{sku})
	if err != nil {
		return sku, nil, err
	}
	for handle := range byHandle { // one at most
		p, err := o.products.Find(ctx, handle)
		switch {
		case errors.Is(err, catalog.ErrNotFound):
			return sku, nil, nil
		case err != nil:
			return sku, nil, err
		}
		variant := p.Variant(sku)
		if found, sold := p.Offer(variant, currency); sold {
			offer = &found
		}
		return variant, offer, nil
	}
	return sku, nil, nil
}

// group returns ids or SKUs of variants by the handle of their product. Those that nobody has are left out, and looked for
// again the next time: they may be imported meanwhile.
func (o *Offers) group(ctx context.Context, names []string) (map[string][]string, error) {
	byHandle := make(map[string][]string, len(names))
	var unknown []string
	for _, name := range names {
		if handle, ok := o.known.Get(name); ok {
			byHandle[handle] = append(byHandle[handle], name)
		} else {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return byHandle, nil
	}
	handles, err := o.handles.Handles(ctx, slices.Compact(slices.Sorted(slices.Values(unknown))))
	if err != nil {
		return nil, err
	}
	for name, handle := range handles {
		o.known.Add(name, handle)
		byHandle[handle] = append(byHandle[handle], name)
	}
	return byHandle, nil
}
