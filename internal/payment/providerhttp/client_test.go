package providerhttp_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/payment"
	"github.com/meridian-commerce/meridian/internal/payment/providerhttp"
	"github.com/meridian-commerce/meridian/internal/payment/sandbox"
)

func client(t *testing.T, h http.Handler) *providerhttp.Client {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	c, err := providerhttp.New(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func against(t *testing.T, o sandbox.Options) (*providerhttp.Client, *sandbox.Sandbox) {
	t.Helper()
	s, err := sandbox.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return client(t, s.Handler()), s
}

func charge(id string) payment.Charge {
	return payment.Charge{PaymentID: id, OrderID: "ord", Amount: money.Money{Minor: 1250, Currency: "EUR"}}
}

var withoutCause = cmpopts.IgnoreFields(payment.Outcome{}, "Err")

func TestLifeOfAPayment(t *testing.T) {
	t.Parallel()
	c, s := against(t, sandbox.Options{})
	ctx := t.Context()
	find := func(want payment.Finding) {
		t.Helper()
		got, err := c.Find(ctx, "pay_1")
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Error(err, diff)
		}
	}
	approved := payment.Outcome{Decision: payment.Approved, Ref: "sbx_1"}
	is := func(name string, got, want payment.Outcome) {
		t.Helper()
		if diff := cmp.Diff(want, got, withoutCause); diff != "" || (got.Decision == payment.Unknown) != (got.Err != nil) {
			t.Errorf("%s: %v %s", name, got.Err, diff)
		}
	}
	find(payment.Finding{Standing: payment.StandingNone})
	is("capture of nothing", c.Capture(ctx, charge("pay_1"), "c"), payment.Outcome{})
	is("authorize", c.Authorize(ctx, charge("pay_1"), "a"), approved)
	find(payment.Finding{Standing: payment.StandingAuthorized, Ref: "sbx_1"})
	is("authorize again", c.Authorize(ctx, charge("pay_1"), "a"), approved)
	is("capture", c.Capture(ctx, charge("pay_1"), "c"), approved)
	is("capture again", c.Capture(ctx, charge("pay_1"), "c"), approved)
	find(payment.Finding{Standing: payment.StandingCaptured, Ref: "sbx_1"})
	is("void of a captured one", c.Void(ctx, charge("pay_1"), "v"), payment.Outcome{})
	if got := s.Payments(); len(got) != 1 || len(got[0].Captures) != 1 || got[0].Captures[0].AmountMinor != 1250 {
		t.Errorf("%+v", got)
	}
	part := charge("pay_1")
	part.Amount.Minor = 1249
	is("refund", c.Refund(ctx, part, "r"), approved)
	is("refund again", c.Refund(ctx, part, "r"), approved)
	part.Amount.Minor = 2
	is("refund of more than is left", c.Refund(ctx, part, "s"), payment.Outcome{Decision: payment.DeclinedByProvider, Reason: "EXCEEDS_CAPTURE"})
	if got := s.Payments(); len(got[0].Refunds) != 1 || got[0].Refunds[0].AmountMinor != 1249 {
		t.Errorf("%+v", got)
	}
	is("authorize another", c.Authorize(ctx, charge("pay_2"), "a"), payment.Outcome{Decision: payment.Approved, Ref: "sbx_2"})
	is("void", c.Void(ctx, charge("pay_2"), "v"), payment.Outcome{Decision: payment.Approved, Ref: "sbx_2"})
}

func TestDecline(t *testing.T) {
	t.Parallel()
	c, _ := against(t, sandbox.Options{DeclinePercent: 100})
	got := c.Authorize(t.Context(), charge("pay_1"), "a")
	if diff := cmp.Diff(payment.Outcome{Decision: payment.DeclinedByProvider, Reason: "INSUFFICIENT_FUNDS"}, got, withoutCause); diff != "" {
		t.Error(diff)
	}
	f, err := c.Find(t.Context(), "pay_1")
	if err != nil || f.Standing != payment.StandingDeclined {
		t.Errorf("%+v, %v", f, err)
	}
}

// A provider that declines with a status alone has declined.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]payment.Outcome{
		`402 {"state":"declined","reason":"EXPIRED"}`: {Decision: payment.DeclinedByProvider, Reason: "EXPIRED"},
		`402 <html>`:                  {Decision: payment.DeclinedByProvider, Reason: "UNSTATED"},
		`200 {"state":"declined"}`:    {Decision: payment.DeclinedByProvider, Reason: "UNSTATED"},
		`401 {"state":"declined"}`:    {},
		`409 {"state":"authorized"}`:  {},
		`429 {"error":"later"}`:       {},
		`500 {"state":"declined"}`:    {},
		`200 {"state":"on its way?"}`: {},
	} {
		status, body, _ := strings.Cut(answer, " ")
		code, err := strconv.Atoi(status)
		if err != nil {
			t.Fatal(err)
		}
		c := client(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			_, _ = w.Write([]byte(body))
		}))
		for name, got := range map[string]payment.Outcome{"authorize": c.Authorize(t.Context(), charge("p"), "a"), "capture": c.Capture(t.Context(), charge("p"), "c")} {
			if diff := cmp.Diff(want, got, withoutCause); diff != "" || (got.Decision == payment.Unknown) != (got.Err != nil) {
				t.Errorf("%s answered by %s: %s %v", name, answer, diff, got.Err)
			}
		}
	}
}

func TestLostAnswerIsUnknownAndDone(t *testing.T) {
	t.Parallel()
	c, s := against(t, sandbox.Options{LostPercent: 100})
	if got := c.Authorize(t.Context(), charge("pay_1"), "a"); got.Decision != payment.Unknown || got.Err == nil {
		t.Errorf("%+v", got)
	}
	if got := s.Payments(); len(got) != 1 || got[0].State != "authorized" {
		t.Errorf("%+v", got)
	}
	if f, err := c.Find(t.Context(), "pay_1"); err != nil || f.Standing != payment.StandingAuthorized {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestBadAnswersAreUnknown(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]http.HandlerFunc{
		"500":           func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"no JSON":       func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"unknown state": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"state":"pondering"}`)) },
	} {
		c := client(t, h)
		if got := c.Authorize(t.Context(), charge("p"), "a"); got.Decision != payment.Unknown || got.Err == nil {
			t.Errorf("%s: %+v", name, got)
		}
		if _, err := c.Find(t.Context(), "p"); err == nil {
			t.Errorf("%s: Find believes it", name)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c, _ := against(t, sandbox.Options{})
	if got := c.Authorize(ctx, charge("p"), "a"); got.Decision != payment.Unknown || !errors.Is(got.Err, context.Canceled) {
		t.Errorf("canceled: %+v", got)
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "provider:80", "ftp://provider", "http://", "::"} {
		if _, err := providerhttp.New(bad); !errors.Is(err, providerhttp.ErrConfig) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
