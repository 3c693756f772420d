package ordersql_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/cart"
	"github.com/meridian-commerce/meridian/internal/cart/cartsql"
	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/catalog/catalogsql"
	"github.com/meridian-commerce/meridian/internal/checkout"
	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/id"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/order"
	"github.com/meridian-commerce/meridian/internal/order/ordersql"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest/localitylint"
	"github.com/meridian-commerce/meridian/internal/stock/stocksql"
	"github.com/meridian-commerce/meridian/regions"
)

func TestMain(m *testing.M) { sqltest.Main(m, ".") }

const home regions.Name = "eu-west-1"

// shop is a database with two SKUs, A at 10.00 and B at 2.50 EUR, 30 units of each in the world.
type shop struct {
	t      testing.TB
	db     *sqldb.DB
	store  *ordersql.Store
	carts  *cartsql.Store
	clock  clock.Clock
	record *localitylint.Recorder
}

func open(t testing.TB) *shop {
	t.Helper()
	record := &localitylint.Recorder{}
	s := &shop{t: t, db: sqltest.Open(t, record), clock: clock.System(), record: record}
	s.store, s.carts = ordersql.New(s.db), cartsql.New(s.db, s.clock)
	products := catalogsql.New(s.db, regions.Default(), s.clock)
	_, err := products.Put(t.Context(), []catalog.Product{{
		Handle: "tea", Title: "Tea", Active: true,
		Variants: []catalog.Variant{
			{SKU: "A", Title: "Large", Prices: []money.Money{{Minor: 1000, Currency: "EUR"}}},
			{SKU: "B", Prices: []money.Money{{Minor: 250, Currency: "EUR"}}},
		},
	}})
	if err == nil {
		err = stocksql.New(s.db, regions.Default()).Allot(t.Context(), map[string]int64{"A": 30, "B": 30})
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *shop) fill(user string, items map[string]int64) {
	s.t.Helper()
	for sku, n := range items {
		if _, err := s.carts.Change(s.t.Context(), home, user, func(c cart.Cart) (cart.Cart, error) { return c.With(sku, n, money.Money{}) }); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *shop) placement(user, key string) order.Placement {
	return order.Placement{
		ID: id.New(id.Order, "eu1"), EventID: id.New(id.Event, "eu1"), Home: home, UserID: user, Currency: "EUR", Key: key,
		RequestHash: sha256.Sum256([]byte("request")),
	}
}

// now is the database's time.
func (s *shop) now() (at time.Time) {
	s.t.Helper()
	if err := s.db.QueryRow(s.t.Context(), `SELECT clock_timestamp()`).Scan(&at); err != nil {
		s.t.Fatal(err)
	}
	return at
}

type units struct{ OnHand, Reserved, Sold int64 }

func (s *shop) stock(sku string) (u units) {
	s.t.Helper()
	err := s.db.QueryRow(s.t.Context(), `SELECT on_hand, reserved, sold FROM stock WHERE home_region = $1 AND sku = $2`, home, sku).
		Scan(&u.OnHand, &u.Reserved, &u.Sold)
	if err != nil {
		s.t.Fatal(err)
	}
	return u
}

func (s *shop) lint() {
	s.t.Helper()
	sqltest.Lint(s.t, s.db, s.record)
}

// A rule of pricing needs nothing of this room: the order costs what the quote says, keeps why, and is read back so.
func TestPlaceByARule(t *testing.T) {
	t.Parallel()
	s := open(t)
	discount := checkout.Adjustment{Source: "promotion/welcome", Kind: checkout.Discount, SKU: "A", Amount: money.Money{Minor: -500, Currency: "EUR"}}
	fee := checkout.Adjustment{Source: "shipping/standard", Kind: checkout.Shipping, Amount: money.Money{Minor: 490, Currency: "EUR"}}
	store := ordersql.New(s.db, func(checkout.Quote) ([]checkout.Adjustment, error) { return []checkout.Adjustment{discount, fee}, nil })
	s.fill("u", map[string]int64{"A": 1, "B": 2})
	p := s.placement("u", "k1")
	p.ExpectedTotal = money.Money{Minor: 1500, Currency: "EUR"}
	if _, err := store.Place(t.Context(), p); fault.Reason(err) != "TOTAL_CHANGED" {
		t.Errorf("at the total of the lines alone: %v", err)
	}
	p.ExpectedTotal.Minor = 1490
	placed, err := store.Place(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]checkout.Adjustment{discount, fee}, placed.Adjustments); diff != "" || placed.Total != p.ExpectedTotal {
		t.Errorf("total %s\n%s", placed.Total, diff)
	}
	read, err := s.store.Find(t.Context(), home, p.ID)
	if diff := cmp.Diff(placed, read); err != nil || diff != "" {
		t.Errorf("read back: %v\n%s", err, diff)
	}
	again, err := s.store.Place(t.Context(), p) // by an instance without the rule
	if diff := cmp.Diff(placed, again); err != nil || diff != "" {
		t.Errorf("repeated: %v\n%s", err, diff)
	}
	s.lint()
}

func TestPlace(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.fill("u", map[string]int64{"A": 2, "B": 1})
	p := s.placement("u", "k1")
	before := s.now()
	got, err := s.store.Place(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if after := s.now(); got.CreatedAt.Before(before) || got.CreatedAt.After(after) {
		t.Errorf("placed at %v, between %v and %v of the database", got.CreatedAt, before, after)
	}
	want := order.Order{
		ID: p.ID, Home: home, UserID: "u", State: order.PendingPayment, Version: 1, CreatedAt: got.CreatedAt, UpdatedAt: got.CreatedAt,
		Total: money.Money{Minor: 2250, Currency: "EUR"},
		Lines: []order.Line{
			{Variant: "A", SKU: "A", Title: "Tea · Large", Quantity: 2, UnitPrice: money.Money{Minor: 1000, Currency: "EUR"}},
			{Variant: "B", SKU: "B", Title: "Tea", Quantity: 1, UnitPrice: money.Money{Minor: 250, Currency: "EUR"}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	read, err := s.store.Find(t.Context(), home, p.ID)
	if diff := cmp.Diff(want, read); err != nil || diff != "" {
		t.Error(err, diff)
	}
	if got := s.stock("A"); got != (units{8, 2, 0}) {
		t.Errorf("stock of A is %+v", got)
	}
	if c, err := s.carts.Find(t.Context(), home, "u"); err != nil || len(c.Items) != 0 {
		t.Errorf("the cart still holds %v (%v)", c.Items, err)
	}
	var events int
	if err := s.db.QueryRow(t.Context(), `SELECT count(*) FROM outbox WHERE home_region = $1 AND order_id = $2 AND sequence = 1 AND aggregate_type = 'order' AND due_at <= now()`, home, p.ID).Scan(&events); err != nil || events != 1 {
		t.Errorf("%d events (%v)", events, err)
	}
	s.lint()
}

func TestPlaceAgain(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.fill("u", map[string]int64{"A": 1})
	first := s.placement("u", "k")
	placed, err := s.store.Place(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	s.fill("u", map[string]int64{"B": 5}) // what the cart holds now is not what the key stands for
	again, err := s.store.Place(t.Context(), s.placement("u", "k"))
	if diff := cmp.Diff(placed, again); err != nil || diff != "" {
		t.Errorf("the repeated request: %v\n%s", err, diff)
	}
	other := s.placement("u", "k")
	other.RequestHash = sha256.Sum256([]byte("another request"))
	if _, err := s.store.Place(t.Context(), other); fault.Reason(err) != "IDEMPOTENCY_KEY_REUSED" {
		t.Errorf("the key with another request: %v", err)
	}
	if _, err := s.store.Placed(t.Context(), s.placement("u", "unused")); !errors.Is(err, order.ErrNotFound) {
		t.Errorf("an unused key: %v", err)
	}
	// A key lives for as long as the database says, from when the database had it; then it places another order.
	var lives time.Duration
	if err := s.db.QueryRow(t.Context(), `SELECT expires_at - created_at FROM idempotency_keys WHERE home_region = $1 AND user_id = 'u' AND key = 'k'
		AND created_at BETWEEN now() - interval '1 hour' AND now()`, home).Scan(&lives); err != nil || lives != order.KeyLifetime {
		t.Errorf("the key lives for %v (%v)", lives, err)
	}
	if _, err := s.db.Exec(t.Context(), `UPDATE idempotency_keys SET expires_at = now() WHERE home_region = $1`, home); err != nil {
		t.Fatal(err)
	}
	if o, err := s.store.Place(t.Context(), s.placement("u", "k")); err != nil || o.ID == placed.ID {
		t.Errorf("the key after its lifetime: %v, %v", o.ID, err)
	}
}

func TestPlaceRefused(t *testing.T) {
	t.Parallel()
	s := open(t)
	for reason, prepare := range map[string]func(user string, p *order.Placement){
		"CART_EMPTY":    func(string, *order.Placement) {},
		"OUT_OF_STOCK":  func(user string, _ *order.Placement) { s.fill(user, map[string]int64{"A": 11}) },
		"SKU_NOT_SOLD":  func(user string, _ *order.Placement) { s.fill(user, map[string]int64{"gone": 1}) },
		"PRICE_MISSING": func(user string, p *order.Placement) { s.fill(user, map[string]int64{"A": 1}); p.Currency = "USD" },
		"CART_CHANGED":  func(user string, p *order.Placement) { s.fill(user, map[string]int64{"A": 1}); p.CartEtag = "v9" },
		"TOTAL_CHANGED": func(user string, p *order.Placement) {
			s.fill(user, map[string]int64{"A": 1})
			p.ExpectedTotal = money.Money{Minor: 999, Currency: "EUR"}
		},
	} {
		p := s.placement(reason, "k")
		prepare(reason, &p)
		_, err := s.store.Place(t.Context(), p)
		// A SKU that nobody sells has no allotment either, and the lock notices that first.
		if got := fault.Reason(err); got != reason && (reason != "SKU_NOT_SOLD" || got != "OUT_OF_STOCK") {
			t.Errorf("%s: got %v", reason, err)
		}
		if _, err := s.store.Placed(t.Context(), p); !errors.Is(err, order.ErrNotFound) {
			t.Errorf("%s: the refused request left its key behind: %v", reason, err)
		}
	}
	if got := s.stock("A"); got != (units{10, 0, 0}) {
		t.Errorf("refused orders changed the stock of A to %+v", got)
	}
}

func TestSweepKeys(t *testing.T) {
	t.Parallel()
	s := open(t)
	// More than one batch holds, and one that has not expired.
	for sql, args := range map[string][]any{
		`INSERT INTO idempotency_keys (home_region, user_id, key, request_hash, response, created_at, expires_at)
			SELECT $1, 'u', g::text, '', '', now(), now() - interval '1 s' FROM generate_series(1, 600) g`: {home},
		`INSERT INTO idempotency_keys (home_region, user_id, key, request_hash, response, created_at, expires_at)
			VALUES ($1, 'u', 'live', '', '', now(), now() + interval '1 h')`: {home},
	} {
		if _, err := s.db.Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []int{500, 100, 0} {
		if n, err := s.store.SweepKeys(t.Context(), home); err != nil || n != want {
			t.Errorf("a step deleted %d (%v), want %d", n, err, want)
		}
	}
	var left string
	if err := s.db.QueryRow(t.Context(), `SELECT string_agg(key, ' ') FROM idempotency_keys WHERE home_region = $1`, home).Scan(&left); err != nil || left != "live" {
		t.Errorf("left is %q (%v)", left, err)
	}
	s.lint()
}

// Ten units, twenty callers who want one each, some of them twice with the same key: exactly ten orders.
func TestPlaceConcurrently(t *testing.T) {
	t.Parallel()
	s := open(t)
	const callers = 20
	for i := range callers {
		s.fill(fmt.Sprint("u", i), map[string]int64{"A": 1})
	}
	var wg sync.WaitGroup
	ids := make([][2]string, callers)
	for i := range callers {
		for repeat := range 2 {
			wg.Go(func() {
				o, err := s.store.Place(t.Context(), s.placement(fmt.Sprint("u", i), "k"))
				switch {
				case err == nil:
					ids[i][repeat] = o.ID
				case fault.Reason(err) == "OUT_OF_STOCK", fault.Is(err, fault.Unavailable), fault.Is(err, fault.Aborted):
				default:
					t.Errorf("caller %d: %v", i, err)
				}
			})
		}
	}
	wg.Wait()
	orders := map[string]bool{}
	for i, pair := range ids {
		if pair[0] != "" && pair[1] != "" && pair[0] != pair[1] {
			t.Errorf("caller %d's key placed both %s and %s", i, pair[0], pair[1])
		}
		for _, one := range pair {
			if one != "" {
				orders[one] = true
			}
		}
	}
	if got := s.stock("A"); got.Reserved != int64(len(orders)) || got.OnHand != 10-got.Reserved {
		t.Errorf("%d orders were acknowledged and the stock is %+v", len(orders), got)
	}
	if len(orders) == 0 {
		t.Error("nobody could order anything")
	}
}

func TestTransitions(t *testing.T) {
	t.Parallel()
	s := open(t)
	in := func(f func(tx sqldb.Tx) error) error { return s.db.InTx(t.Context(), f) }
	place := func(user string) string {
		s.fill(user, map[string]int64{"A": 2})
		o, err := s.store.Place(t.Context(), s.placement(user, "k"))
		if err != nil {
			t.Fatal(err)
		}
		return o.ID
	}
	sold, dropped := place("a"), place("b")
	steps := []struct {
		name string
		run  func(tx sqldb.Tx) error
		want string
	}{
		{"confirm", func(tx sqldb.Tx) error { return s.store.Confirm(t.Context(), tx, home, sold, "pay") }, ""},
		{"confirm twice", func(tx sqldb.Tx) error { return s.store.Confirm(t.Context(), tx, home, sold, "pay") }, "ORDER_STATE"},
		{"fulfill", func(tx sqldb.Tx) error { return s.store.Fulfill(t.Context(), tx, home, sold) }, ""},
		{"cancel what is fulfilled", func(tx sqldb.Tx) error { return s.store.Cancel(t.Context(), tx, home, sold, "LATE") }, "ORDER_STATE"},
		{"fulfill what is unpaid", func(tx sqldb.Tx) error { return s.store.Fulfill(t.Context(), tx, home, dropped) }, "ORDER_STATE"},
		{"cancel", func(tx sqldb.Tx) error { return s.store.Cancel(t.Context(), tx, home, dropped, "PAYMENT_DECLINED") }, ""},
	}
	for _, step := range steps {
		if err := in(step.run); fault.Reason(err) != step.want || (err != nil) != (step.want != "") {
			t.Errorf("%s: %v", step.name, err)
		}
	}
	if got := s.stock("A"); got != (units{8, 0, 2}) {
		t.Errorf("stock of A is %+v", got)
	}
	o, err := s.store.Find(t.Context(), home, dropped)
	if err != nil || o.State != order.Canceled || o.CancelReason != "PAYMENT_DECLINED" || o.Version != 2 {
		t.Errorf("got %+v, %v", o, err)
	}
	newer, err := s.store.Newer(t.Context(), home, map[string]int64{sold: 2, dropped: 2, "ord_eu1_gone": 0})
	if err != nil || len(newer) != 1 || newer[0].ID != sold || newer[0].Version != 3 || len(newer[0].Lines) != 1 {
		t.Errorf("of one order with a newer version, one without and one that is not there: %+v, %v", newer, err)
	}
	s.lint()
}

// An order whose payment nobody decides is given up at its deadline, and its units are back; one that was paid stays.
func TestExpire(t *testing.T) {
	t.Parallel()
	s := open(t)
	place := func(user string) string {
		s.fill(user, map[string]int64{"A": 2})
		o, err := s.store.Place(t.Context(), s.placement(user, "k"))
		if err != nil {
			t.Fatal(err)
		}
		return o.ID
	}
	late, paid := place("a"), place("b")
	if err := s.db.InTx(t.Context(), func(tx sqldb.Tx) error { return s.store.Confirm(t.Context(), tx, home, paid, "pay") }); err != nil {
		t.Fatal(err)
	}
	if _, err := s.db.Exec(t.Context(), `UPDATE orders SET created_at = now() - interval '25 hours' WHERE home_region = $1`, home); err != nil {
		t.Fatal(err)
	}
	fresh := place("c")
	for _, want := range []int{1, 0} {
		if n, err := s.store.Expire(24*time.Hour)(t.Context(), home); n != want || err != nil {
			t.Errorf("%d expired, want %d: %v", n, want, err)
		}
	}
	got := map[string]string{}
	for _, orderID := range []string{late, paid, fresh} {
		o, err := s.store.Find(t.Context(), home, orderID)
		if err != nil {
			t.Fatal(err)
		}
		got[orderID] = string(o.State) + o.CancelReason
	}
	if diff := cmp.Diff(map[string]string{late: "canceledPAYMENT_OVERDUE", paid: "confirmed", fresh: "pending_payment"}, got); diff != "" {
		t.Error(diff)
	}
	if got := s.stock("A"); got != (units{6, 4, 0}) {
		t.Errorf("stock of A is %+v", got)
	}
	s.lint()
}

func TestPage(t *testing.T) {
	t.Parallel()
	s := open(t)
	var want []string
	for i := range 5 {
		s.fill("u", map[string]int64{"B": 1})
		o, err := s.store.Place(t.Context(), s.placement("u", fmt.Sprint("k", i)))
		if err != nil {
			t.Fatal(err)
		}
		want = append([]string{o.ID}, want...)
	}
	var got []string
	var at order.Cursor
	for {
		page, err := s.store.Page(t.Context(), home, "u", at, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, o := range page {
			if len(o.Lines) != 1 {
				t.Errorf("order %s has lines %v", o.ID, o.Lines)
			}
			got = append(got, o.ID)
			at = order.Cursor{CreatedAt: o.CreatedAt, ID: o.ID}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	s.lint()
}
