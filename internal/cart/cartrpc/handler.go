// Package cartrpc serves the cart over Connect.
package cartrpc

import (
	"context"

	cartv1 "github.com/meridian-commerce/meridian/api/gen/meridian/cart/v1"
	"github.com/meridian-commerce/meridian/internal/cart"
	"github.com/meridian-commerce/meridian/internal/rpc"
)

// Handler implements cartv1connect.CartServiceHandler.
type Handler struct{ service *cart.Service }

// New returns a Handler.
func New(s *cart.Service) *Handler { return &Handler{s} }

// GetCart implements the method.
func (h *Handler) GetCart(ctx context.Context, _ *cartv1.GetCartRequest) (*cartv1.GetCartResponse, error) {
	caller, err := rpc.CallerOf(ctx)
	if err != nil {
		return nil, err
	}
	c, err := h.service.Cart(ctx, caller.Home, caller.UserID)
	if err != nil {
		return nil, err
	}
	return &cartv1.GetCartResponse{Cart: message(c)}, nil
}

// SetItem implements the method.
func (h *Handler) SetItem(ctx context.Context, r *cartv1.SetItemRequest) (*cartv1.SetItemResponse, error) {
	caller, err := rpc.CallerOf(ctx)
	if err != nil {
		return nil, err
	}
	c, err := h.service.SetItem(ctx, caller.Home, caller.UserID, r.GetSku(), int64(r.GetQuantity()), r.GetEtag())
	if err != nil {
		return nil, err
	}
	return &cartv1.SetItemResponse{Cart: message(c)}, nil
}

func message(c cart.Cart) *cartv1.Cart {
	out := &cartv1.Cart{Etag: c.Etag()}
	for _, item := range c.Sorted() {
		out.Items = append(out.Items, &cartv1.Item{Sku: item.SKU, Quantity: int32(item.Quantity)})
	}
	return out
}
