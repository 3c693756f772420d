package order_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/id"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/order"
	"github.com/meridian-commerce/meridian/regions"
)

const (
	home regions.Name = "eu-west-1"
	poll              = 200 * time.Millisecond
)

func open() (*order.Service, *store) {
	s := newStore()
	service, _ := serve(s, &feed{away: true})
	return service, s
}

// serve returns a service over a store, and its watchers.
func serve(s order.Store, f order.Feed) (*order.Service, *order.Watchers) {
	w := order.NewWatchers(s, f, regions.Default(), slog.New(slog.DiscardHandler))
	return order.New(s, regions.Default(), w), w
}

func request(key string) order.Request {
	return order.Request{Home: home, UserID: "u", Currency: "EUR", Key: key, CartEtag: "v3", ExpectedTotal: money.Money{Minor: 100, Currency: "EUR"}}
}

func TestPlace(t *testing.T) {
	t.Parallel()
	s, stored := open()
	o, err := s.Place(t.Context(), request("k"))
	if err != nil || o.State != order.PendingPayment || o.Replayed {
		t.Fatalf("got %+v, %v", o, err)
	}
	p := stored.places[0]
	want := order.Placement{
		ID: o.ID, EventID: p.EventID, Home: home, UserID: "u", Currency: "EUR", Key: "k", RequestHash: p.RequestHash, CartEtag: "v3",
		ExpectedTotal: money.Money{Minor: 100, Currency: "EUR"},
	}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Error(diff)
	}
	for kind, one := range map[id.Kind]string{id.Order: p.ID, id.Event: p.EventID} {
		if at, err := id.Home(regions.Default(), kind, one); err != nil || at != home {
			t.Errorf("%s is of %s, %v", one, at, err)
		}
	}
	again, err := s.Place(t.Context(), request("k"))
	if diff := cmp.Diff(o.Order, again.Order); err != nil || diff != "" || !again.Replayed || len(stored.orders) != 1 {
		t.Errorf("repeated: %v, replayed: %t; %d orders\n%s", err, again.Replayed, len(stored.orders), diff)
	}
}

// A key stands for one request: whatever of it differs makes another one.
func TestKeyStandsForOneRequest(t *testing.T) {
	t.Parallel()
	s, stored := open()
	if _, err := s.Place(t.Context(), request("k")); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*order.Request){
		"etag":     func(r *order.Request) { r.CartEtag = "v4" },
		"no etag":  func(r *order.Request) { r.CartEtag = "" },
		"amount":   func(r *order.Request) { r.ExpectedTotal.Minor++ },
		"currency": func(r *order.Request) { r.ExpectedTotal.Currency = "USD" },
		"no total": func(r *order.Request) { r.ExpectedTotal = money.Money{} },
		"shifted":  func(r *order.Request) { r.CartEtag, r.ExpectedTotal.Minor = `v3" 1`, 0 },
	} {
		r := request("k")
		change(&r)
		if o, err := s.Place(t.Context(), r); !fault.Is(err, fault.Mismatch) || o.ID != "" {
			t.Errorf("another %s: %+v, %v", name, o, err)
		}
	}
	other := request("k")
	other.UserID = "v"
	if _, err := s.Place(t.Context(), other); err != nil || len(stored.orders) != 2 {
		t.Errorf("another user's key: %v; %d orders", err, len(stored.orders))
	}
}

func TestPlaceChecksTheKey(t *testing.T) {
	t.Parallel()
	s, stored := open()
	for key, reason := range map[string]string{
		"":                       "IDEMPOTENCY_KEY_MISSING",
		strings.Repeat("k", 256): "IDEMPOTENCY_KEY_INVALID",
		"two words":              "IDEMPOTENCY_KEY_INVALID",
		"tab\t":                  "IDEMPOTENCY_KEY_INVALID",
		"nul\x00":                "IDEMPOTENCY_KEY_INVALID",
		"schlüssel":              "IDEMPOTENCY_KEY_INVALID",
		"del\x7f":                "IDEMPOTENCY_KEY_INVALID",
	} {
		if _, err := s.Place(t.Context(), request(key)); fault.Reason(err) != reason || !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", key, err)
		}
	}
	if len(stored.places) != 0 {
		t.Errorf("the store was asked: %v", stored.places)
	}
	for _, key := range []string{"k", strings.Repeat("k", 255), `!"#$%&'()*+,-./:;<=>?@[\]^_{|}~`, "0b9c1a52-7a4e-4a2b-9d7f-2f1f4f8a6d11"} {
		if _, err := s.Place(t.Context(), request(key)); err != nil {
			t.Errorf("%q: %v", key, err)
		}
	}
}

