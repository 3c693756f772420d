package catalogcache

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/money"
)

// former is what the release before this one reads and writes of a product.
type former struct {
	Handle   string
	Variants []struct {
		SKU, Title string
		Prices     []money.Money
	}
	Version int64
}

// TestEntriesOfTwoReleases has this release and the one before read each other's entries: what carts refer to is the same.
func TestEntriesOfTwoReleases(t *testing.T) {
	t.Parallel()
	usd := []money.Money{{Minor: 500, Currency: "USD"}}
	p := catalog.Product{Handle: "sock", Options: []string{"Size"}, SKUs: map[string]string{"1b": "1"}, Version: 3, Variants: []catalog.Variant{
		{ID: "1", SKU: "1b", Title: "S", Options: []string{"S"}, Prices: usd}, {ID: "2", SKU: "2", Title: "M", Options: []string{"M"}},
	}}
	text, err := codec.Encode(p)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := codec.Decode(text); err != nil || cmp.Diff(p, got) != "" {
		t.Errorf("%v\n%s", err, cmp.Diff(p, got))
	}
	var old former
	if err := json.Unmarshal(text, &old); err != nil || len(old.Variants) != 2 || old.Variants[0].SKU != "1" || len(old.Variants[0].Prices) != 1 || old.Variants[1].SKU != "2" {
		t.Errorf("the former release reads %+v, %v", old, err)
	}
	if text, err = json.Marshal(old); err != nil {
		t.Fatal(err)
	}
	want := catalog.Product{Handle: "sock", Version: 3, Variants: []catalog.Variant{{ID: "1", SKU: "1", Title: "S", Prices: usd}, {ID: "2", SKU: "2", Title: "M"}}}
	if got, err := codec.Decode(text); err != nil || cmp.Diff(want, got) != "" {
		t.Errorf("of the former release: %v\n%s", err, cmp.Diff(want, got))
	}
	if _, err := codec.Decode([]byte("{")); err == nil {
		t.Error("half an entry is read")
	}
}
