package promotion

import (
	"slices"

	"github.com/meridian-commerce/meridian/internal/checkout"
	"github.com/meridian-commerce/meridian/internal/money"
)

// adjust is a promotion's checkout.Rule.
func (p Promotion) adjust(q checkout.Quote) ([]checkout.Adjustment, error) {
	if !p.reached(q.Subtotal) {
		return nil, nil
	}
	var skus []string
	var left []int64
	sum := money.Money{Currency: q.Currency}
	for _, l := range q.Lines {
		if !p.covers(l) {
			continue
		}
		var err error
		if sum, err = sum.Add(l.Total); err != nil {
			return nil, err
		}
		skus = append(skus, l.SKU)
		left = append(left, l.Total.Minor)
	}
	off, err := p.off(sum)
	if err != nil {
		return nil, err
	}
	parts, err := off.Allocate(left)
	if err != nil {
		return nil, err
	}
	var out []checkout.Adjustment
	for i, part := range parts {
		if part.Minor > 0 {
			part.Minor = -part.Minor
			out = append(out, checkout.Adjustment{Source: "promotion/" + p.ID, Kind: checkout.Discount, SKU: skus[i], Amount: part, Code: p.Code})
		}
	}
	return out, nil
}

// reached reports whether goods that cost so much are enough.
func (p Promotion) reached(subtotal money.Money) bool {
	if len(p.Minimum) == 0 {
		return true
	}
	least, stated := in(p.Minimum, subtotal.Currency)
	return stated && subtotal.Minor >= least.Minor
}

// covers reports whether a line is among the goods of the promotion.
func (p Promotion) covers(l checkout.Line) bool {
	if len(p.Variants) == 0 && len(p.Tags) == 0 {
		return true
	}
	return slices.Contains(p.Variants, l.Variant) || slices.ContainsFunc(l.Tags, func(tag string) bool { return slices.Contains(p.Tags, tag) })
}

// off returns what the promotion takes off goods that cost so much.
func (p Promotion) off(sum money.Money) (money.Money, error) {
	if p.BasisPoints > 0 {
		return sum.Share(p.BasisPoints)
	}
	amount, _ := in(p.Amounts, sum.Currency) // none is nothing
	return money.Money{Minor: min(amount.Minor, sum.Minor), Currency: sum.Currency}, nil
}

// in returns the amount that a list has in a currency.
func in(list []money.Money, c money.Currency) (money.Money, bool) {
	for _, m := range list {
		if m.Currency == c {
			return m, true
		}
	}
	return money.Money{}, false
}
