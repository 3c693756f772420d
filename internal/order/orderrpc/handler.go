// Package orderrpc serves the order room over Connect, and its watch as server-sent events too.
package orderrpc

import (
	"context"
	"errors"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	orderv1 "github.com/meridian-commerce/meridian/api/gen/meridian/order/v1"
	"github.com/meridian-commerce/meridian/internal/order"
	"github.com/meridian-commerce/meridian/internal/rpc"
)

// Handler implements orderv1connect.OrderServiceHandler. It is safe for concurrent use.
type Handler struct {
	service *order.Service
	closing <-chan struct{} // closed when the process drains: watches end, clients reconnect elsewhere
	open    watches
}

// New returns a Handler whose watches end when closing is closed.
func New(s *order.Service, closing <-chan struct{}) *Handler {
	return &Handler{service: s, closing: closing, open: watches{of: map[string]int{}}}
}

// PlaceOrder implements the method.
func (h *Handler) PlaceOrder(ctx context.Context, r *orderv1.PlaceOrderRequest) (*orderv1.PlaceOrderResponse, error) {
	caller, err := rpc.CallerOf(ctx)
	if err != nil {
		return nil, err
	}
	total, err := rpc.ReadMoney(r.GetExpectedTotal())
	if err != nil {
		return nil, err
	}
	o, err := h.service.Place(ctx, order.Request{
		Home: caller.Home, UserID: caller.UserID, Currency: caller.Currency, Key: rpc.Header(ctx, "Idempotency-Key"),
		CartEtag: r.GetCartEtag(), ExpectedTotal: total,
	})
	if err != nil {
		return nil, err
	}
	if o.Replayed {
		rpc.SetHeader(ctx, "Idempotent-Replayed", "true")
	}
	return &orderv1.PlaceOrderResponse{Order: message(o.Order)}, nil
}

// GetOrder implements the method.
func (h *Handler) GetOrder(ctx context.Context, r *orderv1.GetOrderRequest) (*orderv1.GetOrderResponse, error) {
	caller, err := rpc.CallerOf(ctx)
	if err != nil {
		return nil, err
	}
	o, err := h.service.Order(ctx, caller.Home, caller.UserID, r.GetId())
	if err != nil {
		return nil, err
	}
	return &orderv1.GetOrderResponse{Order: message(o)}, nil
}

type cursor struct {
	At time.Time `json:"t"`
	ID string    `json:"i"`
}

// ListOrders implements the method.
func (h *Handler) ListOrders(ctx context.Context, r *orderv1.ListOrdersRequest) (*orderv1.ListOrdersResponse, error) {
	caller, err := rpc.CallerOf(ctx)
	if err != nil {
		return nil, err
	}
	size, err := rpc.PageSize(r.GetPageSize())
	if err != nil {
		return nil, err
	}
	var at cursor
	if err := rpc.ReadPageToken(r.GetPageToken(), &at, "orders", caller.UserID); err != nil {
		return nil, err
	}
	page, next, err := h.service.List(ctx, caller.Home, caller.UserID, order.Cursor{CreatedAt: at.At, ID: at.ID}, size)
	if err != nil {
		return nil, err
	}
	out := &orderv1.ListOrdersResponse{}
	for _, o := range page {
		out.Orders = append(out.Orders, message(o))
	}
	if next.ID != "" {
		out.NextPageToken = rpc.PageToken(cursor{next.CreatedAt, next.ID}, "orders", caller.UserID)
	}
	return out, nil
}

// WatchOrder implements the method.
func (h *Handler) WatchOrder(ctx context.Context, r *orderv1.WatchOrderRequest, stream *connect.ServerStream[orderv1.WatchOrderResponse]) error {
	return h.watch(ctx, r.GetId(), func(o *orderv1.Order) error {
		return stream.Send(&orderv1.WatchOrderResponse{Order: o})
	})
}

func (h *Handler) watch(ctx context.Context, orderID string, send func(*orderv1.Order) error) error {
	caller, err := rpc.CallerOf(ctx)
	if err != nil {
		return err
	}
	if !h.open.enter(caller.UserID) {
		return errTooMany
	}
	defer h.open.leave(caller.UserID)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-h.closing:
			cancel(errClosing)
		case <-ctx.Done():
		}
	}()
	err = h.service.Watch(ctx, caller.Home, caller.UserID, orderID, func(o order.Order) error { return send(message(o)) })
	if errors.Is(context.Cause(ctx), errClosing) {
		return errClosing
	}
	return err
}

var states = map[order.State]orderv1.OrderState{
	order.PendingPayment: orderv1.OrderState_ORDER_STATE_PENDING_PAYMENT,
	order.Confirmed:      orderv1.OrderState_ORDER_STATE_CONFIRMED,
	order.Fulfilled:      orderv1.OrderState_ORDER_STATE_FULFILLED,
	order.Canceled:       orderv1.OrderState_ORDER_STATE_CANCELED,
}

func message(o order.Order) *orderv1.Order {
	out := &orderv1.Order{
		Id:           o.ID,
		State:        states[o.State],
		Adjustments:  rpc.Adjustments(o.Adjustments),
		Total:        rpc.Money(o.Total),
		Version:      o.Version,
		CancelReason: o.CancelReason,
		CreateTime:   timestamppb.New(o.CreatedAt),
		UpdateTime:   timestamppb.New(o.UpdatedAt),
	}
	for _, l := range o.Lines {
		line := &orderv1.OrderLine{Sku: l.SKU, Title: l.Title, Quantity: int32(l.Quantity), UnitPrice: rpc.Money(l.UnitPrice)}
		// Only where it says something: a repeated call is answered as the first one, also by the release before, which has no such field.
		if l.Variant != l.SKU {
			line.VariantId = l.Variant
		}
		out.Lines = append(out.Lines, line)
	}
	return out
}
