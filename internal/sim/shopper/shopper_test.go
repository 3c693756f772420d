package shopper_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/load/shoptest"
	"github.com/meridian-commerce/meridian/internal/sim/shopper"
)

func caller(t *testing.T, shop *shoptest.Shop) http.RoundTripper {
	t.Helper()
	rt, err := shop.Caller("Dublin", netip.Addr{})
	if err != nil {
		t.Fatal(err)
	}
	return rt
}

func TestAShopperBuys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var h history.History
		shop := &shoptest.Shop{Before: func(context.Context, *http.Request) error { time.Sleep(time.Millisecond); return nil }}
		s := shopper.New(caller(t, shop), shopper.Origin)
		s.History = &h
		products, err := s.Products(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		skus, err := shopper.SKUs(products, "EUR", "USD")
		if err != nil {
			t.Fatal(err)
		}
		sku := skus[0]
		if none, err := shopper.SKUs(products, "EUR", "XTS"); err == nil {
			t.Errorf("%v are sold in a currency that there is not", none)
		}
		var kinds []history.Kind
		for _, r := range []shopper.Request{
			shopper.SignUp("a@example.com", "correct horse", "Ada", "EUR"), shopper.SignIn("a@example.com", "correct horse"),
			shopper.ListProducts(20), shopper.GetProduct(products[0].GetHandle()), shopper.Search("thing"),
			shopper.SetItem(sku, 2, ""), shopper.GetCart(), shopper.PlaceOrder("key"), shopper.GetOrder("ord0"), shopper.WatchOrder("ord0"),
		} {
			op := s.Ask(t.Context(), r)
			if err := op.Err(); err != nil {
				t.Error(err)
			}
			if op.Entry != "eu-west-1" || op.Edge == 0 || op.Returned.Before(op.Invoked) || op.Intended.IsZero() || op.Attempt != 1 {
				t.Errorf("%+v", op)
			}
			kinds = append(kinds, op.Kind)
		}
		if s.ID() == "" || s.Home() != "eu-west-1" || time.Until(s.Expires()) < time.Minute {
			t.Errorf("account %s at home in %s until %v", s.ID(), s.Home(), s.Expires())
		}
		messages := 0
		var noted []history.Kind
		for _, op := range h.Ops() {
			if op.Kind == history.WatchMessage {
				messages++
				continue
			}
			noted = append(noted, op.Kind)
			if op.Kind == history.PlaceOrder && (op.Key != "key" || op.Digest == "" || op.State != "pending_payment" || op.Items[sku] != 2) {
				t.Errorf("%+v", op)
			}
		}
		if diff := cmp.Diff(kinds, noted); diff != "" || messages != 3 {
			t.Errorf("%d messages of a stream of three states; history (-asked +noted):\n%s", messages, diff)
		}
	})
}

func TestAShopperGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		shop := &shoptest.Shop{Before: func(ctx context.Context, _ *http.Request) error { <-ctx.Done(); return ctx.Err() }}
		s := shopper.New(caller(t, shop), shopper.Origin)
		if op := s.Ask(t.Context(), shopper.GetCart()); op.Outcome != history.Info || op.Latency() != shopper.Patience || op.Err() == nil {
			t.Errorf("%v after %v", op.Outcome, op.Latency())
		}
		s.Patience = time.Second
		if op := s.Ask(t.Context(), shopper.GetCart()); op.Latency() != time.Second {
			t.Errorf("gave up after %v", op.Latency())
		}
	})
}

// TestWhatWasNeverSent: a refused connection leaves nothing unknown, unless net/http may have sent the request before.
func TestWhatWasNeverSent(t *testing.T) {
	t.Parallel()
	refused, broken := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, &net.OpError{Op: "read", Err: syscall.ECONNRESET}
	for _, tt := range []struct {
		err  error
		r    shopper.Request
		want history.Outcome
	}{
		{fmt.Errorf("internet: %w", refused), shopper.SetItem("sku", 1, ""), history.Fail},
		{fmt.Errorf("internet: %w", broken), shopper.SetItem("sku", 1, ""), history.Info},
		{refused, shopper.PlaceOrder("key"), history.Info},
	} {
		shop := &shoptest.Shop{Before: func(context.Context, *http.Request) error { return tt.err }}
		op := shopper.New(caller(t, shop), shopper.Origin).Ask(t.Context(), tt.r)
		if op.Outcome != tt.want || op.Code != history.Transport || op.Momentary() != (tt.want == history.Fail) {
			t.Errorf("%s after %v: %+v", op.Kind, tt.err, op)
		}
	}
}

func TestWord(t *testing.T) {
	t.Parallel()
	for title, want := range map[string]string{"Field Kettle, 0.9 l": "Kettle", "": "", "12": ""} {
		if got := shopper.Word(title); got != want {
			t.Errorf("%q: %q, want %q", title, got, want)
		}
	}
}

func TestSpreadGivesEachRequestAnAddress(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	rt := shopper.Spread(roundTripper(func(r *http.Request) (*http.Response, error) {
		seen[r.Header.Get("X-Forwarded-For")] = r.Header.Get("CF-IPCountry") == "IE"
		return nil, http.ErrServerClosed
	}))
	for range 300 {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, shopper.Origin, nil)
		if err != nil {
			t.Fatal(err)
		}
		if res, err := rt.RoundTrip(r); err == nil {
			_ = res.Body.Close()
		}
	}
	if len(seen) != 300 || !seen["86.40.1.1"] {
		t.Errorf("%d addresses", len(seen))
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
