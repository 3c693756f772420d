package load

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"google.golang.org/protobuf/proto"

	cartv1 "github.com/meridian-commerce/meridian/api/gen/meridian/cart/v1"
	catalogv1 "github.com/meridian-commerce/meridian/api/gen/meridian/catalog/v1"
	orderv1 "github.com/meridian-commerce/meridian/api/gen/meridian/order/v1"
	"github.com/meridian-commerce/meridian/internal/sim/history"
)

// How shoppers behave.
const (
	persistence  = 20 * time.Second // how long one tries again to put an item into the cart or to order
	replayShare  = 0.1              // of orders are sent once more after they were acknowledged
	watchingTime = 8 * time.Second
)

// trip is one journey under way. It is used by one goroutine.
type trip struct {
	*shopper
	rng    *rand.Rand
	number int       // of the arrival
	next   time.Time // when the next request is meant to start: the arrival, then as soon as possible
}

// ask makes one request of the trip.
func (t *trip) ask(ctx context.Context, op history.Op, header http.Header, do func(context.Context, *history.Op) error) history.Op {
	op.Intended, t.next = t.next, time.Time{}
	return t.call(ctx, op, header, do)
}

func (t *trip) browse(ctx context.Context) {
	t.ask(ctx, history.Op{Kind: history.List}, nil, func(ctx context.Context, _ *history.Op) error {
		_, err := t.catalog.ListProducts(ctx, &catalogv1.ListProductsRequest{PageSize: 20})
		return err
	})
}

func (t *trip) viewItem(ctx context.Context) {
	handle := t.store.pick(t.rng).handle
	t.ask(ctx, history.Op{Kind: history.Product}, nil, func(ctx context.Context, _ *history.Op) error {
		_, err := t.catalog.GetProduct(ctx, &catalogv1.GetProductRequest{Handle: handle})
		return err
	})
}

func (t *trip) search(ctx context.Context) {
	query := cmp.Or(t.store.pick(t.rng).word, "shirt")
	t.ask(ctx, history.Op{Kind: history.Search}, nil, func(ctx context.Context, _ *history.Op) error {
		_, err := t.catalog.SearchProducts(ctx, &catalogv1.SearchProductsRequest{Query: query})
		return err
	})
}

func (t *trip) viewCart(ctx context.Context) {
	t.ask(ctx, history.Op{Kind: history.GetCart}, nil, func(ctx context.Context, op *history.Op) error {
		answer, err := t.cart.GetCart(ctx, &cartv1.GetCartRequest{})
		op.Items = cartItems(answer.GetCart())
		return err
	})
}

// setItem puts something into the cart and says whether it is there. A person who is refused for the moment
// tries again.
func (t *trip) setItem(ctx context.Context) (history.Op, bool) {
	sku := t.store.sku(t.rng, t.city.Currency)
	if sku == "" {
		return history.Op{}, false
	}
	return t.set(ctx, sku, int32(1+t.rng.IntN(2)))
}

func (t *trip) set(ctx context.Context, sku string, units int32) (history.Op, bool) {
	op := t.persist(ctx, history.Op{Kind: history.SetItem, SKU: sku, Units: units}, nil, func(ctx context.Context, op *history.Op) error {
		answer, err := t.cart.SetItem(ctx, &cartv1.SetItemRequest{Sku: sku, Quantity: units})
		op.Items = cartItems(answer.GetCart())
		return err
	})
	return op, op.Outcome == history.OK
}

// checkout fills the cart and orders it.
func (t *trip) checkout(ctx context.Context) {
	var cart map[string]int32
	for range 1 + t.rng.IntN(2) {
		set, ok := t.setItem(ctx)
		if !ok {
			return
		}
		cart = set.Items
	}
	op := history.Op{Kind: history.PlaceOrder, Key: fmt.Sprintf("%s-%d", t.run, t.number)}
	header := http.Header{"Idempotency-Key": {op.Key}}
	place := func(ctx context.Context, op *history.Op) error {
		answer, err := t.order.PlaceOrder(ctx, &orderv1.PlaceOrderRequest{})
		if err == nil {
			note(op, answer.GetOrder())
			op.Digest, op.Total = digest(answer), answer.GetOrder().GetTotal().GetMinorUnits()
			op.Items = map[string]int32{}
			for _, line := range answer.GetOrder().GetLines() {
				op.Items[line.GetSku()] += line.GetQuantity()
			}
		}
		return err
	}
	done := t.persist(ctx, op, header, place)
	if done.Reason == history.OutOfStock { // start over, another time
		for sku := range cart {
			t.set(ctx, sku, 0)
		}
	}
	if done.Outcome != history.OK {
		return
	}
	t.remember(done.Order)
	if t.rng.Float64() < replayShare {
		op.Replay = true
		t.ask(ctx, op, header, place)
	}
}

