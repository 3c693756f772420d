package shoptest

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"time"

	"connectrpc.com/connect"

	moneyv1 "github.com/meridian-commerce/meridian/api/gen/meridian/money/v1"
	orderv1 "github.com/meridian-commerce/meridian/api/gen/meridian/order/v1"
	"github.com/meridian-commerce/meridian/api/gen/meridian/order/v1/orderv1connect"
	"github.com/meridian-commerce/meridian/regions"
)

// What everything costs, and how long an order takes to be confirmed and to be fulfilled.
const (
	price        = 1250
	confirmAfter = 200 * time.Millisecond
	fulfillAfter = 2 * time.Second
)

// struck reports whether a bug strikes the n-th order.
func struck(n int) bool { return n%5 == 4 }

type order struct {
	number    int
	id        string
	user      string
	home      regions.Name
	key       string
	lines     map[string]int32
	placed    time.Time
	version   int64
	reads     int
	forgotten bool // acknowledged, but not kept
	stuck     bool
	captures  int
}

// advance takes the order as far as it got by then.
func (o *order) advance(now time.Time) {
	age := now.Sub(o.placed)
	switch {
	case o.stuck:
	case age > fulfillAfter:
		o.version = 3
	case age > confirmAfter:
		o.version = 2
	}
}

func (o *order) state() string {
	return [...]string{"", "pending_payment", "confirmed", "fulfilled"}[o.version]
}

func (o *order) total() int64 {
	units := int64(0)
	for _, n := range o.lines {
		units += int64(n)
	}
	return units * price
}

func (o *order) proto(version int64) *orderv1.Order {
	out := &orderv1.Order{
		Id: o.id, Version: version, State: orderv1.OrderState(version),
		Total: &moneyv1.Money{MinorUnits: o.total(), Currency: "USD"},
	}
	for _, i := range cartProto(o.lines, 0).GetItems() {
		out.Lines = append(out.Lines, &orderv1.OrderLine{Sku: i.GetSku(), Quantity: i.GetQuantity()})
	}
	return out
}

type orders struct {
	orderv1connect.UnimplementedOrderServiceHandler
	shop *Shop
}

func (h orders) PlaceOrder(ctx context.Context, _ *orderv1.PlaceOrderRequest) (*orderv1.PlaceOrderResponse, error) {
	s := h.shop
	s.mu.Lock()
	defer s.mu.Unlock()
	u, err := s.caller(ctx)
	if err != nil {
		return nil, err
	}
	info, _ := connect.CallInfoForHandlerContext(ctx)
	key := info.RequestHeader().Get("Idempotency-Key")
	lines := maps.Clone(u.cart)
	for _, o := range s.orders {
		if o.key != key || o.user != u.proto.GetId() && s.Bug != SharesKeys {
			continue
		}
		o.advance(time.Now())
		switch {
		case s.Bug == ChangesAnswers:
			return &orderv1.PlaceOrderResponse{Order: o.proto(3)}, nil
		case s.Bug == IgnoresKeys:
			lines = o.lines
		default:
			return &orderv1.PlaceOrderResponse{Order: o.proto(1)}, nil
		}
	}
	if len(lines) == 0 {
		return nil, refuse(connect.CodeFailedPrecondition, "CART_EMPTY")
	}
	o := s.place(u, key, lines)
	if s.Bug == KeepsRefused && struck(o.number) {
		return nil, refuse(connect.CodeFailedPrecondition, "SKU_NOT_SOLD")
	}
	if s.Bug != KeepsCarts {
		u.before = u.cart
		u.cart = map[string]int32{}
	}
	return &orderv1.PlaceOrderResponse{Order: o.proto(1)}, nil
}

func (s *Shop) place(u *user, key string, lines map[string]int32) *order {
	o := &order{
		number: len(s.orders), id: "ord" + strconv.Itoa(len(s.orders)), user: u.proto.GetId(), home: regions.Name(u.proto.GetHomeRegion()),
		key: key, lines: lines, placed: time.Now(), version: 1, captures: 1,
	}
	if struck(o.number) {
		switch s.Bug {
		case ForgetsOrders:
			o.forgotten = true
		case CapturesTwice:
			o.captures = 2
		case CapturesNothing:
			o.captures = 0
		case ForgetsEvents:
			o.stuck = true
			o.captures = 0
		default: // strikes elsewhere
		}
	}
	s.orders = append(s.orders, o)
	return o
}

// read returns an order as it is now; the shop's lock is held.
func (s *Shop) read(id string) (*orderv1.Order, error) {
	for _, o := range s.orders {
		if o.id != id {
			continue
		}
		o.advance(time.Now())
		version := o.version
		if o.reads++; s.Bug == GoesBack && o.reads%2 == 0 && version > 1 {
			version--
		}
		return o.proto(version), nil
	}
	return nil, refuse(connect.CodeNotFound, "ORDER_NOT_FOUND")
}

func (h orders) GetOrder(ctx context.Context, req *orderv1.GetOrderRequest) (*orderv1.GetOrderResponse, error) {
	s := h.shop
	s.mu.Lock()
	defer s.mu.Unlock()
	u, err := s.caller(ctx)
	if err != nil {
		return nil, err
	}
	s.asked++
	for _, o := range s.orders {
		foreign := o.user != u.proto.GetId() && s.Bug != ShowsOrders
		if o.id == req.GetId() && (foreign || s.Bug == RefusesOrders && struck(s.asked)) {
			return nil, refuse(connect.CodeNotFound, "ORDER_NOT_FOUND")
		}
	}
	o, err := s.read(req.GetId())
	return &orderv1.GetOrderResponse{Order: o}, err
}

func (h orders) WatchOrder(ctx context.Context, req *orderv1.WatchOrderRequest, stream *connect.ServerStream[orderv1.WatchOrderResponse]) error {
	for sent := int64(0); sent < 3; {
		h.shop.mu.Lock()
		o, err := h.shop.read(req.GetId())
		h.shop.mu.Unlock()
		if err != nil {
			return err
		}
		if o.GetVersion() != sent {
			sent = o.GetVersion()
			if err := stream.Send(&orderv1.WatchOrderResponse{Order: o}); err != nil {
				return fmt.Errorf("shoptest: send: %w", err)
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}
