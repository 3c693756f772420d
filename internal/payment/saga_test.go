package payment_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/payment"
	"github.com/meridian-commerce/meridian/internal/sqldb"
)

func TestSaga(t *testing.T) {
	t.Parallel()
	cancel := func(s *shop, orderID string) {
		if err := s.db.InTx(s.t.Context(), func(tx sqldb.Tx) error { return s.orders.Cancel(s.t.Context(), tx, home, orderID, "CHANGED_MIND") }); err != nil {
			s.t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		prepare      func(p *script)
		before       func(s *shop, orderID string)
		fulfillAfter time.Duration
		states       string
		calls        string // with PAY for the payment's id
		entries      int
		changed      []int64 // versions of the order, each committed when it was told of
	}{
		"approved": {
			fulfillAfter: time.Minute, states: "fulfilled/captured", entries: 2, changed: []int64{2, 3},
			calls: "authorize PAY, capture PAY:capture",
		},
		"a merchant fulfills": {states: "confirmed/authorized", calls: "authorize PAY", changed: []int64{2}},
		"declined": {
			prepare: func(p *script) { p.decline = true }, fulfillAfter: time.Minute,
			states: "canceled/declined", calls: "authorize PAY", changed: []int64{2},
		},
		"answers lost after the work": {
			prepare: func(p *script) { p.lose["authorize"], p.lose["capture"] = 1, 1 }, fulfillAfter: time.Minute,
			states: "fulfilled/captured", entries: 2,
			calls: "authorize PAY, find, capture PAY:capture, find", changed: []int64{2, 3},
		},
		"a decline lost": {
			prepare: func(p *script) { p.lose["authorize"], p.decline = 1, true }, fulfillAfter: time.Minute,
			states: "canceled/declined", calls: "authorize PAY, find", changed: []int64{2},
		},
		"provider down for a while": {
			prepare: func(p *script) { p.refuse["authorize"], p.refuse["find"], p.refuse["capture"] = 1, 2, 1 }, fulfillAfter: time.Minute,
			states: "fulfilled/captured", entries: 2,
			calls: "authorize PAY, find, find, find, authorize PAY, capture PAY:capture, find, capture PAY:capture", changed: []int64{2, 3},
		},
		"canceled before it was confirmed": {
			before: cancel, prepare: func(p *script) { p.lose["void"] = 1 }, fulfillAfter: time.Minute,
			states: "canceled/voided", calls: "authorize PAY, find, void PAY:void, find",
		},
		"the hold ran out": {
			prepare: func(p *script) { p.expired = true }, fulfillAfter: time.Minute,
			states: "canceled/declined", calls: "authorize PAY, capture PAY:capture", changed: []int64{2, 3},
		},
		"canceled and declined": {
			before: cancel, prepare: func(p *script) { p.decline = true }, fulfillAfter: time.Minute,
			states: "canceled/declined", calls: "authorize PAY",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, p := open(t), newScript()
			if c.prepare != nil {
				c.prepare(p)
			}
			orderID := s.placed().AggregateID
			if c.before != nil {
				c.before(s, orderID)
			}
			s.settle(s.worker(p, c.fulfillAfter))
			if got := s.states(orderID); got != c.states {
				t.Errorf("it ended as %s, want %s", got, c.states)
			}
			if diff := cmp.Diff(c.changed, s.changed); diff != "" {
				t.Errorf("told of versions %s", diff)
			}
			var paymentID string
			if err := s.db.QueryRow(t.Context(), `SELECT id FROM payments WHERE home_region = $1`, home).Scan(&paymentID); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.calls, strings.ReplaceAll(strings.Join(p.calls, ", "), paymentID, "PAY")); diff != "" {
				t.Error(diff)
			}
			if n := s.count(`SELECT count(*) FROM ledger_entries WHERE home_region = $1`, home); n != c.entries {
				t.Errorf("%d ledger entries, want %d", n, c.entries)
			}
			s.lint()
		})
	}
}

// A database that was restored to an earlier point knows less than the provider.
func TestWhatTheProviderDidBeforeARestoreIsTakenUp(t *testing.T) {
	t.Parallel()
	for standing, want := range map[payment.Standing]string{
		payment.StandingCaptured: "fulfilled/captured",
		payment.StandingVoided:   "canceled/declined",
	} {
		t.Run(string(standing), func(t *testing.T) {
			t.Parallel()
			s, p := open(t), newScript()
			w := s.worker(p, time.Minute)
			orderID := s.placed().AggregateID
			p.lose["authorize"] = 1
			s.hurry()
			if _, err := w.Step(t.Context(), home); err != nil {
				t.Fatal(err)
			}
			for id := range p.standing {
				p.standing[id] = standing
			}
			s.settle(w)
			if got := s.states(orderID); got != want {
				t.Errorf("it is %s, want %s", got, want)
			}
			for id, keys := range p.captures {
				if len(keys) > 1 || !keys[id+":capture"] {
					t.Errorf("captured under %v", keys)
				}
			}
			s.lint()
		})
	}
}

// What the provider says of a payment that is being captured or voided is the end of it, except that it never heard of
// one that it had authorized.
func TestWhatTheProviderSaysEndsAStep(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		state    string
		standing payment.Standing
		want     string
	}{
		"the hold was given up there": {"capturing", payment.StandingVoided, "canceled/voided"},
		"the hold ran out there":      {"capturing", payment.StandingDeclined, "canceled/declined"},
		"nothing to capture":          {"capturing", payment.StandingNone, "confirmed/capturing"},
		"nothing to give up":          {"voiding", payment.StandingNone, "confirmed/voided"},
		"too late to give up":         {"voiding", payment.StandingCaptured, "confirmed/voiding"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, p := open(t), newScript()
			w := s.worker(p, 0)
			orderID := s.placed().AggregateID
			s.settle(w)
			s.exec(`UPDATE payments SET state = $2, due_at = now() WHERE home_region = $1`, home, c.state)
			for id := range p.standing {
				p.standing[id] = c.standing
			}
			for range 3 {
				s.hurry()
				if _, err := w.Step(t.Context(), home); err != nil {
					t.Fatal(err)
				}
			}
			if got := s.states(orderID); got != c.want {
				t.Errorf("it is %s, want %s", got, c.want)
			}
			open := strings.HasSuffix(c.want, c.state)
			if n := s.count(`SELECT count(*) FROM payments WHERE home_region = $1 AND attempts = 3 AND due_at > now()`, home); n == 1 != open {
				t.Error("it is not due again later, or its attempts were not counted")
			}
		})
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	if _, err := payment.NewWorker(payment.Config{}); err == nil {
		t.Error("an empty configuration was accepted")
	}
}
