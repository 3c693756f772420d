package load_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	orderv1 "github.com/meridian-commerce/meridian/api/gen/meridian/order/v1"
	"github.com/meridian-commerce/meridian/api/gen/meridian/order/v1/orderv1connect"
	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/internet"
	"github.com/meridian-commerce/meridian/internal/sim/load"
	"github.com/meridian-commerce/meridian/internal/sim/load/shoptest"
)

// draining is an instance that ends every watch at once.
type draining struct {
	orderv1connect.UnimplementedOrderServiceHandler
}

// WatchOrder implements the method.
func (draining) WatchOrder(context.Context, *orderv1.WatchOrderRequest, *connect.ServerStream[orderv1.WatchOrderResponse]) error {
	err := connect.NewError(connect.CodeUnavailable, errors.New("going away"))
	detail, _ := connect.NewErrorDetail(&errdetails.ErrorInfo{Reason: history.Draining, Domain: "meridian"})
	err.AddDetail(detail)
	return err
}

// leaving is a shop whose instances go away under every other watch.
type leaving struct {
	*shoptest.Shop
	watches atomic.Int64
}

// Caller implements load.Access.
func (l *leaving) Caller(city string, address netip.Addr) (http.RoundTripper, error) {
	shop, err := l.Shop.Caller(city, address)
	_, away := orderv1connect.NewOrderServiceHandler(draining{})
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if !strings.HasSuffix(r.URL.Path, "/WatchOrder") || l.watches.Add(1)%2 == 0 {
			return shop.RoundTrip(r)
		}
		rec := httptest.NewRecorder()
		away.ServeHTTP(rec, r)
		return rec.Result(), nil
	}), err
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestAWatchWhoseInstanceLeavesIsTakenUpAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &history.History{}
		l := setUp(t, &leaving{Shop: &shoptest.Shop{}}, h, time.Minute)
		if _, err := l.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		ended, again := 0, 0
		for _, op := range h.Ops() {
			switch {
			case op.Kind != history.Watch:
			case op.Reason == history.Draining:
				ended++
			case op.Attempt == 2 && op.Outcome == history.OK:
				again++
			}
		}
		if ended == 0 || ended != again {
			t.Errorf("%d watches were ended, %d taken up anew", ended, again)
		}
	})
}

func setUp(t *testing.T, access load.Access, h *history.History, length time.Duration) *load.Load {
	t.Helper()
	l, err := load.New(t.Context(), load.Config{
		Seed: 1, Rate: 20, Duration: length, Shoppers: 60, Hour: 12, Cities: internet.Cities(), Access: access, History: h,
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestALoadEndsEarly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &history.History{}
		l := setUp(t, &shoptest.Shop{}, h, time.Hour)
		began := time.Now()
		time.AfterFunc(10*time.Second, func() { l.End(); l.End() })
		r, err := l.Run(t.Context())
		if took := time.Since(began); err != nil || took < 10*time.Second || took > 40*time.Second || r.Arrivals < 100 {
			t.Errorf("%d arrivals in %v, %v", r.Arrivals, took, err)
		}
		for _, op := range h.Ops() {
			if !op.Succeeded() {
				t.Errorf("%s was cut off: %s", op.Kind, op.Message)
			}
		}
	})
}
