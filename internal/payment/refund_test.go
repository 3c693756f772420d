package payment_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/meridian-commerce/meridian/internal/audit"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/payment"
	"github.com/meridian-commerce/meridian/regions"
)

// captured places an order of 12.50 EUR that is paid and fulfilled, and returns its id.
func (s *shop) captured(w *payment.Worker) string {
	s.t.Helper()
	orderID := s.placed().AggregateID
	s.settle(w)
	if got := s.states(orderID); got != "fulfilled/captured" {
		s.t.Fatalf("it is %s", got)
	}
	return orderID
}

func (s *shop) refund(orderID, key string, minor int64) (payment.Refund, error) {
	q := payment.RefundRequest{OrderID: orderID, Key: key, Reason: "broken"}
	if minor != 0 {
		q.Amount = &money.Money{Minor: minor, Currency: "EUR"}
	}
	return payment.Refunder{Store: s.store, Regions: regions.Default()}.Request(s.t.Context(), q)
}

// giveBack runs steps until no refund is due any more, without waiting.
func (s *shop) giveBack(w *payment.Worker) {
	s.t.Helper()
	for range 20 {
		s.exec(`UPDATE refunds SET due_at = now() WHERE home_region = $1 AND due_at IS NOT NULL`, home)
		n, err := w.StepRefunds(s.t.Context(), home)
		if err != nil {
			s.t.Fatal(err)
		}
		if n == 0 {
			return
		}
	}
	s.t.Fatal("refunds are still due after 20 steps")
}

// balanced checks that what was given back by the provider, the rows and the ledger is the same.
func (s *shop) balanced(p *script, want int64) {
	s.t.Helper()
	var at int64
	for _, minor := range p.refunds {
		at += minor
	}
	rows := s.count(`SELECT coalesce(sum(amount_minor), 0)::bigint FROM refunds WHERE home_region = $1 AND state = 'refunded'`, home)
	ledger := s.count(`SELECT coalesce(sum(amount_minor), 0)::bigint FROM ledger_entries WHERE home_region = $1 AND account = 'refunds'`, home)
	if at != want || int64(rows) != want || int64(ledger) != want {
		s.t.Errorf("the provider gave %d back, the rows say %d and the ledger %d, want %d", at, rows, ledger, want)
	}
}

func reason(err error) string {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f.Reason
	}
	return fmt.Sprint(err)
}

func TestRefunds(t *testing.T) {
	t.Parallel()
	type ask struct {
		key    string
		minor  int64 // 0: what is left
		reason string
	}
	for name, c := range map[string]struct {
		prepare func(p *script)
		asks    []ask
		back    int64
		events  int
	}{
		"in full":                           {asks: []ask{{"a", 0, ""}}, back: 1250, events: 1},
		"in parts, never above":             {asks: []ask{{"a", 1249, ""}, {"b", 2, "REFUND_EXCEEDS_CAPTURE"}, {"c", 0, ""}, {"d", 0, "REFUND_EXCEEDS_CAPTURE"}}, back: 1250, events: 2},
		"one key twice":                     {asks: []ask{{"a", 300, ""}, {"a", 300, ""}}, back: 300, events: 1},
		"one key with another amount":       {asks: []ask{{"a", 300, ""}, {"a", 301, "REFUND_KEY_REUSED"}}, back: 300, events: 1},
		"nothing":                           {asks: []ask{{"a", -1, "REFUND_AMOUNT"}}},
		"without a key":                     {asks: []ask{{"", 1, "REFUND_REQUEST"}}},
		"an answer lost after the work":     {prepare: func(p *script) { p.lose["refund"] = 3 }, asks: []ask{{"a", 300, ""}}, back: 300, events: 1},
		"the provider down":                 {prepare: func(p *script) { p.refuse["refund"] = 3 }, asks: []ask{{"a", 300, ""}}, back: 300, events: 1},
		"declined, and what is left is all": {prepare: func(p *script) { p.decline = true }, asks: []ask{{"a", 1250, ""}}, events: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, p := open(t), newScript()
			w := s.worker(p, time.Minute)
			orderID := s.captured(w)
			if c.prepare != nil {
				c.prepare(p)
			}
			seen := map[string]string{}
			for _, a := range c.asks {
				r, err := s.refund(orderID, a.key, a.minor)
				if err == nil && a.reason != "" || err != nil && reason(err) != a.reason {
					t.Errorf("%+v was answered %+v, %v", a, r, err)
				}
				if id, ok := seen[a.key]; ok && err == nil && id != r.ID {
					t.Errorf("key %s made two refunds", a.key)
				}
				seen[a.key] = r.ID
			}
			s.giveBack(w)
			s.balanced(p, c.back)
			if n := s.count(`SELECT count(*) FROM outbox WHERE home_region = $1 AND type = 'meridian.refund.settled.v1'`, home); n != c.events {
				t.Errorf("%d events, want %d", n, c.events)
			}
			if p.decline {
				p.decline = false
				if r, err := s.refund(orderID, "again", 1250); err != nil || r.State != payment.RefundPending {
					t.Errorf("what was declined cannot be refunded again: %+v, %v", r, err)
				}
				s.giveBack(w)
				s.balanced(p, 1250)
			}
			violations, err := audit.Run(t.Context(), s.db.Pool(), regions.Default(), time.Hour)
			if err != nil || len(violations) > 0 {
				t.Errorf("audit: %+v, %v", violations, err)
			}
			s.lint()
		})
	}
}

