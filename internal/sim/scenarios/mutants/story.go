package mutants

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/internet"
	"github.com/meridian-commerce/meridian/internal/sim/scenario"
	"github.com/meridian-commerce/meridian/internal/sim/shopper"
)

const (
	people  = 5
	rounds  = 2                // of orders, before the last one under shared keys
	stays   = 30 * time.Second // how long one asks again for what was refused for the moment
	watches = 25 * time.Second // longer than an order takes
)

// story is what shoppers do in every run, and what they were told.
type story struct {
	r    *scenario.Run
	city internet.City
	h    history.History
	run  string
	skus []string
	who  []*shopper.Shopper

	mu     sync.Mutex
	placed []placed
	number int
}

// placed is an order that was acknowledged.
type placed struct {
	by         *shopper.Shopper
	key, order string
}

// open signs shoppers up.
func open(ctx context.Context, r *scenario.Run) (*story, error) {
	s := &story{r: r, run: fmt.Sprintf("%d-%x", r.Seed, time.Now().UnixMilli())}
	for _, c := range internet.Cities() {
		if c.Place.City == "Dublin" {
			s.city = c
		}
	}
	first, err := s.visitor()
	if err != nil {
		return nil, err
	}
	products, err := first.Products(ctx)
	if err != nil {
		return nil, err
	}
	if s.skus, err = shopper.SKUs(products, s.city.Currency); err != nil {
		return nil, err
	}
	for range people {
		p, err := s.visitor()
		if err != nil {
			return nil, err
		}
		s.who = append(s.who, p)
	}
	return s, s.together(func(_ int, p *shopper.Shopper) error {
		for try := 0; ; try++ { // with a fresh name, as the outcome of the one before may be unknown
			op := p.Ask(ctx, shopper.SignUpAs(fmt.Sprintf("%s-%d-%d", s.run, p.Number, try), s.city.Currency))
			if op.Outcome == history.OK || try == 5 {
				return op.Err()
			}
		}
	})
}

// visitor returns somebody without an account, at an address of their own.
func (s *story) visitor() (*shopper.Shopper, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.number++
	rt, err := s.r.Net.Caller(s.city.Place.City, s.city.Address(s.number))
	if err != nil {
		return nil, fmt.Errorf("mutants: %w", err)
	}
	p := shopper.New(rt, shopper.Origin)
	p.Number = s.number
	p.City = s.city.Place.City
	p.Nearest = s.r.Net.Nearest(p.City)
	p.History = &s.h
	return p, nil
}

// together has everybody do something at the same time.
func (s *story) together(do func(i int, p *shopper.Shopper) error) error {
	var all errgroup.Group
	for i, p := range s.who {
		all.Go(func() error { return do(i, p) })
	}
	return all.Wait()
}

// persist asks again for as long as the outcome is unknown or it was refused for the moment only.
func persist(ctx context.Context, p *shopper.Shopper, r shopper.Request) history.Op {
	for began := time.Now(); ; {
		r.Op.Attempt++
		op := p.Ask(ctx, r)
		if op.Outcome != history.Info && !op.Momentary() || time.Since(began) > stays {
			return op
		}
		if clock.Sleep(ctx, max(200*time.Millisecond, op.RetryAfter)) != nil {
			return op
		}
	}
}

// order has somebody order something under a key.
func (s *story) order(ctx context.Context, p *shopper.Shopper, key string) error {
	s.mu.Lock()
	s.number++
	sku := s.skus[(s.number*7+int(s.r.Seed))%len(s.skus)]
	s.mu.Unlock()
	if err := persist(ctx, p, shopper.SetItem(sku, 2, "")).Err(); err != nil {
		return err
	}
	p.Ask(ctx, shopper.GetCart())
	op := persist(ctx, p, shopper.PlaceOrder(key))
	if op.Outcome == history.OK {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.placed = append(s.placed, placed{p, key, op.Order})
	}
	return nil // an order that is refused is the checker's to judge
}

// live has everybody order, watch, read, and look for what is others'.
func (s *story) live(ctx context.Context, f fault) error {
	for n := range rounds {
		if err := s.together(func(i int, p *shopper.Shopper) error { return s.order(ctx, p, fmt.Sprintf("%s-%d-%d", s.run, n, i)) }); err != nil {
			return err
		}
	}
	watching, stop := context.WithTimeout(ctx, watches)
	defer stop()
	var watchers sync.WaitGroup
	for _, o := range s.placed {
		watchers.Go(func() { o.by.Ask(watching, shopper.WatchOrder(o.order)) })
	}
	if f != nil {
		if err := f(ctx, s); err != nil {
			return err
		}
	}
	// Neighbors share a key, which is nobody's business but theirs.
	if err := s.together(func(i int, p *shopper.Shopper) error { return s.order(ctx, p, fmt.Sprintf("%s-shared-%d", s.run, i/2)) }); err != nil {
		return err
	}
	s.read(ctx)
	watchers.Wait()
	return nil
}

// read has everybody read their own orders, and one that is not theirs.
func (s *story) read(ctx context.Context) {
	for i, o := range s.placed {
		persist(ctx, o.by, shopper.GetOrder(o.order))
		other := s.placed[(i+1)%len(s.placed)]
		if other.by == o.by {
			continue
		}
		foreign := shopper.GetOrder(other.order)
		foreign.Op.Foreign = true
		o.by.Ask(ctx, foreign)
	}
}

// comeBack has everybody ask anew, once all has settled: for the same orders under the same keys, for their orders and for
// their carts.
func (s *story) comeBack(ctx context.Context) error {
	for _, o := range s.placed {
		again := shopper.PlaceOrder(o.key)
		again.Op.Replay = true
		persist(ctx, o.by, again)
	}
	s.read(ctx)
	for _, p := range s.who {
		persist(ctx, p, shopper.GetCart())
	}
	return nil
}
