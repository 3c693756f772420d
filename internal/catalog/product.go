// Package catalog keeps the products, variants and prices that every region sells: GLOBAL tables, read
// without a WAN hop anywhere and written rarely.
package catalog

import (
	"time"

	"github.com/meridian-commerce/meridian/internal/checkout"
	"github.com/meridian-commerce/meridian/internal/money"
)

// Kind is what consistency tokens call a product; its name there is its handle.
const Kind = "product"

// Product is one thing for sale and its variants.
type Product struct {
	Handle      string // unique, stable, URL-safe
	Title       string
	Description string // may hold HTML
	Vendor      string
	Category    string // path from the general to the special: "Accessories > Backpack"
	Type        string
	Tags        []string
	Images      []string
	Options     []string // what the variants differ in: "Size", "Color"; on import, nil: not known
	Active      bool     // only active products are listed, found and sold
	Unlisted    bool     // found by its handle and sold, but in no list
	Variants    []Variant
	SKUs        map[string]string // variants by the SKUs that they have or had, where those are not their ids; of Find alone
	Version     int64             // grows with every change
	UpdatedAt   time.Time
	Partial     bool // on import: variants are missing because their rows were refused; not kept here
}

// Variant is what can be bought of a product.
type Variant struct {
	ID        string // stays, whatever the SKU becomes: stock, prices, carts and orders refer to it; a Store gives it
	SKU       string // what the merchant calls it; unique over all products
	Title     string
	Options   []string // its value of each of the product's options; on import, nil: not known
	Barcode   string
	Grams     int
	Prices    []money.Money    // one per currency
	CompareAt []money.Money    // before a reduction, to be shown struck through; each above the price in its currency
	Unpriced  []money.Currency // on import: in which it is not sold, whatever it cost before; not kept here
	Stock     int              // units on import, sold ones included, to be allotted to regions; below 0: not known. Not kept here
}

// Price returns the variant's price in a currency.
func (v Variant) Price(c money.Currency) (money.Money, bool) {
	for _, p := range v.Prices {
		if p.Currency == c {
			return p, true
		}
	}
	return money.Money{}, false
}

// Offer returns what a variant of the product is called and costs in a currency. It is false where the product is not
// sold, or has no such variant.
func (p Product) Offer(variant string, c money.Currency) (checkout.Offer, bool) {
	for _, v := range p.Variants {
		if v.ID == variant && p.Active {
			price, _ := v.Price(c) // none is the zero Money, as an offer wants it
			return checkout.Offer{SKU: v.SKU, Title: OfferTitle(p.Title, v.Title), Price: price, Tags: p.Tags}, true
		}
	}
	return checkout.Offer{}, false
}

// Variant returns the id of the variant that has a SKU, or of the one that had it last. Of a SKU that never was another
// one's it is the SKU itself.
func (p Product) Variant(sku string) string {
	for _, v := range p.Variants {
		if v.SKU == sku {
			return v.ID
		}
	}
	if variant, ok := p.SKUs[sku]; ok {
		return variant
	}
	return sku
}

// OfferTitle is what a variant of a product is called where it stands alone, as in a cart.
func OfferTitle(product, variant string) string {
	if variant == "" {
		return product
	}
	return product + " · " + variant
}
