package payment_test

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/proto"

	eventv1 "github.com/meridian-commerce/meridian/api/gen/meridian/event/v1"
	"github.com/meridian-commerce/meridian/internal/audit"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/id"
	"github.com/meridian-commerce/meridian/internal/payment"
	"github.com/meridian-commerce/meridian/internal/payment/paymentmetrics"
	"github.com/meridian-commerce/meridian/internal/payment/providerhttp"
	"github.com/meridian-commerce/meridian/internal/payment/sandbox"
	"github.com/meridian-commerce/meridian/regions"
)

// The provider loses its journal while payments are captured: it never heard of them.
func TestAProviderWithoutItsJournalLeavesPaymentsStuck(t *testing.T) {
	t.Parallel()
	s := open(t)
	var current atomic.Pointer[sandbox.Sandbox]
	replace := func(o sandbox.Options) {
		o.Journal = filepath.Join(t.TempDir(), "journal")
		p, err := sandbox.New(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.Close() })
		current.Store(p)
	}
	replace(sandbox.Options{Seed: 1})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { current.Load().Handler().ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	client, err := providerhttp.New(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	w := s.worker(client, 0)
	want := map[payment.State]string{payment.Captured: "fulfilled/captured", payment.Voided: "canceled/voided", payment.Disputed: "canceled/disputed"}
	orders := map[payment.State]string{}
	for as := range want {
		orders[as] = s.placed().AggregateID
	}
	s.settle(w)
	s.exec(`UPDATE payments SET state = 'capturing', due_at = now() WHERE home_region = $1`, home)
	replace(sandbox.Options{Seed: 1})
	for range 3 {
		s.hurry()
		if _, err := w.Step(t.Context(), home); err != nil {
			t.Fatal(err)
		}
	}
	s.clean()

	r := payment.Resolver{Store: s.store, Orders: s.orders, Regions: regions.Default()}
	paid := func(as payment.State) string { return id.Of(id.Payment, orders[as]) }
	if _, err := r.Resolve(t.Context(), paid(payment.Voided), payment.Voided, "gone"); fault.Reason(err) != "PAYMENT_NOT_STUCK" {
		t.Errorf("a payment that may end by itself: %v", err)
	}
	if s.stuck() != 0 || s.oldest() > 60 {
		t.Errorf("%d are stuck at once", s.stuck())
	}
	s.exec(`UPDATE payments SET since = since - interval '11 minutes' WHERE home_region = $1`, home)
	if s.stuck() != 3 || s.oldest() < 660 {
		t.Errorf("%d are stuck, the oldest for %v s", s.stuck(), s.oldest())
	}
	for as := range want {
		for range 2 { // a repetition changes nothing
			p, err := r.Resolve(t.Context(), paid(as), as, "asked them")
			if err != nil || p.State != as {
				t.Errorf("%s: %+v, %v", as, p, err)
			}
		}
		if got := s.states(orders[as]); got != want[as] {
			t.Errorf("it is %s, want %s", got, want[as])
		}
		s.announced(paid(as), as)
	}
	if s.stuck() != 0 || s.oldest() != 0 {
		t.Errorf("%d are stuck, the oldest for %v s", s.stuck(), s.oldest())
	}
	if n := s.count(`SELECT count(*) FROM payments WHERE home_region = $1 AND resolution = 'asked them' AND due_at IS NULL`, home); n != 3 {
		t.Errorf("%d have their reason", n)
	}
	s.clean()
	s.lint()
}

// stuck returns how many payments are listed as stuck.
func (s *shop) stuck() int {
	s.t.Helper()
	found, err := s.store.List(s.t.Context(), home, true, 10)
	if err != nil {
		s.t.Fatal(err)
	}
	return len(found)
}

// oldest returns what the alert looks at, of payments that are captured.
func (s *shop) oldest() float64 {
	s.t.Helper()
	reg := prometheus.NewRegistry()
	if _, err := paymentmetrics.NewBacklog(s.store, reg).Measure(s.t.Context(), home); err != nil {
		s.t.Fatal(err)
	}
	families, err := reg.Gather()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "meridian_payment_oldest_open_seconds" && m.GetLabel()[1].GetValue() == string(payment.Capturing) {
				return m.GetGauge().GetValue()
			}
		}
	}
	s.t.Fatal("the metric is not there")
	return 0
}

