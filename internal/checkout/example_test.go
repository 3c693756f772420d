package checkout_test

import (
	"fmt"

	"github.com/meridian-commerce/meridian/internal/checkout"
	"github.com/meridian-commerce/meridian/internal/money"
)

func eur(minor int64) money.Money { return money.Money{Minor: minor, Currency: "EUR"} }

// threeForTwo is a promotion: of each three units of a SKU, one is free.
func threeForTwo(q checkout.Quote) ([]checkout.Adjustment, error) {
	var out []checkout.Adjustment
	for _, l := range q.Lines {
		free, err := l.UnitPrice.Times(l.Quantity / 3)
		if err != nil {
			return nil, err
		}
		if free.Minor > 0 {
			free.Minor = -free.Minor
			out = append(out, checkout.Adjustment{Source: "promotion/three-for-two", Kind: checkout.Discount, SKU: l.SKU, Amount: free})
		}
	}
	return out, nil
}

// standardShipping is a fee on the order, from which what costs more than 50.00 after promotions is free.
func standardShipping(q checkout.Quote) ([]checkout.Adjustment, error) {
	if len(q.Lines) == 0 || q.Total.Minor > 5000 {
		return nil, nil
	}
	return []checkout.Adjustment{{Source: "shipping/standard", Kind: checkout.Shipping, Amount: eur(490)}}, nil
}

// A cart with a promotion on one line, and shipping on the order.
func Example() {
	cart := checkout.Cart{Currency: "EUR", Items: map[string]checkout.Item{
		"POT-1": {Quantity: 1, Seen: eur(1200)},
		"TEA-9": {Quantity: 3},
		"CUP-4": {Quantity: 2},
	}}
	offers := map[string]checkout.Offer{
		"POT-1": {Title: "Pot", Price: eur(1000)},
		"TEA-9": {Title: "Tea", Price: eur(250)},
	}
	quote, err := checkout.Rules{threeForTwo, standardShipping}.Quote(cart, offers)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, l := range quote.Lines {
		fmt.Printf("%s: %d × %s = %s, and %s in the end\n", l.Title, l.Quantity, l.UnitPrice, l.Amount, l.Total)
	}
	for _, a := range quote.Adjustments {
		fmt.Printf("%s: %s\n", a.Source, a.Amount)
	}
	fmt.Println("total:", quote.Total)
	fmt.Println("the pot was", quote.Lines[0].Previous)
	fmt.Println(quote.Orderable())
	// Output:
	// Pot: 1 × 10.00 EUR = 10.00 EUR, and 10.00 EUR in the end
	// Tea: 3 × 2.50 EUR = 7.50 EUR, and 5.00 EUR in the end
	// promotion/three-for-two: -2.50 EUR
	// shipping/standard: 4.90 EUR
	// total: 19.90 EUR
	// the pot was 12.00 EUR
	// SKU_NOT_SOLD: SKU CUP-4 is not sold any more; remove it from the cart
}
