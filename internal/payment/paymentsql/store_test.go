package paymentsql_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/payment"
	"github.com/meridian-commerce/meridian/internal/payment/paymentsql"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest/localitylint"
	"github.com/meridian-commerce/meridian/regions"
)

func TestMain(m *testing.M) { sqltest.Main(m, ".") }

const home regions.Name = "us-east-1"

// fixture is a database with payments p0, p1, … that became due in that order.
type fixture struct {
	*testing.T
	db       *sqldb.DB
	store    *paymentsql.Store
	recorder *localitylint.Recorder
}

func open(t *testing.T, payments int) fixture {
	t.Helper()
	f := fixture{T: t, recorder: &localitylint.Recorder{}}
	f.db = sqltest.Open(t, f.recorder)
	f.store = paymentsql.New(f.db)
	for i := range payments {
		if _, err := f.db.Exec(t.Context(), `INSERT INTO orders (home_region, id, user_id, idempotency_key, state, cancel_reason, currency, total_minor, version, created_at, updated_at)
			VALUES ($1, $2, 'u', $2, 'pending_payment', '', 'JPY', 900, 1, now(), now())`, home, order(i)); err != nil {
			t.Fatal(err)
		}
		if !f.insert(fresh(i)) {
			t.Fatal("a new payment was not inserted")
		}
	}
	return f
}

func order(i int) string { return fmt.Sprint("o", i) }

func fresh(i int) payment.Payment {
	return payment.Payment{ID: fmt.Sprint("p", i), Home: home, OrderID: order(i), State: payment.Created, Amount: money.Money{Minor: 900, Currency: "JPY"}, Traceparent: "trace"}
}

// in runs fn in a transaction.
func (f fixture) in(fn func(tx sqldb.Tx) (bool, error)) (ok bool) {
	f.Helper()
	err := f.store.InTx(f.Context(), func(tx sqldb.Tx) (err error) {
		ok, err = fn(tx)
		return err
	})
	if err != nil {
		f.Fatal(err)
	}
	return ok
}

func (f fixture) insert(p payment.Payment) bool {
	f.Helper()
	return f.in(func(tx sqldb.Tx) (bool, error) { return f.store.Insert(f.Context(), tx, p) })
}

func (f fixture) claim(limit int, visibility time.Duration) []payment.Claim {
	f.Helper()
	claims, err := f.store.Claim(f.Context(), home, limit, visibility)
	if err != nil {
		f.Fatal(err)
	}
	return claims
}

func (f fixture) lint() {
	f.Helper()
	sqltest.Lint(f, f.db, f.recorder)
}

func TestClaim(t *testing.T) {
	t.Parallel()
	f := open(t, 3)
	for i := range 3 { // with no visibility time-out each is due again at once, yet those that wait longer go first
		want := fresh(i)
		want.State, want.Attempts = payment.Authorizing, 1
		if diff := cmp.Diff([]payment.Claim{{Payment: want, Fresh: true}}, f.claim(1, 0)); diff != "" {
			t.Errorf("claim %d: %s", i, diff)
		}
	}
	again := f.claim(10, time.Minute)
	if len(again) != 3 || again[0].Fresh || again[0].Attempts != 2 || again[0].State != payment.Authorizing {
		t.Errorf("claimed again: %+v", again)
	}
	if rest := f.claim(10, time.Minute); len(rest) != 0 {
		t.Errorf("claimed within the visibility time-out: %+v", rest)
	}
	f.lint()
}

func TestOpen(t *testing.T) {
	t.Parallel()
	f := open(t, 3)
	if _, err := f.db.Exec(t.Context(), `UPDATE payments SET since = now() - interval '25 h' WHERE home_region = $1 AND id = $2`, home, fresh(1).ID); err != nil {
		t.Fatal(err)
	}
	f.claim(1, time.Minute)
	if _, err := f.db.Exec(t.Context(), `UPDATE payments SET due_at = NULL WHERE home_region = $1 AND state = $2`, home, payment.Authorizing); err != nil {
		t.Fatal(err)
	}
	got, err := f.store.Open(t.Context(), home)
	if err != nil || len(got) != 1 || got[0].State != payment.Created || got[0].Count != 2 || got[0].Oldest < 25*time.Hour || got[0].Oldest > 26*time.Hour {
		t.Errorf("two are open, one for 25 hours: %+v, %v", got, err)
	}
	f.lint()
}

