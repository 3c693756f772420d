package payment_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/meridian-commerce/meridian/internal/event"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/id"
	"github.com/meridian-commerce/meridian/internal/payment"
)

var states = []payment.State{
	payment.Created, payment.Authorizing, payment.Authorized, payment.Capturing, payment.Captured, payment.Declined, payment.Voiding, payment.Voided, payment.Disputed,
}

func TestTransitions(t *testing.T) {
	t.Parallel()
	legal := "created→authorizing authorizing→authorized authorizing→declined authorized→capturing authorized→voiding capturing→captured voiding→voided " +
		"capturing→declined authorizing→voided capturing→voided authorizing→disputed capturing→disputed voiding→disputed"
	n := 0
	for _, from := range states {
		for _, to := range states {
			err := from.To(to)
			if err == nil {
				n++
			}
			if want := strings.Contains(legal, fmt.Sprintf("%s→%s", from, to)); (err == nil) != want {
				t.Errorf("%s → %s: %v", from, to, err)
			}
			if err != nil && (!fault.Is(err, fault.FailedPrecondition) || !strings.Contains(err.Error(), string(from)+" to "+string(to))) {
				t.Errorf("%s → %s: the error is %v", from, to, err)
			}
		}
		if next := from.Working(); next != from && from.To(next) != nil {
			t.Errorf("a worker would put %s into %s", from, next)
		}
	}
	if n != 13 || !payment.Captured.Final() || payment.Authorized.Final() {
		t.Errorf("%d transitions", n)
	}
}

func TestSchemaKnowsEveryState(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.placed()
	for _, state := range states {
		s.exec(`UPDATE payments SET state = $2 WHERE home_region = $1`, home, state)
	}
	if _, err := s.db.Exec(t.Context(), `UPDATE payments SET state = 'lost' WHERE home_region = $1`, home); err == nil {
		t.Error("the schema accepts a state that does not exist")
	}
}

func TestConsumer(t *testing.T) {
	t.Parallel()
	s := open(t)
	e := s.place()
	for range 2 {
		if err := s.take(e); err != nil {
			t.Fatal(err)
		}
	}
	twin := e
	twin.ID = "evt_eu1_00000000000000000000000000" // the inbox forgot it: the order still has one payment at most
	if err := s.take(twin); err != nil {
		t.Fatal(err)
	}
	if n := s.count(`SELECT count(*) FROM payments WHERE home_region = $1 AND state = 'created' AND due_at <= now() AND amount_minor = 1250 AND currency = 'EUR' AND id = $2`, home, id.Of(id.Payment, e.AggregateID)); n != 1 {
		t.Errorf("%d payments", n)
	}
	s.lint()
}

func TestConsumerRefusesWhatIsNoOrder(t *testing.T) {
	t.Parallel()
	s := open(t)
	for name, spoil := range map[string]func(e *event.Event){
		"payload":       func(e *event.Event) { e.Payload = []byte{0xff} },
		"no payload":    func(e *event.Event) { e.Payload = nil },
		"another order": func(e *event.Event) { e.AggregateID = id.New(id.Order, code) },
		"no order id":   func(e *event.Event) { e.AggregateID = "x" },
		"another home":  func(e *event.Event) { e.Home = "us-east-1" },
	} {
		e := s.place()
		spoil(&e)
		if err := s.take(e); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := s.count(`SELECT count(*) FROM payments WHERE home_region = $1`, home); n != 0 {
		t.Errorf("%d payments", n)
	}
}
