package orderrpc_test

import (
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	moneyv1 "github.com/meridian-commerce/meridian/api/gen/meridian/money/v1"
	orderv1 "github.com/meridian-commerce/meridian/api/gen/meridian/order/v1"
	"github.com/meridian-commerce/meridian/api/gen/meridian/order/v1/orderv1connect"
	"github.com/meridian-commerce/meridian/internal/id"
	"github.com/meridian-commerce/meridian/internal/order"
	"github.com/meridian-commerce/meridian/internal/rpc/rpctest"
	"github.com/meridian-commerce/meridian/regions"
)

func eur(minor int64) *moneyv1.Money { return &moneyv1.Money{MinorUnits: minor, Currency: "EUR"} }

func TestPlaceOrder(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.fill("A", 2)
	got, err := s.place("k", &orderv1.PlaceOrderRequest{CartEtag: "v1", ExpectedTotal: eur(2000)})
	if err != nil {
		t.Fatal(err)
	}
	want := &orderv1.Order{
		Id: got.GetId(), State: orderv1.OrderState_ORDER_STATE_PENDING_PAYMENT, Total: eur(2000), Version: 1,
		Lines:      []*orderv1.OrderLine{{Sku: "A", Title: "Tea", Quantity: 2, UnitPrice: eur(1000)}},
		CreateTime: got.GetCreateTime(), UpdateTime: got.GetCreateTime(),
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	if at, err := id.Home(regions.Default(), id.Order, got.GetId()); err != nil || at != home {
		t.Errorf("id %s is of %s (%v)", got.GetId(), at, err)
	}
	s.move(got.GetId(), order.Confirmed)
	s.fill("A", 1)
	again, err := s.place("k", &orderv1.PlaceOrderRequest{CartEtag: "v1", ExpectedTotal: eur(2000)})
	if diff := cmp.Diff(want, again, protocmp.Transform()); err != nil || diff != "" {
		t.Errorf("the repeated call answers otherwise: %v\n%s", err, diff)
	}
	read, err := s.GetOrder(rpctest.As(t.Context(), "ada"), &orderv1.GetOrderRequest{Id: got.GetId()})
	want.State, want.Version, want.UpdateTime = orderv1.OrderState_ORDER_STATE_CONFIRMED, 2, read.GetOrder().GetUpdateTime()
	if diff := cmp.Diff(want, read.GetOrder(), protocmp.Transform()); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

// A line says the id of its variant where that is not what it was called; where it is, the answer is that of a release which
// knows of no ids.
func TestLineOfAChangedSKU(t *testing.T) {
	t.Parallel()
	s := open(t)
	for key, want := range map[string]*orderv1.OrderLine{
		"A": {Sku: "A", Title: "Tea", Quantity: 1, UnitPrice: eur(1000)}, "B": {VariantId: "A", Sku: "B", Title: "Tea", Quantity: 1, UnitPrice: eur(1000)},
	} {
		s.call(key)
		s.fill("A", 1)
		placed, err := s.place(key, &orderv1.PlaceOrderRequest{})
		if err != nil {
			t.Fatal(err)
		}
		s.call("C")
		again, err := s.place(key, &orderv1.PlaceOrderRequest{})
		read, err2 := s.GetOrder(rpctest.As(t.Context(), "ada"), &orderv1.GetOrderRequest{Id: placed.GetId()})
		for _, o := range []*orderv1.Order{placed, again, read.GetOrder()} {
			if diff := cmp.Diff([]*orderv1.OrderLine{want}, o.GetLines(), protocmp.Transform()); err != nil || err2 != nil || diff != "" {
				t.Errorf("%v, %v\n%s", err, err2, diff)
			}
		}
	}
}

// A call with a key that has placed an order says so, and leaves alone what is in the cart by now.
func TestRepeatedCallSaysSo(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.fill("A", 1)
	for _, want := range []string{"", "true", "true"} {
		ctx, call := connect.NewClientContext(t.Context())
		call.RequestHeader().Set("Authorization", "Bearer ada")
		call.RequestHeader().Set("Idempotency-Key", "k")
		_, err := s.PlaceOrder(ctx, &orderv1.PlaceOrderRequest{})
		if got := call.ResponseHeader().Get("Idempotent-Replayed"); err != nil || got != want {
			t.Errorf("Idempotent-Replayed is %q, want %q; %v", got, want, err)
		}
		s.fill("A", 2)
	}
	if c, err := s.carts.Find(t.Context(), home, "usr_eu1_ada"); err != nil || c.Items["A"] != 2 {
		t.Errorf("the cart has %v, %v", c.Items, err)
	}
}

func TestPlaceOrderRefusals(t *testing.T) {
	t.Parallel()
	s := open(t)
	_, err := s.PlaceOrder(rpctest.As(t.Context(), "ada"), &orderv1.PlaceOrderRequest{})
	rpctest.Refused(t, "no key", err, connect.CodeInvalidArgument, "IDEMPOTENCY_KEY_MISSING")
	_, err = s.place("two words", &orderv1.PlaceOrderRequest{})
	rpctest.Refused(t, "odd key", err, connect.CodeInvalidArgument, "IDEMPOTENCY_KEY_INVALID")
	_, err = s.PlaceOrder(rpctest.With(t.Context(), "Idempotency-Key", "k"), &orderv1.PlaceOrderRequest{})
	rpctest.Refused(t, "nobody", err, connect.CodeUnauthenticated, "TOKEN_MISSING")
	_, err = s.place("empty", &orderv1.PlaceOrderRequest{})
	rpctest.Refused(t, "empty cart", err, connect.CodeFailedPrecondition, "CART_EMPTY")
	s.fill("A", 11)
	_, err = s.place("many", &orderv1.PlaceOrderRequest{})
	rpctest.Refused(t, "more than there is", err, connect.CodeFailedPrecondition, "OUT_OF_STOCK")
	s.fill("A", 1)
	_, err = s.place("etag", &orderv1.PlaceOrderRequest{CartEtag: "v1"})
	rpctest.Refused(t, "old etag", err, connect.CodeAborted, "CART_CHANGED")
	for name, total := range map[string]*moneyv1.Money{
		"too low": eur(999), "another currency": {MinorUnits: 1000, Currency: "USD"}, "nothing": {Currency: "EUR"},
	} {
		_, err = s.place("total", &orderv1.PlaceOrderRequest{ExpectedTotal: total})
		rpctest.Refused(t, "expected total: "+name, err, connect.CodeAborted, "TOTAL_CHANGED")
	}
	for name, total := range map[string]*moneyv1.Money{"no currency": {MinorUnits: 1000}, "empty": {}, "no such currency": {MinorUnits: 1000, Currency: "EURO"}} {
		_, err = s.place("total", &orderv1.PlaceOrderRequest{ExpectedTotal: total})
		rpctest.Refused(t, "expected total: "+name, err, connect.CodeInvalidArgument, "CURRENCY_UNKNOWN")
	}
	if _, err := s.place("k", &orderv1.PlaceOrderRequest{}); err != nil {
		t.Errorf("after all that: %v", err)
	}
}

// A key that stood for another request is 422, which Connect has no code for; and curl may place an order.
func TestPlaceOrderByPost(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.fill("A", 1)
	post := func(body string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.server.URL+orderv1connect.OrderServicePlaceOrderProcedure, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer ada"}, "Idempotency-Key": {"k"}}
		status, _, answer := rpctest.Do(t, s.server, r)
		return status, answer
	}
	status, first := post("{}")
	if status != http.StatusOK || !strings.Contains(first, `"state":"ORDER_STATE_PENDING_PAYMENT"`) {
		t.Fatalf("status %d, body %s", status, first)
	}
	if status, body := post(`{"cartEtag":"v1"}`); status != http.StatusUnprocessableEntity || !strings.Contains(body, `"code":"invalid_argument"`) {
		t.Errorf("status %d, body %s", status, body)
	}
	if status, again := post("{}"); status != http.StatusOK || again != first {
		t.Errorf("status %d, body %s, want %s", status, again, first)
	}
}

func TestGetOrder(t *testing.T) {
	t.Parallel()
	s := open(t)
	o := s.placed("k")
	message := `{"id":"` + o.GetId() + `"}`
	if status, _, body := rpctest.Get(t, s.server, orderv1connect.OrderServiceGetOrderProcedure, message, "ada"); status != http.StatusOK || !strings.Contains(body, o.GetId()) {
		t.Errorf("status %d, body %s", status, body)
	}
	if status, _, body := rpctest.Get(t, s.server, orderv1connect.OrderServiceGetOrderProcedure, message, ""); status != http.StatusUnauthorized {
		t.Errorf("by nobody: status %d, body %s", status, body)
	}
	_, err := s.GetOrder(t.Context(), &orderv1.GetOrderRequest{Id: o.GetId()})
	rpctest.Refused(t, "nobody", err, connect.CodeUnauthenticated, "TOKEN_MISSING")
	for name, orderID := range map[string]string{"another user's": o.GetId(), "unknown": id.New(id.Order, "eu1"), "no id": "x\x00"} {
		_, err := s.GetOrder(rpctest.As(t.Context(), "eve"), &orderv1.GetOrderRequest{Id: orderID})
		rpctest.Refused(t, name, err, connect.CodeNotFound, "ORDER_NOT_FOUND")
	}
	s.move(o.GetId(), order.Canceled)
	read, err := s.GetOrder(rpctest.As(t.Context(), "ada"), &orderv1.GetOrderRequest{Id: o.GetId()})
	if got := read.GetOrder(); err != nil || got.GetState() != orderv1.OrderState_ORDER_STATE_CANCELED || got.GetCancelReason() != "PAYMENT_DECLINED" {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestListOrders(t *testing.T) {
	t.Parallel()
	s := open(t)
	var want []string
	for _, key := range []string{"1", "2", "3", "4", "5"} {
		want = append([]string{s.placed(key).GetId()}, want...)
	}
	var got []string
	for token := ""; ; {
		page, err := s.ListOrders(rpctest.As(t.Context(), "ada"), &orderv1.ListOrdersRequest{PageSize: 2, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.GetOrders() {
			got = append(got, o.GetId())
		}
		if token = page.GetNextPageToken(); token == "" {
			break
		}
		_, err = s.ListOrders(rpctest.As(t.Context(), "eve"), &orderv1.ListOrdersRequest{PageToken: token})
		rpctest.Refused(t, "another user's token", err, connect.CodeInvalidArgument, "PAGE_TOKEN_INVALID")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if page, err := s.ListOrders(rpctest.As(t.Context(), "eve"), &orderv1.ListOrdersRequest{}); err != nil || len(page.GetOrders()) != 0 {
		t.Errorf("another user sees %v, %v", page, err)
	}
	_, err := s.ListOrders(t.Context(), &orderv1.ListOrdersRequest{})
	rpctest.Refused(t, "nobody", err, connect.CodeUnauthenticated, "TOKEN_MISSING")
	_, err = s.ListOrders(rpctest.As(t.Context(), "ada"), &orderv1.ListOrdersRequest{PageSize: 101})
	rpctest.Refused(t, "long page", err, connect.CodeInvalidArgument, "PAGE_SIZE_INVALID")
	_, err = s.ListOrders(rpctest.As(t.Context(), "ada"), &orderv1.ListOrdersRequest{PageToken: "!"})
	rpctest.Refused(t, "made-up token", err, connect.CodeInvalidArgument, "PAGE_TOKEN_INVALID")
}