func TestList(t *testing.T) {
	t.Parallel()
	f := open(t, 4)
	f.claim(3, time.Minute) // p0 to p2 are authorizing
	for sql, id := range map[string]string{
		`UPDATE payments SET since = now() - interval '1 h' WHERE home_region = $1 AND id = $2`:                    "p1",
		`UPDATE payments SET since = now() - interval '2 h', state = 'voiding' WHERE home_region = $1 AND id = $2`: "p2",
		`UPDATE payments SET since = now() - interval '3 h' WHERE home_region = $1 AND id = $2`:                    "p3", // nobody was asked
	} {
		if _, err := f.db.Exec(t.Context(), sql, home, id); err != nil {
			t.Fatal(err)
		}
	}
	for stuck, want := range map[bool]string{false: "p3 p2* p1* p0 ", true: "p2* p1* "} {
		found, err := f.store.List(t.Context(), home, stuck, 10)
		got := ""
		for _, l := range found {
			got += l.ID + map[bool]string{true: "*"}[l.Stuck] + " "
		}
		if err != nil || got != want {
			t.Errorf("stuck alone %t: %q, want %q (%v)", stuck, got, want, err)
		}
	}
	f.in(func(tx sqldb.Tx) (bool, error) {
		l, err := f.store.Lock(t.Context(), tx, home, "p1")
		if err != nil || l.State != payment.Authorizing || !l.Stuck || l.At.Sub(l.Since) < time.Hour || l.OrderID != "o1" || l.Traceparent != "trace" {
			t.Errorf("%+v, %v", l, err)
		}
		if _, err := f.store.Lock(t.Context(), tx, home, "p9"); fault.Reason(err) != "PAYMENT_NOT_FOUND" {
			t.Errorf("none: %v", err)
		}
		return true, nil
	})
	f.lint()
}

func TestConcurrentClaimsAreExclusive(t *testing.T) {
	t.Parallel()
	f := open(t, 40)
	var mu sync.Mutex
	seen := map[string]int{}
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			for range 10 {
				claims, err := f.store.Claim(t.Context(), home, 3, time.Minute)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				for _, c := range claims {
					seen[c.ID]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s was claimed %d times", id, n)
		}
	}
	if len(seen) != 40 {
		t.Errorf("%d of 40 were claimed", len(seen))
	}
}

func TestSettleComparesTheState(t *testing.T) {
	t.Parallel()
	f := open(t, 1)
	c := f.claim(1, time.Minute)[0]
	settle := func(to, from payment.State, due payment.Due) bool {
		p := c.Payment
		p.State, p.ProviderRef = to, "ref"
		return f.in(func(tx sqldb.Tx) (bool, error) { return f.store.Settle(t.Context(), tx, p, from, due) })
	}
	if settle(payment.Captured, payment.Capturing, payment.Due{Never: true}) {
		t.Error("settled from a state that it is not in")
	}
	if !settle(payment.Authorized, payment.Authorizing, payment.Due{}) {
		t.Error("not settled")
	}
	if settle(payment.Authorized, payment.Authorizing, payment.Due{}) {
		t.Error("settled twice")
	}
	next := f.claim(1, time.Minute)
	if len(next) != 1 || next[0].State != payment.Capturing || !next[0].Fresh || next[0].Attempts != 1 || next[0].ProviderRef != "ref" {
		t.Fatalf("the next step: %+v", next)
	}
	if err := f.store.Postpone(t.Context(), c.Payment, 0); err != nil || len(f.claim(1, time.Minute)) != 0 {
		t.Errorf("an old claim postponed a newer one: %v", err)
	}
	if err := f.store.Postpone(t.Context(), next[0].Payment, 0); err != nil || len(f.claim(1, 0)) != 1 {
		t.Errorf("not due after it was postponed to now: %v", err)
	}
	if !settle(payment.Captured, payment.Capturing, payment.Due{Never: true}) || len(f.claim(1, 0)) != 0 {
		t.Error("due although nothing is owed")
	}
	f.lint()
}

func TestOnePaymentOfAnOrderAndOnePostingOfACapture(t *testing.T) {
	t.Parallel()
	f := open(t, 1)
	twin := fresh(0)
	twin.ID = "other"
	if f.insert(twin) {
		t.Error("an order got a second payment")
	}
	entries := []payment.Entry{
		{PostingID: "l", Account: payment.ProviderReceivable, PaymentID: "p0", Amount: money.Money{Minor: 900, Currency: "JPY"}},
		{PostingID: "l", Account: payment.Sales, PaymentID: "p0", Amount: money.Money{Minor: -900, Currency: "JPY"}},
	}
	post := func() error {
		return f.store.InTx(t.Context(), func(tx sqldb.Tx) error { return f.store.Post(t.Context(), tx, home, entries) })
	}
	if err := post(); err != nil {
		t.Error(err)
	}
	if err := post(); err == nil {
		t.Error("the same posting was accepted twice")
	}
	f.lint()
}