// announced checks the one event of a resolution.
func (s *shop) announced(paymentID string, as payment.State) {
	s.t.Helper()
	var payload []byte
	err := s.db.QueryRow(s.t.Context(), `SELECT payload FROM outbox WHERE home_region = $1 AND order_id = $2 AND type = 'meridian.payment.resolved.v1'`, home, paymentID).Scan(&payload)
	if err != nil {
		s.t.Fatal(err)
	}
	var got eventv1.PaymentResolved
	if err := proto.Unmarshal(payload, &got); err != nil || got.GetPaymentId() != paymentID || got.GetFromState() != "capturing" || got.GetState() != string(as) || got.GetReason() != "asked them" {
		s.t.Errorf("%s: the event is %v, %v", as, &got, err)
	}
}

// clean runs the audit.
func (s *shop) clean() {
	s.t.Helper()
	violations, err := audit.Run(s.t.Context(), s.db.Pool(), regions.Default(), 0)
	for _, v := range violations {
		if v.Invariant != audit.EventTakesEffect { // no relay runs here
			s.t.Errorf("audit: %+v", v)
		}
	}
	if err != nil {
		s.t.Error(err)
	}
}

func TestResolveRefuses(t *testing.T) {
	t.Parallel()
	s, p := open(t), newScript()
	r := payment.Resolver{Store: s.store, Orders: s.orders, Regions: regions.Default()}
	orderID := s.placed().AggregateID
	s.settle(s.worker(p, 0))
	paymentID := id.Of(id.Payment, orderID)
	got := map[string]string{}
	for name, c := range map[string]struct {
		state  string
		id     string
		as     payment.State
		reason string
	}{
		"no end":               {"capturing", paymentID, payment.Declined, "r"},
		"no reason":            {"capturing", paymentID, payment.Voided, " "},
		"no id":                {"capturing", "pay", payment.Voided, "r"},
		"an order's id":        {"capturing", orderID, payment.Voided, "r"},
		"no such payment":      {"capturing", id.New(id.Payment, code), payment.Voided, "r"},
		"not authorized yet":   {"authorizing", paymentID, payment.Captured, "r"},
		"given up":             {"voiding", paymentID, payment.Captured, "r"},
		"nothing asked":        {"authorized", paymentID, payment.Voided, "r"},
		"ended otherwise":      {"captured", paymentID, payment.Voided, "r"},
		"resolved differently": {"disputed", paymentID, payment.Voided, "r"},
	} {
		s.exec(`UPDATE payments SET state = $2, since = now() - interval '1 day', due_at = now() WHERE home_region = $1`, home, c.state)
		_, err := r.Resolve(t.Context(), c.id, c.as, c.reason)
		got[name] = fault.Reason(err)
	}
	want := map[string]string{
		"no end": "PAYMENT_RESOLUTION", "no reason": "PAYMENT_RESOLUTION", "no id": "PAYMENT_NOT_FOUND", "an order's id": "PAYMENT_NOT_FOUND",
		"no such payment": "PAYMENT_NOT_FOUND", "not authorized yet": "PAYMENT_STATE", "given up": "PAYMENT_STATE", "nothing asked": "PAYMENT_STATE",
		"ended otherwise": "PAYMENT_STATE", "resolved differently": "PAYMENT_STATE",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if n := s.count(`SELECT count(*) FROM outbox WHERE home_region = $1 AND type = 'meridian.payment.resolved.v1'`, home); n != 0 {
		t.Errorf("%d events", n)
	}
	if n := s.count(`SELECT count(*) FROM orders o JOIN payments p ON p.home_region = $1 AND p.order_id = o.id WHERE o.home_region = $1 AND o.state = 'confirmed' AND p.resolution = ''`, home); n != 1 {
		t.Error("what was refused changed something")
	}
}
