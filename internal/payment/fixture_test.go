package payment_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	eventv1 "github.com/meridian-commerce/meridian/api/gen/meridian/event/v1"
	moneyv1 "github.com/meridian-commerce/meridian/api/gen/meridian/money/v1"
	"github.com/meridian-commerce/meridian/internal/event"
	"github.com/meridian-commerce/meridian/internal/event/eventsql"
	"github.com/meridian-commerce/meridian/internal/id"
	"github.com/meridian-commerce/meridian/internal/order/ordersql"
	"github.com/meridian-commerce/meridian/internal/payment"
	"github.com/meridian-commerce/meridian/internal/payment/paymentsql"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest/localitylint"
	"github.com/meridian-commerce/meridian/regions"
)

func TestMain(m *testing.M) { sqltest.Main(m) }

const (
	home regions.Name = "eu-west-1"
	code regions.Code = "eu1"
)

var discard = slog.New(slog.DiscardHandler)

// shop is a database with a thousand units of one SKU, and everything that moves payments on.
type shop struct {
	t        testing.TB
	db       *sqldb.DB
	orders   *ordersql.Store
	store    *paymentsql.Store
	consumer event.Consumer
	recorder *localitylint.Recorder

	number  int // of orders placed
	mu      sync.Mutex
	changed []int64 // versions of orders that the workers said have changed, as another connection saw them then
}

func open(t testing.TB) *shop {
	t.Helper()
	s := &shop{t: t, recorder: &localitylint.Recorder{}}
	s.db = sqltest.Open(t, s.recorder)
	s.orders, s.store = ordersql.New(s.db), paymentsql.New(s.db)
	s.consumer = payment.NewConsumer(s.store, regions.Default())
	s.exec(`INSERT INTO stock (home_region, sku, allotted, on_hand, reserved, sold) VALUES ($1, 'A', 1000, 1000, 0, 0)`, home)
	return s
}

func (s *shop) worker(p payment.Provider, fulfillAfter time.Duration) *payment.Worker {
	s.t.Helper()
	w, err := payment.NewWorker(payment.Config{Store: s.store, Orders: s.orders, Provider: p, FulfillAfter: fulfillAfter, Concurrency: 8, Changed: s.note, Log: discard})
	if err != nil {
		s.t.Fatal(err)
	}
	return w
}

