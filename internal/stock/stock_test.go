package stock_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/stock"
	"github.com/meridian-commerce/meridian/regions"
)

func TestSplitConservesAndSpreads(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		names := make([]regions.Name, rapid.IntRange(1, 9).Draw(t, "regions"))
		for i := range names {
			names[i] = regions.Name(fmt.Sprint("region-", i))
		}
		sku := rapid.String().Draw(t, "sku")
		units := rapid.OneOf(rapid.Int64Range(0, 20), rapid.Int64Range(0, 1<<62)).Draw(t, "units")
		shares := stock.Split(sku, units, names)
		if len(shares) != len(names) {
			t.Fatalf("%d of %d regions have a share", len(shares), len(names))
		}
		var sum int64
		least, most := int64(1<<62), int64(0)
		for _, name := range names {
			share, ok := shares[name]
			if !ok || share < 0 {
				t.Fatalf("%s has %d", name, share)
			}
			sum, least, most = sum+share, min(least, share), max(most, share)
		}
		if sum != units || most-least > 1 {
			t.Fatalf("%d units became %v", units, shares)
		}
		if diff := cmp.Diff(shares, stock.Split(sku, units, names)); diff != "" {
			t.Fatalf("the same split twice:\n%s", diff)
		}
	})
}

// Single units of many SKUs end up in all regions, not in the first of them.
func TestSplitSpreadsSingleUnits(t *testing.T) {
	t.Parallel()
	names := regions.Default().Names()
	got := map[regions.Name]int64{}
	const skus = 3000
	for i := range skus {
		for name, share := range stock.Split(fmt.Sprint("sku-", i), 1, names) {
			got[name] += share
		}
	}
	for _, name := range names {
		if even := int64(skus / len(names)); got[name] < even*8/10 || got[name] > even*12/10 {
			t.Errorf("%s has %d of %d single units: %v", name, got[name], skus, got)
		}
	}
}

func TestMerge(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.SliceOf(rapid.Custom(func(t *rapid.T) stock.Quantity {
			return stock.Quantity{Variant: rapid.SampledFrom([]string{"b", "a", "B", "", "aa"}).Draw(t, "sku"), Units: rapid.Int64Range(0, 99).Draw(t, "units")}
		})).Draw(t, "in")
		before := slices.Clone(in)
		out := stock.Merge(in)
		sums := map[string]int64{}
		for _, q := range in {
			sums[q.Variant] += q.Units
		}
		if len(out) != len(sums) || !slices.Equal(in, before) {
			t.Fatalf("%v became %v", before, out)
		}
		for i, q := range out {
			if q.Units != sums[q.Variant] || (i > 0 && strings.Compare(out[i-1].Variant, q.Variant) >= 0) {
				t.Fatalf("%v became %v", in, out)
			}
		}
	})
}

func TestErrOutOfStock(t *testing.T) {
	t.Parallel()
	err := stock.ErrOutOfStock("A", 3, 1)
	if fault.Reason(err) != "OUT_OF_STOCK" || !fault.Is(err, fault.FailedPrecondition) || !strings.Contains(err.Error(), "A") {
		t.Errorf("got %v", err)
	}
}
