package order_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/id"
	"github.com/meridian-commerce/meridian/internal/order"
)

// watched is a watch under way; all of its fields but err are for the bubble's main goroutine.
type watched struct {
	stored *store
	id     string
	sent   chan order.State
	err    chan error
	cancel context.CancelFunc
}

// watch places an order and watches it.
func watch(t *testing.T) *watched {
	t.Helper()
	s, stored := open()
	o, err := s.Place(t.Context(), request("k"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	w := &watched{stored: stored, id: o.ID, sent: make(chan order.State, 10), err: make(chan error, 1), cancel: cancel}
	go func() {
		w.err <- s.Watch(ctx, home, "u", o.ID, func(o order.Order) error {
			w.sent <- o.State
			return nil
		})
	}()
	return w
}

// expect waits for d and checks what was sent in it.
func (w *watched) expect(t *testing.T, d time.Duration, want ...order.State) {
	t.Helper()
	time.Sleep(d)
	synctest.Wait()
	got := []order.State{}
	for len(w.sent) > 0 {
		got = append(got, <-w.sent)
	}
	if diff := cmp.Diff(append([]order.State{}, want...), got); diff != "" {
		t.Error(diff)
	}
}

// ended checks that the watch has ended, with an error as wanted.
func (w *watched) ended(t *testing.T, want error) {
	t.Helper()
	synctest.Wait()
	select {
	case err := <-w.err:
		if !errors.Is(err, want) {
			t.Errorf("the watch ended with %v, want %v", err, want)
		}
	default:
		t.Error("the watch goes on")
		w.cancel()
	}
}

func TestWatchSendsEachChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := watch(t)
		w.expect(t, 0, order.PendingPayment)
		w.expect(t, time.Hour) // nothing changed
		w.stored.move(w.id, order.Confirmed)
		w.expect(t, poll, order.Confirmed)
		w.stored.move(w.id, order.Fulfilled)
		w.expect(t, poll, order.Fulfilled)
		w.ended(t, nil)
	})
}

func TestWatchOfAFinalOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, stored := open()
		o, err := s.Place(t.Context(), request("k"))
		if err != nil {
			t.Fatal(err)
		}
		stored.move(o.ID, order.Canceled)
		sends := 0
		if err := s.Watch(t.Context(), home, "u", o.ID, func(o order.Order) error { sends++; return nil }); err != nil || sends != 1 {
			t.Errorf("%d sends, %v", sends, err)
		}
	})
}

// The database is away for an hour, in which two changes happen: they arrive as one.
func TestWatchOutlivesTheDatabase(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := watch(t)
		w.expect(t, 0, order.PendingPayment)
		w.stored.fail(int(time.Hour / poll))
		w.stored.move(w.id, order.Confirmed, order.Fulfilled)
		w.expect(t, time.Hour)
		w.expect(t, poll, order.Fulfilled)
		w.ended(t, nil)
	})
}

func TestWatchRetriesTheReadOfAChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := watch(t)
		w.expect(t, 0, order.PendingPayment)
		for failures := range 3 {
			w.stored.fail(failures)
			w.stored.move(w.id, order.Confirmed)
			w.expect(t, 4*poll, order.Confirmed)
		}
		w.cancel()
		w.ended(t, context.Canceled)
	})
}

func TestWatchEndsWithItsCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := watch(t)
		w.expect(t, poll/2, order.PendingPayment)
		w.cancel()
		w.ended(t, context.Canceled)
	})
}

func TestWatchEndsWhenNobodyListens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, _ := open()
		o, err := s.Place(t.Context(), request("k"))
		if err != nil {
			t.Fatal(err)
		}
		gone := errors.New("broken pipe")
		if err := s.Watch(t.Context(), home, "u", o.ID, func(order.Order) error { return gone }); !errors.Is(err, gone) {
			t.Errorf("got %v", err)
		}
	})
}

func TestWatchRefuses(t *testing.T) {
	t.Parallel()
	s, stored := open()
	send := func(order.Order) error { t.Error("something was sent"); return nil }
	if err := s.Watch(t.Context(), home, "u", id.New(id.Order, "eu1"), send); !fault.Is(err, fault.NotFound) {
		t.Errorf("an unknown order: %v", err)
	}
	o, err := s.Place(t.Context(), request("k"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Watch(t.Context(), home, "v", o.ID, send); !fault.Is(err, fault.NotFound) {
		t.Errorf("another user's order: %v", err)
	}
	stored.fail(1)
	if err := s.Watch(t.Context(), home, "u", o.ID, send); !errors.Is(err, errDown) {
		t.Errorf("a store that is down at the start: %v", err)
	}
}
