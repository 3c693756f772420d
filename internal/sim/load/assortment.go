package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	catalogv1 "github.com/meridian-commerce/meridian/api/gen/meridian/catalog/v1"
	"github.com/meridian-commerce/meridian/api/gen/meridian/catalog/v1/catalogv1connect"
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
type assortment struct{ items []item }

// readAssortment pages through the catalog; the seed says which products are hot.
func readAssortment(ctx context.Context, c catalogv1connect.CatalogServiceClient, seed uint64) (*assortment, error) {
	var out assortment
	request := &catalogv1.ListProductsRequest{PageSize: 100}
	for {
		page, err := c.ListProducts(ctx, request)
		if err != nil {
			return nil, fmt.Errorf("load: list products: %w", err)
		}
		for _, p := range page.GetProducts() {
			out.items = append(out.items, itemOf(p))
		}
		if request.PageToken = page.GetNextPageToken(); request.GetPageToken() == "" {
			break
		}
	}
	if len(out.items) == 0 {
		return nil, errors.New("load: the catalog is empty; seed it first")
	}
	slices.SortFunc(out.items, func(a, b item) int { return strings.Compare(a.handle, b.handle) })
	rng := rand.New(rand.NewPCG(seed, 0x686f74))
	rng.Shuffle(len(out.items), func(i, j int) { out.items[i], out.items[j] = out.items[j], out.items[i] })
	return &out, nil
}

func itemOf(p *catalogv1.Product) item {
	i := item{handle: p.GetHandle(), skus: map[string][]string{}}
	for word := range strings.FieldsSeq(p.GetTitle()) {
		if len(word) > len(i.word) && strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" {
			i.word = word
		}
	}
	for _, v := range p.GetVariants() {
		for _, price := range v.GetPrices() {
			i.skus[price.GetCurrency()] = append(i.skus[price.GetCurrency()], v.GetSku())
		}
	}
	return i
}

// pick draws a product.
func (a *assortment) pick(rng *rand.Rand) item {
	if rng.Float64() < hotShare {
		return a.items[rng.IntN(min(hotProducts, len(a.items)))]
	}
	return a.items[rng.IntN(len(a.items))]
}

// sku draws something that is sold in a currency; "" if nothing turns up.
func (a *assortment) sku(rng *rand.Rand, currency string) string {
	for range 50 {
		if skus := a.pick(rng).skus[currency]; len(skus) > 0 {
			return skus[rng.IntN(len(skus))]
		}
	}
	return ""
}
