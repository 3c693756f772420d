package ordersql_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/catalog/catalogsql"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/order"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/regions"
)

// call gives the tea's large variant, whose id is A, another SKU.
func (s *shop) call(sku string) {
	s.t.Helper()
	_, err := catalogsql.New(s.db, regions.Default(), s.clock).Put(s.t.Context(), []catalog.Product{{
		Handle: "tea", Title: "Tea", Active: true,
		Variants: []catalog.Variant{
			{SKU: sku, Title: "Large", Prices: []money.Money{{Minor: 1000, Currency: "EUR"}}},
			{SKU: "B", Prices: []money.Money{{Minor: 250, Currency: "EUR"}}},
		},
	}})
	if err != nil && !fault.Is(err, fault.Unavailable) { // it lost too many races
		s.t.Error(err)
	}
}

// TestOrderOfAChangedSKU places an order of a cart that was filled before a SKU changed: the variant and its units are the
// same, the line says what it was called when it was ordered, and stays so.
func TestOrderOfAChangedSKU(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.fill("u", map[string]int64{"A": 2})
	s.call("A-2")
	placed, err := s.store.Place(t.Context(), s.placement("u", "k"))
	if err != nil {
		t.Fatal(err)
	}
	s.call("A-3")
	read, err := s.store.Find(t.Context(), home, placed.ID)
	again, err2 := s.store.Place(t.Context(), s.placement("u", "k"))
	for _, o := range []order.Order{placed, read, again} {
		if err != nil || err2 != nil || len(o.Lines) != 1 || o.Lines[0].Variant != "A" || o.Lines[0].SKU != "A-2" {
			t.Errorf("got %+v, %v, %v", o.Lines, err, err2)
		}
	}
	if got := s.stock("A"); got != (units{8, 2, 0}) {
		t.Errorf("the stock is %+v", got)
	}
	s.fill("v", map[string]int64{"A": 9})
	if _, err := s.store.Place(t.Context(), s.placement("v", "k")); fault.Reason(err) != "OUT_OF_STOCK" || !strings.Contains(err.Error(), "A-3") {
		t.Errorf("more than there is: %v", err)
	}
	if err := s.db.InTx(t.Context(), func(tx sqldb.Tx) error { return s.store.Cancel(t.Context(), tx, home, placed.ID, "PAYMENT_DECLINED") }); err != nil {
		t.Fatal(err)
	}
	if got := s.stock("A"); got != (units{10, 0, 0}) {
		t.Errorf("after it was canceled the stock is %+v", got)
	}
	s.lint()
}

// TestOrdersWhileASKUChanges places orders while the SKU changes again and again: each is of the variant, under one of the
// SKUs, and its units are taken once.
func TestOrdersWhileASKUChanges(t *testing.T) {
	t.Parallel()
	s := open(t)
	const callers = 8
	for i := range callers {
		s.fill(fmt.Sprint("u", i), map[string]int64{"A": 1})
	}
	var wg sync.WaitGroup
	var orders atomic.Int64
	for i := range callers {
		wg.Go(func() {
			o, err := s.store.Place(t.Context(), s.placement(fmt.Sprint("u", i), "k"))
			switch {
			case fault.Is(err, fault.Unavailable): // it lost too many races
			case err != nil:
				t.Error(err)
			default:
				orders.Add(1)
				if l := o.Lines[0]; l.Variant != "A" || (l.SKU != "A" && !strings.HasPrefix(l.SKU, "A-")) {
					t.Errorf("ordered is %+v", l)
				}
			}
		})
		s.call(fmt.Sprint("A-", i%3))
	}
	wg.Wait()
	if got, n := s.stock("A"), orders.Load(); n == 0 || got != (units{10 - n, n, 0}) {
		t.Errorf("of %d orders the stock is %+v", n, got)
	}
}