// The answer of a COMMIT is lost. The key tells what became of it, and nothing is placed a second time.
func TestPlaceResolvesALostAnswer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		hidden int // lookups that come before the commit can be seen
		down   error
		ok     bool
		waits  time.Duration
	}{
		"committed":          {0, nil, true, 0},
		"committed late":     {2, nil, true, 2 * poll},
		"not seen":           {99, nil, false, 3 * poll},
		"the store is gone":  {0, errDown, false, 3 * poll},
		"late, and then not": {1, errDown, false, 3 * poll},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, stored := open()
			stored.lost, stored.hidden, stored.down = true, c.hidden, c.down
			began := time.Now()
			o, err := s.Place(t.Context(), request("k"))
			if c.ok && (err != nil || o.ID != stored.places[0].ID || o.Replayed) {
				t.Errorf("%s: %+v, %v", name, o, err)
			}
			if !c.ok && (!errors.Is(err, errLost) || o.ID != "") {
				t.Errorf("%s: %+v, %v; want that nobody knows", name, o, err)
			}
			if took := time.Since(began); took > c.waits {
				t.Errorf("%s: took %s, want %s at most", name, took, c.waits)
			}
			if len(stored.places) != 1 {
				t.Errorf("%s: placed %d times", name, len(stored.places))
			}
		})
	}
}

func TestPlaceResolvesToAnotherRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, stored := open()
		if _, err := s.Place(t.Context(), request("k")); err != nil {
			t.Fatal(err)
		}
		other := request("k")
		other.CartEtag = "v9"
		// The answer to a second request with the key is lost, and the lookup finds the first.
		lossy := order.New(lostAnswers{stored}, regions.Default(), nil)
		if _, err := lossy.Place(t.Context(), other); !fault.Is(err, fault.Mismatch) {
			t.Errorf("got %v", err)
		}
	})
}

// lostAnswers loses every answer of Place.
type lostAnswers struct{ *store }

func (lostAnswers) Place(context.Context, order.Placement) (order.Order, error) {
	return order.Order{}, errLost
}

func TestPlaceStopsResolvingWithItsCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, stored := open()
		stored.lost, stored.hidden = true, 99
		ctx, cancel := context.WithTimeout(t.Context(), poll/2)
		defer cancel()
		if _, err := s.Place(ctx, request("k")); !errors.Is(err, errLost) || stored.lookups != 1 {
			t.Errorf("got %v after %d lookups", err, stored.lookups)
		}
	})
}

func TestOrder(t *testing.T) {
	t.Parallel()
	s, stored := open()
	o, err := s.Place(t.Context(), request("k"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Order(t.Context(), home, "u", o.ID)
	if diff := cmp.Diff(o.Order, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	for name, c := range map[string]struct {
		home          regions.Name
		user, orderID string
	}{
		"another user's":      {home, "v", o.ID},
		"another home's":      {"us-east-1", "u", o.ID},
		"unknown":             {home, "u", id.New(id.Order, "eu1")},
		"of an unknown place": {home, "u", id.New(id.Order, "mars1")},
		"another kind":        {home, "u", id.New(id.Payment, "eu1")},
		"no id":               {home, "u", "'; DROP TABLE orders"},
		"empty":               {home, "u", ""},
	} {
		got, err := s.Order(t.Context(), c.home, c.user, c.orderID)
		if fault.Reason(err) != "ORDER_NOT_FOUND" || !fault.Is(err, fault.NotFound) || got.ID != "" {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	stored.fail(1)
	if _, err := s.Order(t.Context(), home, "u", o.ID); !errors.Is(err, errDown) {
		t.Errorf("a store that is down: %v", err)
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	s, stored := open()
	for _, size := range []int{1, 2, 3, 6, 7, 8} {
		var got []string
		var at order.Cursor
		for pages := 1; ; pages++ {
			page, next, err := s.List(t.Context(), home, "u", at, size)
			if err != nil || len(page) == 0 || len(page) > size || pages > 7 {
				t.Fatalf("page %d of size %d: %v, %v", pages, size, page, err)
			}
			for _, o := range page {
				got = append(got, o.ID)
			}
			if next == (order.Cursor{}) {
				break
			}
			at = next
		}
		if diff := cmp.Diff([]string{"7", "6", "5", "4", "3", "2", "1"}, got); diff != "" {
			t.Errorf("pages of %d:\n%s", size, diff)
		}
	}
	stored.down = errDown
	if _, _, err := s.List(t.Context(), home, "u", order.Cursor{}, 3); !errors.Is(err, errDown) {
		t.Errorf("got %v", err)
	}
}
