package order_test

import (
	"context"
	"sync"
	"time"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/order"
	"github.com/meridian-commerce/meridian/regions"
)

var (
	errDown = fault.New(fault.Unavailable, "DATABASE_UNREACHABLE", "please retry")
	errLost = fault.New(fault.Ambiguous, "COMMIT_AMBIGUOUS", "retry with the same key")
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)

// store is an order.Store in memory that can fail as databases do.
type store struct {
	mu       sync.Mutex
	orders   map[string]order.Order
	byKey    map[string]order.Placement // by user and key
	places   []order.Placement          // every call of Place
	lookups  int                        // calls of Placed
	lost     bool                       // Place commits, and its answer is lost
	hidden   int                        // so many calls of Placed find nothing yet
	down     error                      // what every call but Place returns
	newer    int                        // calls of Newer
	downOnce int                        // so many calls of Newer or Find fail
	total    money.Money                // of every order
}

func newStore() *store {
	return &store{orders: map[string]order.Order{}, byKey: map[string]order.Placement{}}
}

func (s *store) Place(_ context.Context, p order.Placement) (order.Order, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.places = append(s.places, p)
	if o, err := s.replay(p); err == nil || fault.Is(err, fault.Mismatch) {
		return o, err
	}
	o := order.Order{ID: p.ID, Home: p.Home, UserID: p.UserID, State: order.PendingPayment, Version: 1, Total: s.total, CreatedAt: now, UpdatedAt: now}
	s.orders[o.ID], s.byKey[p.UserID+" "+p.Key] = o, p
	if s.lost {
		return order.Order{}, errLost
	}
	return o, nil
}

func (s *store) Placed(_ context.Context, p order.Placement) (order.Order, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lookups++; s.lookups <= s.hidden {
		return order.Order{}, order.ErrNotFound
	}
	if s.down != nil {
		return order.Order{}, s.down
	}
	return s.replay(p)
}

func (s *store) replay(p order.Placement) (order.Order, error) {
	first, used := s.byKey[p.UserID+" "+p.Key]
	switch {
	case !used:
		return order.Order{}, order.ErrNotFound
	case first.RequestHash != p.RequestHash:
		return order.Order{}, fault.New(fault.Mismatch, "IDEMPOTENCY_KEY_REUSED", "use a fresh key")
	}
	return s.orders[first.ID], nil
}

// failing reports the error of a read, and counts it.
func (s *store) failing() error {
	if s.downOnce > 0 {
		s.downOnce--
		return errDown
	}
	return s.down
}

func (s *store) Find(_ context.Context, home regions.Name, orderID string) (order.Order, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.failing(); err != nil {
		return order.Order{}, err
	}
	o, ok := s.orders[orderID]
	if !ok || o.Home != home {
		return order.Order{}, order.ErrNotFound
	}
	return o, nil
}

func (s *store) Newer(_ context.Context, home regions.Name, known map[string]int64) ([]order.Order, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.newer++
	if err := s.failing(); err != nil {
		return nil, err
	}
	var out []order.Order
	for orderID, version := range known {
		if o, ok := s.orders[orderID]; ok && o.Home == home && o.Version > version {
			out = append(out, o)
		}
	}
	return out, nil
}

// Page returns orders that differ by their number alone, newest first, as if there were 7.
func (s *store) Page(_ context.Context, home regions.Name, userID string, before order.Cursor, limit int) ([]order.Order, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return nil, s.down
	}
	var out []order.Order
	for i := 7; i > 0 && len(out) < limit; i-- {
		o := order.Order{ID: string(rune('0' + i)), Home: home, UserID: userID, CreatedAt: now.Add(time.Duration(i) * time.Minute)}
		if before.ID == "" || o.CreatedAt.Before(before.CreatedAt) {
			out = append(out, o)
		}
	}
	return out, nil
}

// move changes an order's state as the payment room does.
func (s *store) move(orderID string, to ...order.State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.orders[orderID]
	for _, state := range to {
		o.State, o.Version = state, o.Version+1
	}
	s.orders[orderID] = o
}

// rewind puts an order back into its first version.
func (s *store) rewind(orderID string, to order.State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.orders[orderID]
	o.State, o.Version = to, 1
	s.orders[orderID] = o
}

// calls returns how often Newer was called.
func (s *store) calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.newer
}

// fail makes the next n reads fail.
func (s *store) fail(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.downOnce = n
}

// feed is an order.Feed that a test breaks and mends.
type feed struct {
	mu     sync.Mutex
	away   bool
	lost   chan struct{} // closed when the one who follows loses it
	follow func(orderID string)
}

func (f *feed) Publish(_ context.Context, orderID string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.follow != nil {
		f.follow(orderID)
	}
}

func (f *feed) Follow(ctx context.Context, ready func(), changed func(orderID string)) error {
	f.mu.Lock()
	if f.away {
		f.mu.Unlock()
		return errDown
	}
	lost := make(chan struct{})
	f.lost, f.follow = lost, changed
	f.mu.Unlock()
	ready()
	select {
	case <-lost:
		return errDown
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lose takes the feed away.
func (f *feed) lose() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.away = true
	f.follow = nil
	if f.lost != nil {
		close(f.lost)
		f.lost = nil
	}
}

// mend brings the feed back.
func (f *feed) mend() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.away = false
}
