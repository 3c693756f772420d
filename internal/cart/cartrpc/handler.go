// Package cartrpc serves the cart room over Connect.
package cartrpc

import (
	"context"

	cartv1 "github.com/meridian-commerce/meridian/api/gen/meridian/cart/v1"
	"github.com/meridian-commerce/meridian/internal/cart"
	"github.com/meridian-commerce/meridian/internal/checkout"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
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
	c, err := h.service.Cart(ctx, owner(caller))
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
	if r.Quantity == nil {
		return nil, fault.New(fault.Invalid, "QUANTITY_INVALID", "say a quantity; 0 removes the item")
	}
	set, name := h.service.SetItem, r.GetSku()
	if r.GetVariantId() != "" {
		set, name = h.service.SetVariant, r.GetVariantId()
	}
	c, err := set(ctx, owner(caller), name, int64(r.GetQuantity()), r.GetEtag())
	if err != nil {
		return nil, err
	}
	return &cartv1.SetItemResponse{Cart: message(c)}, nil
}

// AddPromotionCode implements the method.
func (h *Handler) AddPromotionCode(ctx context.Context, r *cartv1.AddPromotionCodeRequest) (*cartv1.AddPromotionCodeResponse, error) {
	caller, err := rpc.CallerOf(ctx)
	if err != nil {
		return nil, err
	}
	c, err := h.service.AddCode(ctx, owner(caller), r.GetCode(), r.GetEtag())
	if err != nil {
		return nil, err
	}
	return &cartv1.AddPromotionCodeResponse{Cart: message(c)}, nil
}

// RemovePromotionCode implements the method.
func (h *Handler) RemovePromotionCode(ctx context.Context, r *cartv1.RemovePromotionCodeRequest) (*cartv1.RemovePromotionCodeResponse, error) {
	caller, err := rpc.CallerOf(ctx)
	if err != nil {
		return nil, err
	}
	c, err := h.service.RemoveCode(ctx, owner(caller), r.GetCode(), r.GetEtag())
	if err != nil {
		return nil, err
	}
	return &cartv1.RemovePromotionCodeResponse{Cart: message(c)}, nil
}

func owner(c rpc.Caller) cart.Owner {
	return cart.Owner{UserID: c.UserID, Home: c.Home, Currency: c.Currency}
}

func message(c cart.Priced) *cartv1.Cart {
	out := &cartv1.Cart{Etag: c.Etag()}
	// From the cart rather than from the quote, since a cart without a quote has its items all the same.
	items := make(map[string]*cartv1.Item, len(c.Items))
	for _, variant := range c.Variants() {
		item := &cartv1.Item{VariantId: variant, Sku: variant, Quantity: int32(c.Items[variant])}
		items[variant] = item
		out.Items = append(out.Items, item)
	}
	applied := map[string]bool{}
	if c.Quote != nil {
		for _, a := range c.Quote.Adjustments {
			applied[a.Code] = true
		}
	}
	for _, code := range c.Codes {
		out.PromotionCodes = append(out.PromotionCodes, &cartv1.PromotionCode{Code: code, Applied: applied[code]})
	}
	if c.Quote == nil {
		return out
	}
	for _, l := range c.Quote.Lines {
		describe(items[l.Variant], l)
	}
	for _, u := range c.Quote.Unavailable {
		items[u.Variant].Sku, items[u.Variant].Unavailable = u.SKU, reasons[u.Reason]
	}
	out.Adjustments = rpc.Adjustments(c.Quote.Adjustments)
	out.Subtotal = rpc.Money(c.Quote.Subtotal)
	out.Total = rpc.Money(c.Quote.Total)
	return out
}

func describe(item *cartv1.Item, l checkout.Line) {
	item.Sku = l.SKU
	item.Title = l.Title
	item.UnitPrice = rpc.Money(l.UnitPrice)
	item.Amount = rpc.Money(l.Amount)
	item.Total = rpc.Money(l.Total)
	// Absent says that nothing changed, which a price of 0 would not.
	if l.Previous != (money.Money{}) {
		item.PreviousUnitPrice = rpc.Money(l.Previous)
	}
}

var reasons = map[checkout.Reason]cartv1.Unavailable{
	checkout.NotSold: cartv1.Unavailable_UNAVAILABLE_NOT_SOLD,
	checkout.NoPrice: cartv1.Unavailable_UNAVAILABLE_NO_PRICE,
}
