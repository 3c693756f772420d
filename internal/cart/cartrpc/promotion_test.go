package cartrpc_test

import (
	"crypto/sha256"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	cartv1 "github.com/meridian-commerce/meridian/api/gen/meridian/cart/v1"
	checkoutv1 "github.com/meridian-commerce/meridian/api/gen/meridian/checkout/v1"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/id"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/order"
	"github.com/meridian-commerce/meridian/internal/order/ordersql"
	"github.com/meridian-commerce/meridian/internal/promotion"
	"github.com/meridian-commerce/meridian/internal/promotion/promotionsql"
	"github.com/meridian-commerce/meridian/internal/rpc"
	"github.com/meridian-commerce/meridian/internal/rpc/rpctest"
	"github.com/meridian-commerce/meridian/internal/stock/stocksql"
	"github.com/meridian-commerce/meridian/regions"
)

// promote puts promotions of the shop: a tenth off everything, 5.00 off large tea by a code, and one that is over.
func (s shop) promote(t *testing.T) *promotionsql.Store {
	t.Helper()
	store := promotionsql.New(s.db)
	err := store.Put(t.Context(), []promotion.Promotion{
		{ID: "tenth", Name: "A tenth", BasisPoints: 1000, Enabled: true},
		{
			ID: "welcome", Name: "Welcome", Code: "WELCOME", Amounts: []money.Money{{Minor: 500, Currency: "EUR"}}, Variants: []string{"A"},
			Minimum: []money.Money{{Minor: 2000, Currency: "EUR"}}, Enabled: true,
		},
		{ID: "past", Name: "Past", Code: "PAST", BasisPoints: 1, Until: time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC), Enabled: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// A cart shows what promotions take off and by which code, and says which of its codes take nothing off.
func TestPromotionCodes(t *testing.T) {
	t.Parallel()
	client := serve(t)
	client.promote(t)
	as := rpctest.As(t.Context(), "ada")
	set := func(quantity int32) {
		t.Helper()
		if _, err := client.SetItem(as, &cartv1.SetItemRequest{Sku: "A", Quantity: &quantity}); err != nil {
			t.Fatal(err)
		}
	}
	shows := func(want *cartv1.Cart) {
		t.Helper()
		got, err := client.GetCart(as, &cartv1.GetCartRequest{})
		if diff := cmp.Diff(want, got.GetCart(), protocmp.Transform(), protocmp.IgnoreFields(&cartv1.Cart{}, "items")); err != nil || diff != "" {
			t.Errorf("%v\n%s", err, diff)
		}
	}
	set(1)
	_, err := client.AddPromotionCode(as, &cartv1.AddPromotionCodeRequest{Code: "NOBODYS"})
	rpctest.Refused(t, "a code of nobody's", err, connect.CodeNotFound, "PROMOTION_CODE_UNKNOWN")
	_, err = client.AddPromotionCode(as, &cartv1.AddPromotionCodeRequest{Code: "past"})
	rpctest.Refused(t, "one that is over", err, connect.CodeFailedPrecondition, "PROMOTION_CODE_EXPIRED")
	_, err = client.AddPromotionCode(as, &cartv1.AddPromotionCodeRequest{Code: "welcome", Etag: "v0"})
	rpctest.Refused(t, "an old etag", err, connect.CodeAborted, "CART_CHANGED")
	tenth := func(minor int64) *checkoutv1.Adjustment {
		return &checkoutv1.Adjustment{Source: "promotion/tenth", Kind: "discount", Sku: "A", Amount: eur(minor)}
	}
	below := &cartv1.Cart{
		Adjustments: []*checkoutv1.Adjustment{tenth(-100)}, PromotionCodes: []*cartv1.PromotionCode{{Code: "WELCOME"}},
		Etag: "v2", Subtotal: eur(1000), Total: eur(900),
	}
	for range 2 {
		added, err := client.AddPromotionCode(as, &cartv1.AddPromotionCodeRequest{Code: " welcome"})
		if diff := cmp.Diff(below, added.GetCart(), protocmp.Transform(), protocmp.IgnoreFields(&cartv1.Cart{}, "items")); err != nil || diff != "" {
			t.Errorf("%v\n%s", err, diff)
		}
	}
	set(3)
	shows(&cartv1.Cart{
		Adjustments:    []*checkoutv1.Adjustment{tenth(-300), {Source: "promotion/welcome", Kind: "discount", Sku: "A", Amount: eur(-500), Code: "WELCOME"}},
		PromotionCodes: []*cartv1.PromotionCode{{Code: "WELCOME", Applied: true}},
		Etag:           "v3", Subtotal: eur(3000), Total: eur(2200),
	})
	removed, err := client.RemovePromotionCode(as, &cartv1.RemovePromotionCodeRequest{Code: "Welcome", Etag: "v3"})
	if err != nil || removed.GetCart().GetEtag() != "v4" || removed.GetCart().GetTotal().GetMinorUnits() != 2700 || len(removed.GetCart().GetPromotionCodes()) != 0 {
		t.Errorf("%v, %v", removed.GetCart(), err)
	}
}

// What a cart shows is what its order costs, line by line; and an order is refused rather than placed at another total.
func TestOrderCostsWhatTheCartShows(t *testing.T) {
	t.Parallel()
	client := serve(t)
	promotions := client.promote(t)
	as := rpctest.As(t.Context(), "ada")
	if err := stocksql.New(client.db, regions.Default()).Allot(t.Context(), map[string]int64{"A": 30, "B": 30}); err != nil {
		t.Fatal(err)
	}
	orders := ordersql.New(client.db, fourthFree)
	placement := func(key string, total int64) order.Placement {
		return order.Placement{
			ID: id.New(id.Order, "eu1"), EventID: id.New(id.Event, "eu1"), Home: "eu-west-1", UserID: "usr_eu1_ada", Currency: "EUR", Key: key,
			ExpectedTotal: money.Money{Minor: total, Currency: "EUR"}, RequestHash: sha256.Sum256([]byte(key)),
		}
	}
	fill := func() *cartv1.Cart {
		t.Helper()
		for sku, quantity := range map[string]int32{"A": 5, "B": 3} {
			if _, err := client.SetItem(as, &cartv1.SetItemRequest{Sku: sku, Quantity: &quantity}); err != nil {
				t.Fatal(err)
			}
		}
		c, err := client.AddPromotionCode(as, &cartv1.AddPromotionCodeRequest{Code: "welcome"})
		if err != nil {
			t.Fatal(err)
		}
		return c.GetCart()
	}
	shown := fill()
	if err := promotions.Disable(t.Context(), "tenth"); err != nil {
		t.Fatal(err)
	}
	if _, err := orders.Place(t.Context(), placement("ended", shown.GetTotal().GetMinorUnits())); fault.Reason(err) != "TOTAL_CHANGED" {
		t.Errorf("a promotion that ended after the cart was shown: %v", err)
	}
	client.promote(t)
	p := placement("k", shown.GetTotal().GetMinorUnits())
	placed, err := orders.Place(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(shown.GetAdjustments(), rpc.Adjustments(placed.Adjustments), protocmp.Transform()); diff != "" || len(shown.GetAdjustments()) != 4 {
		t.Errorf("of %d adjustments\n%s", len(shown.GetAdjustments()), diff)
	}
	after, err := client.GetCart(as, &cartv1.GetCartRequest{})
	if err != nil || len(after.GetCart().GetPromotionCodes()) != 0 || len(after.GetCart().GetItems()) != 0 {
		t.Errorf("the cart still has %v, %v", after.GetCart(), err)
	}
	// What became of promotions changes no order that was placed.
	if err := promotions.Disable(t.Context(), "tenth"); err != nil {
		t.Fatal(err)
	}
	again, err := orders.Place(t.Context(), p)
	if diff := cmp.Diff(placed, again); err != nil || diff != "" {
		t.Errorf("repeated: %v\n%s", err, diff)
	}
	read, err := orders.Find(t.Context(), "eu-west-1", p.ID)
	if diff := cmp.Diff(placed, read); err != nil || diff != "" {
		t.Errorf("read back: %v\n%s", err, diff)
	}
}