// persist makes a request, again and again for a while as long as its outcome is unknown or it was refused
// for the moment only.
func (t *trip) persist(ctx context.Context, op history.Op, header http.Header, do func(context.Context, *history.Op) error) history.Op {
	var end time.Time
	for attempt := 1; ; attempt++ {
		op.Attempt = attempt
		done := t.ask(ctx, op, header, do)
		if attempt == 1 {
			end = done.Invoked.Add(persistence)
		}
		if !again(done) {
			return done
		}
		pause := cmp.Or(done.RetryAfter, min(2*time.Second, 250*time.Millisecond<<min(attempt-1, 3)))
		pause += time.Duration(t.rng.Int64N(int64(pause)/4 + 1))
		if time.Now().Add(pause).After(end) {
			return done
		}
		select {
		case <-ctx.Done():
			return done
		case <-time.After(pause):
		}
	}
}

func again(op history.Op) bool {
	switch {
	case op.Outcome == history.OK:
		return false
	case op.Outcome == history.Info:
		return true
	default:
		return op.Code == "unavailable" || op.Code == "resource_exhausted" || op.Code == "aborted"
	}
}

func (t *trip) viewOrder(ctx context.Context) {
	id, ok := t.anOrder(t.rng)
	if !ok {
		t.viewCart(ctx)
		return
	}
	t.ask(ctx, history.Op{Kind: history.GetOrder, Order: id}, nil, func(ctx context.Context, op *history.Op) error {
		answer, err := t.order.GetOrder(ctx, &orderv1.GetOrderRequest{Id: id})
		if err == nil {
			note(op, answer.GetOrder())
		}
		return err
	})
}

// watch follows an order until it is final or the shopper has seen enough. Every message is an Op of its
// own, answered between the stream's start and its arrival. A stream whose instance goes away is taken up anew.
func (t *trip) watch(ctx context.Context) {
	id, ok := t.anOrder(t.rng)
	if !ok {
		t.viewCart(ctx)
		return
	}
	watching, cancel := context.WithTimeout(ctx, watchingTime)
	defer cancel()
	op := history.Op{Kind: history.Watch, Order: id, Intended: t.next}
	for op.Attempt = 1; watching.Err() == nil; op.Attempt++ {
		if done := t.watchOnce(watching, op); done.Reason != history.Draining {
			return
		}
		op.Intended = time.Time{}
	}
}

func (t *trip) watchOnce(watching context.Context, op history.Op) history.Op {
	id := op.Order
	return t.record(watching, op, nil, func(ctx context.Context, op *history.Op) error {
		stream, err := t.order.WatchOrder(ctx, &orderv1.WatchOrderRequest{Id: id})
		if err != nil {
			return enough(watching, err)
		}
		defer func() { _ = stream.Close() }()
		for stream.Receive() {
			note(op, stream.Msg().GetOrder())
			seen := *op
			seen.Kind, seen.Returned, seen.Outcome = history.WatchMessage, time.Now(), history.OK
			t.history.Add(seen)
		}
		return enough(watching, stream.Err())
	})
}

// enough forgives a stream that was cut off by the shopper's own time-out, which the server knows too.
func enough(watching context.Context, err error) error {
	if end, _ := watching.Deadline(); time.Until(end) > time.Second/2 {
		return err
	}
	return nil
}

// note takes an order's state into an Op.
func note(op *history.Op, o *orderv1.Order) {
	op.Order, op.State, op.Version = o.GetId(), stateName(o.GetState()), o.GetVersion()
}

// stateName returns a state as the rows have it: pending_payment, confirmed, fulfilled, canceled.
func stateName(s orderv1.OrderState) string {
	switch s {
	case orderv1.OrderState_ORDER_STATE_PENDING_PAYMENT:
		return "pending_payment"
	case orderv1.OrderState_ORDER_STATE_CONFIRMED:
		return "confirmed"
	case orderv1.OrderState_ORDER_STATE_FULFILLED:
		return "fulfilled"
	case orderv1.OrderState_ORDER_STATE_CANCELED:
		return "canceled"
	default:
		return "unspecified"
	}
}

func cartItems(c *cartv1.Cart) map[string]int32 {
	if c == nil {
		return nil
	}
	out := make(map[string]int32, len(c.GetItems()))
	for _, i := range c.GetItems() {
		out[i.GetSku()] += i.GetQuantity()
	}
	return out
}

// digest fingerprints an answer, so that a replay can be compared with it field by field.
func digest(m proto.Message) string {
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return "unmarshalable: " + err.Error()
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:8])
}
