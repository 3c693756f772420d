package load

import (
	"math/rand/v2"
	"slices"
	"strings"

	catalogv1 "github.com/meridian-commerce/meridian/api/gen/meridian/catalog/v1"
	"github.com/meridian-commerce/meridian/internal/sim/shopper"
)

// Of every five looks at the catalog, one is at a hot product.
const (
	hotProducts = 5
	hotShare    = 0.2
)

// item is a product as shoppers see it.
type item struct {
	handle string
	word   string              // of its title, to search for
	skus   map[string][]string // by currency
}

// assortment is what the shop sells, hot products first. It does not change after it was read.
type assortment []item

// assort orders what is sold by a seed, which says which products are hot.
func assort(products []*catalogv1.Product, seed uint64) assortment {
	var out assortment
	for _, p := range products {
		i := item{handle: p.GetHandle(), word: shopper.Word(p.GetTitle()), skus: map[string][]string{}}
		for _, v := range p.GetVariants() {
			for _, price := range v.GetPrices() {
				i.skus[price.GetCurrency()] = append(i.skus[price.GetCurrency()], v.GetSku())
			}
		}
		out = append(out, i)
	}
	// Sorted first, so that the seed means the same whatever order the shop lists them in.
	slices.SortFunc(out, func(a, b item) int { return strings.Compare(a.handle, b.handle) })
	rng := rand.New(rand.NewPCG(seed, 0x686f74))
	rng.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// pick draws a product.
func (a assortment) pick(rng *rand.Rand) item {
	if rng.Float64() < hotShare {
		return a[rng.IntN(min(hotProducts, len(a)))]
	}
	return a[rng.IntN(len(a))]
}

// sku draws something that is sold in a currency; "" if nothing turns up.
func (a assortment) sku(rng *rand.Rand, currency string) string {
	for range 50 {
		if skus := a.pick(rng).skus[currency]; len(skus) > 0 {
			return skus[rng.IntN(len(skus))]
		}
	}
	return ""
}
