package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	catalogv1 "github.com/meridian-commerce/meridian/api/gen/meridian/catalog/v1"
	"github.com/meridian-commerce/meridian/internal/capacity"
	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/shopper"
)

const (
	currency = "EUR"
	password = "correct horse battery"
	patience = 20 * time.Second
)

// callers ask an edge for one kind of request at a time. They are used by several goroutines.
type callers struct {
	run      string
	origin   string
	rt       http.RoundTripper
	received atomic.Int64 // bytes from the edge

	anybody  *shopper.Shopper
	products []*catalogv1.Product
	skus     []string

	mu     sync.Mutex
	people []*person
	orders []placed
}

// person is an account.
type person struct {
	*shopper.Shopper
	email string
}

// placed is an order of somebody's.
type placed struct {
	by *person
	id string
}

func newCallers(origin string) *callers {
	c := &callers{run: fmt.Sprintf("bench-%x", time.Now().UnixMilli()), origin: origin}
	dial := (&net.Dialer{Timeout: 5 * time.Second}).DialContext
	c.rt = shopper.Spread(&http.Transport{MaxIdleConnsPerHost: 64, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		return counted{conn, &c.received}, err
	}})
	c.anybody = c.somebody()
	return c
}

func (c *callers) somebody() *shopper.Shopper {
	s := shopper.New(c.rt, c.origin)
	s.Patience = patience
	return s
}

// counted counts what is read from a connection.
type counted struct {
	net.Conn
	n *atomic.Int64
}

// Read implements net.Conn.
func (c counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.n.Add(int64(n))
	return n, err
}

// look reads what is sold.
func (c *callers) look(ctx context.Context) error {
	var err error
	if c.products, err = c.anybody.Products(ctx); err != nil {
		return err
	}
	c.skus, err = shopper.SKUs(c.products, currency)
	return err
}

func (c *callers) signUp(ctx context.Context, n int) error {
	p := &person{Shopper: c.somebody(), email: fmt.Sprintf("%s-%d@example.com", c.run, n)}
	if err := p.Ask(ctx, shopper.SignUp(p.email, password, "Bench", currency)).Err(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.people = append(c.people, p)
	return nil
}

// empty takes everything out of everybody's cart.
func (c *callers) empty(ctx context.Context) error {
	for _, p := range c.people {
		cart := p.Ask(ctx, shopper.GetCart())
		if err := cart.Err(); err != nil {
			return fmt.Errorf("bench: read a cart: %w", err)
		}
		for sku := range cart.Items {
			if err := p.Ask(ctx, shopper.SetItem(sku, 0, "")).Err(); err != nil {
				return fmt.Errorf("bench: empty a cart: %w", err)
			}
		}
	}
	return nil
}

// itemsOf is how many items the n-th order has: one and two in turns, as the load generator's have on average.
func itemsOf(n int) int { return 1 + n%2 }

// placeOrder fills the cart of a person who does nothing else meanwhile, and orders it.
func (c *callers) placeOrder(ctx context.Context, n int, rng *rand.Rand) error {
	p := c.person(n)
	first := rng.IntN(len(c.skus))
	for i := range itemsOf(n) {
		sku := c.skus[(first+i*len(c.skus)/2)%len(c.skus)]
		if err := p.Ask(ctx, shopper.SetItem(sku, 1, "")).Err(); err != nil {
			return fmt.Errorf("fill the cart: %w", err)
		}
	}
	op := p.Ask(ctx, shopper.PlaceOrder(fmt.Sprintf("%s-%d", c.run, n)))
	if op.Outcome != history.OK {
		return op.Err()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.orders = append(c.orders, placed{p, op.Order})
	return nil
}

func (c *callers) person(n int) *person { return c.people[n%len(c.people)] }

// ask makes the n-th request of a kind.
func (c *callers) ask(ctx context.Context, kind capacity.Request, n int, rng *rand.Rand) error {
	product := func() *catalogv1.Product { return c.products[rng.IntN(len(c.products))] }
	switch kind {
	case capacity.SignUp:
		return c.signUp(ctx, n)
	case capacity.SignIn:
		return c.somebody().Ask(ctx, shopper.SignIn(c.person(n).email, password)).Err() // anybody stays without an account
	case capacity.ListProducts:
		return c.anybody.Ask(ctx, shopper.ListProducts(20)).Err()
	case capacity.GetProduct:
		return c.anybody.Ask(ctx, shopper.GetProduct(product().GetHandle())).Err()
	case capacity.SearchProducts:
		return c.anybody.Ask(ctx, shopper.Search(shopper.Word(product().GetTitle()))).Err()
	case capacity.GetCart:
		return c.person(n).Ask(ctx, shopper.GetCart()).Err()
	case capacity.SetItem:
		return c.person(n).Ask(ctx, shopper.SetItem(c.skus[rng.IntN(len(c.skus))], int32(1+rng.IntN(2)), "")).Err()
	case capacity.PlaceOrder:
		return c.placeOrder(ctx, n, rng)
	case capacity.GetOrder:
		o := c.orders[n%len(c.orders)]
		return o.by.Ask(ctx, shopper.GetOrder(o.id)).Err()
	case capacity.WatchOrder: // one that is fulfilled, so that the stream ends after one message
		o := c.orders[n%len(c.orders)]
		return o.by.Ask(ctx, shopper.WatchOrder(o.id)).Err()
	default:
		return fmt.Errorf("bench: nobody knows how to ask for %s", kind)
	}
}
