// Package stock splits the units of each SKU into regional allotments. An order reserves from its home
// region's allotment in its own transaction, so that checkout touches one region's rows. Units are conserved:
// on hand + reserved + sold = allotted, always.
package stock

import (
	"hash/fnv"
	"slices"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/regions"
)

// Quantity is how many units of a SKU.
type Quantity struct {
	SKU   string
	Units int64
}

// Merge adds up quantities of the same SKU and sorts them by it: the order in which rows are locked.
func Merge(in []Quantity) []Quantity {
	sums := make(map[string]int64, len(in))
	for _, q := range in {
		sums[q.SKU] += q.Units
	}
	out := make([]Quantity, 0, len(sums))
	for sku, units := range sums {
		out = append(out, Quantity{sku, units})
	}
	slices.SortFunc(out, func(a, b Quantity) int {
		if a.SKU < b.SKU {
			return -1
		}
		return 1
	})
	return out
}

// Split divides units evenly over regions. What does not divide goes to the regions after one that the SKU
// picks, so that single units spread over the world rather than pile up in the first region.
func Split(sku string, units int64, names []regions.Name) map[regions.Name]int64 {
	n := int64(len(names))
	h := fnv.New32a()
	_, _ = h.Write([]byte(sku)) // never fails
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