func TestOnlyCapturedMoneyIsRefunded(t *testing.T) {
	t.Parallel()
	s := open(t)
	e := s.placed()
	if _, err := s.refund(e.AggregateID, "a", 1); reason(err) != "PAYMENT_NOT_CAPTURED" {
		t.Error(err)
	}
	if _, err := s.refund("ord_eu1_00000000000000000000000099", "a", 1); reason(err) != "PAYMENT_NOT_FOUND" {
		t.Error(err)
	}
}

// Of requests at once that are together more than was captured, as many are taken as fit; of those with one key, one.
func TestRefundsAtOnce(t *testing.T) {
	t.Parallel()
	s, p := open(t), newScript()
	w := s.worker(p, time.Minute)
	for _, oneKey := range []bool{false, true} {
		orderID := s.captured(w)
		var wg sync.WaitGroup
		var mu sync.Mutex
		ids, refused := map[string]bool{}, 0
		for i := range 8 {
			wg.Go(func() {
				key := "k"
				if !oneKey {
					key = fmt.Sprint(i)
				}
				r, err := s.refund(orderID, key, 750)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					ids[r.ID] = true
				case reason(err) == "REFUND_EXCEEDS_CAPTURE":
					refused++
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if len(ids) != 1 || oneKey && refused != 0 || !oneKey && refused != 7 {
			t.Errorf("one key %t: %d refunds, %d refused", oneKey, len(ids), refused)
		}
	}
	// Two workers beside each other give each back once.
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { _, _ = w.StepRefunds(t.Context(), home) })
	}
	wg.Wait()
	s.giveBack(w)
	s.balanced(p, 1500)
	s.lint()
}

func TestAStuckRefundIsEndedByAPerson(t *testing.T) {
	t.Parallel()
	s, p := open(t), newScript()
	w := s.worker(p, time.Minute)
	orderID := s.captured(w)
	f := payment.Refunder{Store: s.store, Regions: regions.Default()}
	for _, as := range []payment.RefundState{payment.Refunded, payment.RefundDeclined} {
		r, err := s.refund(orderID, string(as), 500)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Resolve(t.Context(), r.ID, as, "asked"); reason(err) != "REFUND_NOT_STUCK" {
			t.Error(err)
		}
		s.exec(`UPDATE refunds SET since = now() - interval '1 h' WHERE home_region = $1 AND id = $2`, home, r.ID)
		for range 2 { // a repetition changes nothing
			if got, err := f.Resolve(t.Context(), r.ID, as, "asked"); err != nil || got.State != as {
				t.Errorf("%+v, %v", got, err)
			}
		}
	}
	if _, err := f.Resolve(t.Context(), "x", payment.RefundPending, "asked"); reason(err) != "REFUND_RESOLUTION" {
		t.Error(err)
	}
	if _, err := f.Resolve(t.Context(), "rfd_eu1_00000000000000000000000099", payment.Refunded, "asked"); reason(err) != "REFUND_NOT_FOUND" {
		t.Error(err)
	}
	s.giveBack(w)
	if n := s.count(`SELECT sum(amount_minor)::bigint FROM ledger_entries WHERE home_region = $1 AND account = 'refunds'`, home); n != 500 || len(p.refunds) != 0 {
		t.Errorf("the ledger gave %d back, the provider %v", n, p.refunds)
	}
	s.lint()
}

// Whatever order requests, worker steps and the provider's faults come in, the money given back is never more than was
// captured, and in the end provider, rows and ledger agree.
func TestRefundsInterleave(t *testing.T) {
	t.Parallel()
	s, p := open(t), newScript()
	w := s.worker(p, time.Minute)
	rapid.Check(t, func(rt *rapid.T) {
		s.exec(`DELETE FROM refunds WHERE home_region = $1`, home)
		s.exec(`DELETE FROM ledger_entries WHERE home_region = $1 AND account IN ('refunds', 'provider_receivable')`, home)
		p.refunds = map[string]int64{}
		orderID := s.placed().AggregateID
		var taken int64
		keys := map[string]int64{}
		for range rapid.IntRange(1, 25).Draw(rt, "commands") {
			switch rapid.SampledFrom([]string{"pay", "refund", "refund", "step", "lose", "refuse"}).Draw(rt, "command") {
			case "pay":
				s.settle(w)
			case "lose":
				p.lose["refund"]++
			case "refuse":
				p.refuse["refund"]++
			case "step":
				s.exec(`UPDATE refunds SET due_at = now() WHERE home_region = $1 AND due_at IS NOT NULL`, home)
				if _, err := w.StepRefunds(t.Context(), home); err != nil {
					rt.Fatal(err)
				}
			case "refund":
				key, minor := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(rt, "key"), rapid.Int64Range(1, 1300).Draw(rt, "minor")
				_, err := s.refund(orderID, key, minor)
				before, used := keys[key]
				captured := s.states(orderID) == "fulfilled/captured"
				if want := used && before == minor || !used && captured && taken+minor <= 1250; (err == nil) != want {
					rt.Fatalf("%d of %d under %s: %v", minor, 1250-taken, key, err)
				}
				if err == nil && !used {
					keys[key] = minor
					taken += minor
				}
			}
		}
		p.lose, p.refuse = map[string]int{}, map[string]int{}
		s.giveBack(w)
		s.balanced(p, taken)
	})
}
