package load

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/shopper"
)

// How shoppers behave.
const (
	persistence  = 20 * time.Second // how long one tries again to put an item into the cart or to order
	replayShare  = 0.1              // of orders are sent once more after they were acknowledged
	foreignShare = 0.2              // of looks at an order are at another's
	sharedKey    = 10               // one of so many arrivals has a key that another one has too
	watchingTime = 8 * time.Second
	longestTrip  = 30 * time.Second // but for those who are refused again and again
)

// trip is one journey under way. It is used by one goroutine.
type trip struct {
	*person
	load   *Load
	rng    *rand.Rand
	number int       // of the arrival
	next   time.Time // when the next request is meant to start: the arrival, then as soon as possible
}

// ask makes one request of the trip. Only the first is meant to start when the shopper arrives.
func (t *trip) ask(ctx context.Context, r shopper.Request) history.Op {
	r.Op.Intended = t.next
	t.next = time.Time{}
	return t.Ask(ctx, r)
}

func (t *trip) browse(ctx context.Context) { t.ask(ctx, shopper.ListProducts(20)) }

func (t *trip) viewCart(ctx context.Context) { t.ask(ctx, shopper.GetCart()) }

func (t *trip) viewItem(ctx context.Context) {
	t.ask(ctx, shopper.GetProduct(t.load.store.pick(t.rng).handle))
}

func (t *trip) search(ctx context.Context) {
	t.ask(ctx, shopper.Search(cmp.Or(t.load.store.pick(t.rng).word, "shirt")))
}

// setItem puts something into the cart and says whether it is there. A person who is refused for the moment
// tries again.
func (t *trip) setItem(ctx context.Context) (history.Op, bool) {
	sku := t.load.store.sku(t.rng, t.currency)
	if sku == "" {
		return history.Op{}, false
	}
	op := t.persist(ctx, shopper.SetItem(sku, int32(1+t.rng.IntN(2)), ""))
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
	key := fmt.Sprintf("%s-%d", t.load.run, t.number)
	if t.number%sharedKey == 0 { // which is nobody's business: a key is its user's own
		key = fmt.Sprintf("%s-shared-%d", t.load.run, t.number/sharedKey/2)
	}
	order := shopper.PlaceOrder(key)
	done := t.persist(ctx, order)
	if done.Reason == history.OutOfStock { // start over, another time
		for sku := range cart {
			t.persist(ctx, shopper.SetItem(sku, 0, ""))
		}
	}
	if done.Outcome != history.OK {
		return
	}
	t.remember(bought{t.ID(), key, done.Order})
	t.load.remember(bought{t.ID(), key, done.Order})
	if t.rng.Float64() < replayShare {
		order.Op.Replay = true
		t.ask(ctx, order)
	}
}

// persist makes a request, again and again for a while as long as its outcome is unknown or it was refused
// for the moment only.
func (t *trip) persist(ctx context.Context, r shopper.Request) history.Op {
	var end time.Time
	for attempt := 1; ; attempt++ {
		r.Op.Attempt = attempt
		done := t.ask(ctx, r)
		if attempt == 1 {
			end = done.Invoked.Add(persistence)
		}
		if !again(done) {
			return done
		}
		pause := cmp.Or(done.RetryAfter, min(2*time.Second, 250*time.Millisecond<<min(attempt-1, 3)))
		pause += time.Duration(t.rng.Int64N(int64(pause)/4 + 1)) // so that those who were refused together do not come back together
		if time.Now().Add(pause).After(end) || clock.Sleep(ctx, pause) != nil {
			return done
		}
	}
}

func again(op history.Op) bool { return op.Outcome == history.Info || op.Momentary() }

func (t *trip) viewOrder(ctx context.Context) {
	if other, ok := t.load.ofAnother(t.ID()); ok && t.rng.Float64() < foreignShare {
		t.ask(ctx, foreign(other))
		return
	}
	if id, ok := t.anOrder(t.rng); ok {
		t.ask(ctx, shopper.GetOrder(id))
	} else {
		t.viewCart(ctx)
	}
}

// foreign asks for an order that is another's.
func foreign(order string) shopper.Request {
	r := shopper.GetOrder(order)
	r.Op.Foreign = true
	return r
}

// watch follows an order until it is final or the shopper has seen enough. A stream whose instance goes away is taken up
// anew.
func (t *trip) watch(ctx context.Context) {
	id, ok := t.anOrder(t.rng)
	if !ok {
		t.viewCart(ctx)
		return
	}
	watching, cancel := context.WithTimeout(ctx, watchingTime)
	defer cancel()
	r := shopper.WatchOrder(id)
	for r.Op.Attempt = 1; watching.Err() == nil; r.Op.Attempt++ {
		if done := t.ask(watching, r); done.Reason != history.Draining {
			return
		}
	}
}
