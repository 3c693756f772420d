// Package stock splits the units of each variant into regional allotments. An order reserves from its home
// region's allotment in its own transaction, so that checkout touches one region's rows. Units are conserved:
// on hand + reserved + sold = allotted, always. What is allotted changes by imports and by hand, each time with a line in the
// journal, whose units come to what is allotted.
package stock

import (
	"hash/fnv"
	"slices"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/regions"
)

// Quantity is how many units of a variant.
type Quantity struct {
	Variant string // its id
	Units   int64
}

// Merge adds up quantities of the same variant and sorts them by it: the order in which rows are locked.
func Merge(in []Quantity) []Quantity {
	sums := make(map[string]int64, len(in))
	for _, q := range in {
		sums[q.Variant] += q.Units
	}
	out := make([]Quantity, 0, len(sums))
	for variant, units := range sums {
		out = append(out, Quantity{variant, units})
	}
	slices.SortFunc(out, func(a, b Quantity) int {
		if a.Variant < b.Variant {
			return -1
		}
		return 1
	})
	return out
}

// Split divides units evenly over regions. What does not divide goes to the regions after one that the variant
// picks, so that single units spread over the world rather than pile up in the first region.
func Split(variant string, units int64, names []regions.Name) map[regions.Name]int64 {
	n := int64(len(names))
	h := fnv.New32a()
	_, _ = h.Write([]byte(variant)) // never fails
	first := int64(h.Sum32()) % n
	out := make(map[regions.Name]int64, n)
	for i, name := range names {
		out[name] = units / n
		if (int64(i)-first+n)%n < units%n {
			out[name]++
		}
	}
	return out
}

// ErrOutOfStock says that a home allotment has less than what was asked for.
func ErrOutOfStock(sku string, wanted, onHand int64) error {
	return fault.New(fault.FailedPrecondition, "OUT_OF_STOCK", "%d of SKU %s are wanted and %d are left in your region", wanted, sku, onHand).
		With("sku", sku)
}
