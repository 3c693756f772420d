package cartsql_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/cart"
	"github.com/meridian-commerce/meridian/internal/cart/cartsql"
	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest"
	"github.com/meridian-commerce/meridian/regions"
)

func TestMain(m *testing.M) { sqltest.Main(m, ".") }

const home regions.Name = "eu-west-1"

// price is what every SKU costs here.
var price = money.Money{Minor: 250, Currency: "EUR"}

// holding is a cart of items that were all put in at price.
func holding(version int64, items map[string]int64) cart.Cart {
	c := cart.Cart{Items: items, Prices: map[string]money.Money{}, Version: version}
	for sku := range items {
		c.Prices[sku] = price
	}
	return c
}

// shop is a store on a database of its own.
type shop struct {
	*cartsql.Store
	t  testing.TB
	db *sqldb.DB
}

func open(t testing.TB) shop {
	t.Helper()
	db := sqltest.Open(t, nil)
	return shop{cartsql.New(db, clock.System()), t, db}
}

func (s shop) set(user, sku string, quantity int64) cart.Cart {
	s.t.Helper()
	c, err := s.Change(s.t.Context(), home, user, func(c cart.Cart) (cart.Cart, error) { return c.With(sku, quantity, price) })
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func (s shop) holds(user string, want cart.Cart) {
	s.t.Helper()
	got, err := s.Find(s.t.Context(), home, user)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		s.t.Errorf("%v\n%s", err, diff)
	}
}

