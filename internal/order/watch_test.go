package order_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/id"
	"github.com/meridian-commerce/meridian/internal/order"
	"github.com/meridian-commerce/meridian/regions"
)

// watched is a watch under way; all of its fields but err are for the bubble's main goroutine.
type watched struct {
	service *order.Service
	stored  *store
	feed    *feed
	id      string
	sent    chan order.State
	err     chan error
	cancel  context.CancelFunc
}

// watch places an order and watches it, with a feed or without one.
func watch(t *testing.T, f *feed) *watched {
	t.Helper()
	stored := newStore()
	service, watchers := serve(stored, f)
	running, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	go watchers.Run(running)
	o, err := service.Place(t.Context(), request("k"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	w := &watched{
		service: service, stored: stored, feed: f, id: o.ID, sent: make(chan order.State, 10), err: make(chan error, 1), cancel: cancel,
	}
	synctest.Wait() // until the feed is followed
	go func() {
		w.err <- service.Watch(ctx, home, "u", o.ID, func(o order.Order) error {
			w.sent <- o.State
			return nil
		})
	}()
	return w
}

// change moves the order and has the feed say so.
func (w *watched) change(t *testing.T, to ...order.State) {
	t.Helper()
	w.stored.move(w.id, to...)
	w.feed.Publish(t.Context(), w.id)
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

// sweep is how long a change can go unnoticed that the feed has lost.
const sweep = 2 * time.Second

func TestWatchSendsEachChange(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		away   bool
		within time.Duration
	}{"the feed is there": {false, 0}, "the feed is away": {true, poll}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := watch(t, &feed{away: c.away})
				w.expect(t, 0, order.PendingPayment)
				w.expect(t, time.Hour) // nothing changed
				w.change(t, order.Confirmed)
				w.expect(t, c.within, order.Confirmed)
				w.change(t, order.Fulfilled)
				w.expect(t, c.within, order.Fulfilled)
				w.ended(t, nil)
			})
		})
	}
}

// A change that the feed lost, or that another region made, arrives late.
func TestWatchOfALostChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, &feed{})
		w.expect(t, time.Hour, order.PendingPayment)
		w.stored.move(w.id, order.Confirmed)
		w.expect(t, sweep, order.Confirmed)
		w.cancel()
		w.ended(t, context.Canceled)
	})
}

// Whatever is published while nobody follows is found once the feed is gone and once it is back.
func TestWatchAcrossALossOfTheFeed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, &feed{})
		w.expect(t, time.Hour, order.PendingPayment)
		w.feed.lose()
		w.change(t, order.Confirmed)
		w.expect(t, poll, order.Confirmed)
		w.feed.mend()
		w.expect(t, sweep)
		w.change(t, order.Fulfilled)
		w.expect(t, 0, order.Fulfilled)
		w.ended(t, nil)
	})
}

// The order changes after the watcher has read it and before anything else happens.
func TestWatchMissesNoChangeWhileItBegins(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &feed{}
		stored := newStore()
		racing := &changedAfterFind{store: stored}
		service, watchers := serve(racing, f)
		ctx, stop := context.WithCancel(t.Context())
		go watchers.Run(ctx)
		o, err := service.Place(t.Context(), request("k"))
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		racing.after = func() {
			stored.move(o.ID, order.Confirmed)
			f.Publish(t.Context(), o.ID)
			synctest.Wait() // the reader of named orders is done with it
		}
		var got []order.State
		begun := time.Now()
		enough := errors.New("enough")
		err = service.Watch(ctx, home, "u", o.ID, func(o order.Order) error {
			if got = append(got, o.State); len(got) == 2 {
				return enough
			}
			return nil
		})
		if diff := cmp.Diff([]order.State{order.PendingPayment, order.Confirmed}, got); !errors.Is(err, enough) || diff != "" || time.Since(begun) > 0 {
			t.Errorf("after %v: %v\n%s", time.Since(begun), err, diff)
		}
		stop()
	})
}

// changedAfterFind is a store whose order changes right after it was read for the first time.
type changedAfterFind struct {
	*store
	after func()
}

func (s *changedAfterFind) Find(ctx context.Context, home regions.Name, orderID string) (order.Order, error) {
	o, err := s.store.Find(ctx, home, orderID)
	if after := s.after; after != nil {
		s.after = nil
		after()
	}
	return o, err
}

// A watcher that does not read what it is sent misses states in between, and holds up nobody.
func TestASlowWatcherIsAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, &feed{})
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		blocked := make(chan struct{})
		var slow []order.State
		done := make(chan error, 1)
		go func() {
			done <- w.service.Watch(ctx, home, "u", w.id, func(o order.Order) error {
				slow = append(slow, o.State)
				<-blocked
				return nil
			})
		}()
		w.expect(t, 0, order.PendingPayment)
		w.change(t, order.Confirmed)
		w.expect(t, 0, order.Confirmed)
		w.change(t, order.Fulfilled)
		w.expect(t, 0, order.Fulfilled)
		w.ended(t, nil)
		close(blocked)
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(time.Hour):
			t.Error("the slow watcher was not sent the end")
		}
		if diff := cmp.Diff([]order.State{order.PendingPayment, order.Fulfilled}, slow); diff != "" {
			t.Error(diff)
		}
	})
}

// A database that was put back to an earlier point has older versions, which nobody is sent.
func TestWatchNeverGoesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, &feed{})
		w.expect(t, 0, order.PendingPayment)
		w.change(t, order.Confirmed)
		w.expect(t, 0, order.Confirmed)
		w.stored.rewind(w.id, order.PendingPayment)
		w.feed.Publish(t.Context(), w.id)
		w.expect(t, time.Hour)
		w.change(t, order.Confirmed, order.Fulfilled)
		w.expect(t, 0, order.Fulfilled)
		w.ended(t, nil)
	})
}

// However many watch, the store is asked as often as for one.
func TestWatchersShareTheirReads(t *testing.T) {
	t.Parallel()
	reads := func(t *testing.T, f *feed, watchers int) (n int) {
		synctest.Test(t, func(t *testing.T) {
			w := watch(t, f)
			ctx, cancel := context.WithCancel(t.Context())
			for i := range watchers - 1 {
				o, err := w.service.Place(ctx, request(fmt.Sprint("other", i)))
				if err != nil {
					t.Fatal(err)
				}
				go func() {
					_ = w.service.Watch(ctx, home, "u", o.ID, func(order.Order) error { return nil }) // ends with ctx
				}()
			}
			time.Sleep(time.Minute)
			w.change(t, order.Confirmed)
			synctest.Wait()
			n = w.stored.calls()
			cancel()
			w.cancel()
		})
		return n
	}
	for name, c := range map[string]struct {
		away bool
		most int
	}{"the feed is there": {false, int(time.Minute/sweep) + 3}, "the feed is away": {true, int(time.Minute/poll) + 3}} {
		one, thousand := reads(t, &feed{away: c.away}, 1), reads(t, &feed{away: c.away}, 1000)
		if one != thousand || one > c.most || one < c.most-5 {
			t.Errorf("%s: one watcher makes %d reads a minute, 1,000 make %d; want %d at most", name, one, thousand, c.most)
		}
	}
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
		w := watch(t, &feed{away: true})
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
		w := watch(t, &feed{away: true})
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
		w := watch(t, &feed{away: true})
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