// note is told by workers of a changed order.
func (s *shop) note(ctx context.Context, orderID string) {
	var version int64
	if err := s.db.QueryRow(ctx, `SELECT version FROM orders WHERE home_region = $1 AND id = $2`, home, orderID).Scan(&version); err != nil {
		s.t.Error(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed = append(s.changed, version)
}

func (s *shop) exec(sql string, args ...any) {
	s.t.Helper()
	if _, err := s.db.Exec(s.t.Context(), sql, args...); err != nil {
		s.t.Fatal(err)
	}
}

// place places an order of one unit at 12.50 EUR as the order room does, and returns its id.
func (s *shop) place() event.Event {
	s.t.Helper()
	ctx := s.t.Context()
	// What the sandbox does to a payment follows from its seed and the payment's id, which follows from the order's: with
	// an id by chance one run in twenty would see no decline.
	s.number++
	orderID := fmt.Sprintf("ord_%s_%026d", code, s.number)
	payload, err := proto.Marshal(&eventv1.OrderPlaced{OrderId: orderID, UserId: "u", HomeRegion: string(home), Total: &moneyv1.Money{MinorUnits: 1250, Currency: "EUR"}})
	if err != nil {
		s.t.Fatal(err)
	}
	e := event.Event{
		ID: id.New(id.Event, code), Home: home, AggregateID: orderID, Sequence: 1, Type: event.OrderPlaced, Payload: payload,
		CreatedAt: time.Now().UTC().Truncate(time.Microsecond),
	}
	err = s.db.InTx(ctx, func(tx sqldb.Tx) error {
		for _, sql := range []string{
			`INSERT INTO orders (home_region, id, user_id, idempotency_key, state, cancel_reason, currency, total_minor, version, created_at, updated_at)
				VALUES ($1, $2, 'usr_eu1_00000000000000000000000000', $2, 'pending_payment', '', 'EUR', 1250, 1, now(), now())`,
			`INSERT INTO order_lines (home_region, order_id, line, sku, title, quantity, unit_minor) VALUES ($1, $2, 1, 'A', 'Tea', 1, 1250)`,
		} {
			if _, err := tx.Exec(ctx, sql, home, orderID); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, `UPDATE stock SET on_hand = on_hand - 1, reserved = reserved + 1 WHERE home_region = $1 AND sku = 'A'`, home); err != nil {
			return err
		}
		batch := &sqldb.Batch{}
		if err := eventsql.Queue(batch, e); err != nil {
			return err
		}
		return tx.Send(ctx, batch)
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return e
}

// take hands the consumer an event, as the bus does.
func (s *shop) take(e event.Event) error { return eventsql.Once(s.db, s.consumer)(s.t.Context(), e) }

// placed places an order whose event was consumed.
func (s *shop) placed() event.Event {
	s.t.Helper()
	e := s.place()
	if err := s.take(e); err != nil {
		s.t.Fatal(err)
	}
	return e
}

// hurry makes everything due that would be due later.
func (s *shop) hurry() {
	s.t.Helper()
	s.exec(`UPDATE payments SET due_at = now() WHERE home_region = $1 AND id IN (
		SELECT id FROM payments WHERE home_region = $1 AND due_at IS NOT NULL FOR UPDATE SKIP LOCKED)`, home)
}

// settle runs steps until nothing is due any more, without waiting.
func (s *shop) settle(w *payment.Worker) {
	s.t.Helper()
	for range 20 {
		s.hurry()
		n, err := w.Step(s.t.Context(), home)
		if err != nil {
			s.t.Fatal(err)
		}
		if n == 0 {
			return
		}
	}
	s.t.Fatal("payments are still due after 20 steps")
}

// states returns "order state/payment state".
func (s *shop) states(orderID string) string {
	s.t.Helper()
	var o, p string
	err := s.db.QueryRow(s.t.Context(), `SELECT o.state, coalesce(p.state, 'none') FROM orders o
		LEFT JOIN payments p ON p.home_region = $1 AND p.order_id = o.id WHERE o.home_region = $1 AND o.id = $2`, home, orderID).Scan(&o, &p)
	if err != nil {
		s.t.Fatal(err)
	}
	return o + "/" + p
}

func (s *shop) count(sql string, args ...any) (n int) {
	s.t.Helper()
	if err := s.db.QueryRow(s.t.Context(), sql, args...).Scan(&n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

func (s *shop) lint() {
	s.t.Helper()
	sqltest.Lint(s.t, s.db, s.recorder)
}

// script is a provider whose next answers can be set; unset ones are those of an honest one.
type script struct {
	mu       sync.Mutex
	standing map[string]payment.Standing
	captures map[string]map[string]bool // by payment, the keys that were executed
	refunds  map[string]int64           // by key, what was given back
	calls    []string
	lose     map[string]int // by operation: how many answers to lose after the work
	refuse   map[string]int // by operation: how many calls to fail before the work
	decline  bool
	expired  bool // holds run out before they are captured
}

func newScript() *script {
	return &script{standing: map[string]payment.Standing{}, captures: map[string]map[string]bool{}, refunds: map[string]int64{}, lose: map[string]int{}, refuse: map[string]int{}}
}

var errNoAnswer = errors.New("no answer")

func (s *script) act(operation, key string, work func()) payment.Outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, operation+" "+key)
	if s.refuse[operation] > 0 {
		s.refuse[operation]--
		return payment.Outcome{Err: errNoAnswer}
	}
	work()
	if s.lose[operation] > 0 {
		s.lose[operation]--
		return payment.Outcome{Err: errNoAnswer}
	}
	if operation == "authorize" && s.decline {
		return payment.Outcome{Decision: payment.DeclinedByProvider, Reason: "NO_MONEY"}
	}
	if operation == "refund" && s.decline {
		return payment.Outcome{Decision: payment.DeclinedByProvider, Reason: "CARD_CLOSED"}
	}
	if operation == "capture" && s.expired {
		return payment.Outcome{Decision: payment.DeclinedByProvider, Reason: "EXPIRED"}
	}
	return payment.Outcome{Decision: payment.Approved, Ref: "ref"}
}

func (s *script) Authorize(_ context.Context, c payment.Charge, key string) payment.Outcome {
	return s.act("authorize", key, func() {
		s.standing[c.PaymentID] = payment.StandingAuthorized
		if s.decline {
			s.standing[c.PaymentID] = payment.StandingDeclined
		}
	})
}

func (s *script) Capture(_ context.Context, c payment.Charge, key string) payment.Outcome {
	return s.act("capture", key, func() {
		s.standing[c.PaymentID] = payment.StandingCaptured
		if s.captures[c.PaymentID] == nil {
			s.captures[c.PaymentID] = map[string]bool{}
		}
		s.captures[c.PaymentID][key] = true
	})
}

func (s *script) Void(_ context.Context, c payment.Charge, key string) payment.Outcome {
	return s.act("void", key, func() { s.standing[c.PaymentID] = payment.StandingVoided })
}

func (s *script) Refund(_ context.Context, c payment.Charge, key string) payment.Outcome {
	return s.act("refund", key, func() {
		if !s.decline {
			s.refunds[key] = c.Amount.Minor
		}
	})
}

func (s *script) Find(_ context.Context, paymentID string) (payment.Finding, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, "find")
	if s.refuse["find"] > 0 {
		s.refuse["find"]--
		return payment.Finding{}, errNoAnswer
	}
	standing, ok := s.standing[paymentID]
	if !ok {
		standing = payment.StandingNone
	}
	return payment.Finding{Standing: standing, Ref: "ref"}, nil
}
