package stock_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/meridian-commerce/meridian/internal/stock"
	"github.com/meridian-commerce/meridian/regions"
)

func TestPlan(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		names := regions.Default().Names()
		have := map[regions.Name]stock.Allotment{}
		sum, onHand := int64(0), int64(0)
		for _, name := range names[:rapid.IntRange(1, len(names)).Draw(t, "regions")] {
			a := stock.Allotment{OnHand: rapid.Int64Range(0, 20).Draw(t, "on hand")}
			a.Allotted = a.OnHand + rapid.Int64Range(0, 20).Draw(t, "sold")
			have[name] = a
			sum, onHand = sum+a.Allotted, onHand+a.OnHand
		}
		units := rapid.Int64Range(0, 100).Draw(t, "units")
		take, give := stock.Plan("A", units, have, names)
		taken, given := int64(0), int64(0)
		for name, n := range take {
			if n < 0 || n > have[name].OnHand {
				t.Fatalf("takes %v of %v", take, have)
			}
			taken += n
		}
		for _, n := range give {
			given += n
			if n < 0 {
				t.Fatalf("gives %v", give)
			}
		}
		if after := sum - taken + given; after != units && taken != onHand {
			t.Fatalf("%d of %v become %d, by %v and %v", units, have, after, take, give)
		}
	})
}
