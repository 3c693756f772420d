package cart

import (
	"context"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/regions"
)

// Store keeps carts at home. It is safe for concurrent use; errors are *fault.Error.
type Store interface {
	// Find reads a cart; the zero Cart if there is none.
	Find(ctx context.Context, home regions.Name, userID string) (Cart, error)
	// Change reads a cart, lets change decide and writes the result, in one transaction; nothing is written
	// when the version stays. The error of change is returned as it is.
	Change(ctx context.Context, home regions.Name, userID string, change func(Cart) (Cart, error)) (Cart, error)
}

// SKUs knows what can be bought. It reads GLOBAL data only.
type SKUs interface {
	Sold(ctx context.Context, sku string) (bool, error)
}

// Service is the cart room's behavior. It is safe for concurrent use.
type Service struct {
	store Store
	skus  SKUs
}

// New returns a Service.
func New(s Store, skus SKUs) *Service { return &Service{s, skus} }

// Cart returns a user's cart.
func (s *Service) Cart(ctx context.Context, home regions.Name, userID string) (Cart, error) {
	return s.store.Find(ctx, home, userID)
}

// SetItem sets how many units of a SKU are in a user's cart, if the cart still has that etag (empty: whatever
// it has). Errors: fault.Invalid, fault.NotFound (SKU_NOT_FOUND), fault.Aborted (CART_CHANGED).
func (s *Service) SetItem(ctx context.Context, home regions.Name, userID, sku string, quantity int64, etag string) (Cart, error) {
	if quantity > 0 {
		if sold, err := s.skus.Sold(ctx, sku); err != nil {
			return Cart{}, err
		} else if !sold {
			return Cart{}, fault.New(fault.NotFound, "SKU_NOT_FOUND", "there is no product with SKU %.80q", sku)
		}
	}
	return s.store.Change(ctx, home, userID, func(c Cart) (Cart, error) {
		if err := c.Matches(etag); err != nil {
			return c, err
		}
		return c.With(sku, quantity)
	})
}
