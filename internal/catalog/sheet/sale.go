package sheet

import (
	"slices"
	"time"

	"github.com/meridian-commerce/meridian/internal/money"
)

// Sale is what a row says of the price of a variant.
type Sale struct {
	Price    money.Money  // when nothing is reduced
	Reduced  *money.Money // nil: it never is
	In       Column       // where Price stands
	From, To time.Time    // the reduced price's time; zero: without a bound
}

// What is assumed of sales.
const (
	notReduced = "variants have a sale price that is not below their price: it does not count"
	notBegun   = "variants have a sale price whose time has not come: it does not count; import again when it has"
	overBy     = "variants have a sale price whose time is over: it does not count"
	onUntil    = "variants have a sale price whose time ends: it stays until an import after that"
)

// Prices returns what a variant costs now in every currency, and what it costs when nothing is reduced where that is more.
func (p Pricing) Prices(r Row, s Sale, now time.Time, n *Notes) (prices, compareAt []money.Money, err error) {
	price := s.Price
	switch {
	case s.Reduced == nil:
	case s.Reduced.Minor >= s.Price.Minor:
		n.Add(r.Line, notReduced)
	case now.Before(s.From):
		n.Add(r.Line, notBegun)
	case !s.To.IsZero() && !now.Before(s.To):
		n.Add(r.Line, overBy)
	default:
		price = *s.Reduced
		if compareAt, err = p.Convert(r, s.In, s.Price); err != nil {
			return nil, nil, err
		}
		if !s.To.IsZero() {
			n.Add(r.Line, onUntil)
		}
	}
	prices, err = p.Convert(r, s.In, price)
	return prices, Above(compareAt, prices), err
}

// Above returns those of the compare-at prices that are above the price in their currency: no others are shown.
func Above(compareAt, prices []money.Money) []money.Money {
	return slices.DeleteFunc(compareAt, func(before money.Money) bool {
		return !slices.ContainsFunc(prices, func(p money.Money) bool { return p.Currency == before.Currency && p.Minor < before.Minor })
	})
}