// A cart that is told its currency keeps it, and what is in it, through changes and orders; each telling is another version.
func TestQueueCurrency(t *testing.T) {
	t.Parallel()
	s := open(t)
	send := func(queue func(batch *sqldb.Batch)) {
		t.Helper()
		err := s.db.InTx(t.Context(), func(tx sqldb.Tx) error {
			batch := &sqldb.Batch{}
			queue(batch)
			return tx.Send(t.Context(), batch)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	tell := func(user string, c money.Currency) {
		t.Helper()
		send(func(batch *sqldb.Batch) { cartsql.QueueCurrency(batch, home, user, c) })
	}
	tell("empty", "USD")
	s.holds("empty", cart.Cart{Items: map[string]int64{}, Prices: map[string]money.Money{}, Currency: "USD", Version: 1})
	s.set("u", "A", 2)
	tell("u", "USD")
	tell("u", "KWD")
	want := holding(3, map[string]int64{"A": 2})
	want.Currency = "KWD"
	s.holds("u", want)
	s.set("u", "B", 1)
	want = holding(4, map[string]int64{"A": 2, "B": 1})
	want.Currency = "KWD"
	s.holds("u", want)
	send(func(batch *sqldb.Batch) { cartsql.QueueClear(batch, home, "u") })
	s.holds("u", cart.Cart{Items: map[string]int64{}, Prices: map[string]money.Money{}, Currency: "KWD", Version: 5})
}

func TestChange(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.holds("u", cart.Cart{})
	if got := s.set("u", `A "ü" \`, 2); got.Version != 1 {
		t.Errorf("version %d", got.Version)
	}
	s.set("u", "B", 99)
	s.holds("u", holding(2, map[string]int64{`A "ü" \`: 2, "B": 99}))
	s.set("u", "B", 99) // nothing new: the version stays
	s.set("u", `A "ü" \`, 0)
	s.set("u", "B", 0)
	s.holds("u", holding(4, map[string]int64{}))
	s.holds("v", cart.Cart{})
	if c, err := s.Find(t.Context(), "us-east-1", "u"); err != nil || c.Version != 0 {
		t.Errorf("away from home the cart is %v, %v", c, err)
	}
}

// Codes stay with a cart whatever else of it changes, until an order is placed.
func TestCodes(t *testing.T) {
	t.Parallel()
	s := open(t)
	change := func(user string, how func(cart.Cart) (cart.Cart, error)) {
		t.Helper()
		if _, err := s.Change(t.Context(), home, user, how); err != nil {
			t.Fatal(err)
		}
	}
	add := func(code string) func(cart.Cart) (cart.Cart, error) {
		return func(c cart.Cart) (cart.Cart, error) { return c.WithCode(code) }
	}
	change("empty", add("A-1"))
	s.holds("empty", cart.Cart{Items: map[string]int64{}, Prices: map[string]money.Money{}, Codes: []string{"A-1"}, Version: 1})
	s.set("u", "A", 2)
	change("u", add("B-1"))
	change("u", add("A-1"))
	s.set("u", "A", 3)
	want := holding(4, map[string]int64{"A": 3})
	want.Codes = []string{"A-1", "B-1"}
	s.holds("u", want)
	change("u", func(c cart.Cart) (cart.Cart, error) { return c.WithoutCode("B-1"), nil })
	change("u", func(c cart.Cart) (cart.Cart, error) { return c.WithoutCode("A-1"), nil })
	s.holds("u", holding(6, map[string]int64{"A": 3}))
	change("u", add("C-1"))
	err := s.db.InTx(t.Context(), func(tx sqldb.Tx) error {
		batch := &sqldb.Batch{}
		cartsql.QueueCurrency(batch, home, "u", "USD")
		return tx.Send(t.Context(), batch)
	})
	want = holding(8, map[string]int64{"A": 3})
	want.Codes, want.Currency = []string{"C-1"}, "USD"
	if err != nil {
		t.Fatal(err)
	}
	s.holds("u", want)
	err = s.db.InTx(t.Context(), func(tx sqldb.Tx) error {
		batch := &sqldb.Batch{}
		cartsql.QueueClear(batch, home, "u")
		return tx.Send(t.Context(), batch)
	})
	if err != nil {
		t.Fatal(err)
	}
	s.holds("u", cart.Cart{Items: map[string]int64{}, Prices: map[string]money.Money{}, Currency: "USD", Version: 9})
}

func TestChangeThatIsRefused(t *testing.T) {
	t.Parallel()
	s := open(t)
	want := s.set("u", "A", 1)
	refused := errors.New("refused")
	if _, err := s.Change(t.Context(), home, "u", func(c cart.Cart) (cart.Cart, error) {
		c, _ = c.With("B", 1, price)
		return c, refused
	}); !errors.Is(err, refused) {
		t.Errorf("got %v", err)
	}
	s.holds("u", want)
	unchanged, err := s.Change(t.Context(), home, "nobody", func(c cart.Cart) (cart.Cart, error) { return c.With("A", 0, price) })
	var rows int
	if scan := s.db.QueryRow(t.Context(), `SELECT count(*) FROM carts WHERE home_region = $1 AND user_id = 'nobody'`, home).Scan(&rows); scan != nil {
		t.Fatal(scan)
	}
	if err != nil || unchanged.Version != 0 || rows != 0 {
		t.Errorf("a change to nothing is %v, %v and wrote %d rows", unchanged, err, rows)
	}
}

// Tabs of one shopper, each with an item of its own: every item survives, the first row's creation included.
func TestChangeConcurrently(t *testing.T) {
	t.Parallel()
	s := open(t)
	const tabs = 4
	want := map[string]int64{}
	var wg sync.WaitGroup
	for tab := range tabs {
		sku := fmt.Sprint("sku", tab)
		want[sku] = 2
		wg.Go(func() {
			for quantity := int64(1); quantity <= 2; quantity++ {
				if _, err := s.Change(t.Context(), home, "u", func(c cart.Cart) (cart.Cart, error) { return c.With(sku, quantity, price) }); err != nil {
					t.Errorf("%s: %v", sku, err)
				}
			}
		})
	}
	wg.Wait()
	s.holds("u", holding(2*tabs, want))
}

// Of two changes that name the same etag one wins, and the other is told.
func TestChangeWithOneEtagConcurrently(t *testing.T) {
	t.Parallel()
	s := open(t)
	etag := s.set("u", "A", 1).Etag()
	errs := make([]error, 4)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			_, errs[i] = s.Change(t.Context(), home, "u", func(c cart.Cart) (cart.Cart, error) {
				if err := c.Matches(etag); err != nil {
					return c, err
				}
				return c.With("A", int64(10+i), price)
			})
		})
	}
	wg.Wait()
	won := -1
	for i, err := range errs {
		if err == nil {
			if won >= 0 {
				t.Errorf("changes %d and %d both won", won, i)
			}
			won = i
		}
	}
	if won < 0 {
		t.Fatal("no change won:", errs)
	}
	s.holds("u", holding(2, map[string]int64{"A": int64(10 + won)}))
}

func TestOrderTakesTheCart(t *testing.T) {
	t.Parallel()
	s := open(t)
	want := s.set("u", "A", 3)
	for _, user := range []string{"u", "never"} {
		var locked cart.Cart
		err := s.db.InTx(t.Context(), func(tx sqldb.Tx) error {
			batch := &sqldb.Batch{}
			cartsql.QueueLock(batch, home, user, &locked)
			cartsql.QueueClear(batch, home, user)
			return tx.Send(t.Context(), batch)
		})
		if diff := cmp.Diff(want, locked); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", user, err, diff)
		}
		want = cart.Cart{}
	}
	s.holds("u", holding(2, map[string]int64{})) // an etag of before does not match
	s.holds("never", cart.Cart{})
	if got := s.set("u", "B", 1); got.Version != 3 {
		t.Errorf("the next cart has version %d", got.Version)
	}
}

// An instance of the version before writes items and no prices. Such a cart is read, and changed, as one whose prices
// are not known.
func TestCartsFromBeforePrices(t *testing.T) {
	t.Parallel()
	s := open(t)
	_, err := s.db.Exec(t.Context(), `INSERT INTO carts (home_region, user_id, version, items, updated_at) VALUES ($1, 'u', 3, '{"A": 2}', now())`, home)
	if err != nil {
		t.Fatal(err)
	}
	s.holds("u", cart.Cart{Items: map[string]int64{"A": 2}, Prices: map[string]money.Money{}, Version: 3})
	want := cart.Cart{Items: map[string]int64{"A": 2, "B": 1}, Prices: map[string]money.Money{"B": price}, Version: 4}
	if diff := cmp.Diff(want, s.set("u", "B", 1)); diff != "" {
		t.Error(diff)
	}
	s.holds("u", want)
}
