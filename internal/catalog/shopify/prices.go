package shopify

import (
	"fmt"
	"slices"
	"strings"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/catalog/sheet"
	"github.com/meridian-commerce/meridian/internal/money"
)

// notAbove is what is assumed of a compare-at price that shows no reduction.
const notAbove = "variants have a compare-at price that is not above their price: it is not shown"

// list is what a variant costs in one currency, and what it cost before, if that is more.
type list struct {
	price  money.Money
	before *money.Money
}

// price fills in the variant's prices: those of the file's currency, converted to others, and those of markets in theirs.
func (r *Reader) price(of sheet.Row, v *catalog.Variant) error {
	home, err := r.home(of, v)
	if err != nil {
		return err
	}
	r.leaveAside(of)
	seen := map[money.Currency]bool{}
	for _, m := range r.markets {
		if m.currency == "" || seen[m.currency] {
			continue
		}
		seen[m.currency] = true
		if err := r.priceIn(of, m.currency, home, v); err != nil {
			return err
		}
	}
	return nil
}

// home fills in the prices in the file's currency and those converted from it; nil: the variant has prices of markets alone, or
// none since it is not sold.
func (r *Reader) home(of sheet.Row, v *catalog.Variant) (*list, error) {
	if of.Cell(priceColumn) == "" {
		priced := func(m market) bool { return m.currency != "" && m.price != absent && of.Cell(m.price) != "" }
		if slices.ContainsFunc(r.markets, priced) || r.excludedFrom(r.pricing.Base()) {
			return nil, nil
		}
		return nil, of.Fault(priceColumn, sheet.ReasonMissing, "a variant needs a price")
	}
	home, err := r.read(of, priceColumn, compareAtColumn, r.pricing.Base())
	if err != nil {
		return nil, err
	}
	if v.Prices, err = r.pricing.Convert(of, priceColumn, home.price); err != nil {
		return nil, err
	}
	if home.before != nil {
		if v.CompareAt, err = r.pricing.Convert(of, compareAtColumn, *home.before); err != nil {
			return nil, err
		}
		v.CompareAt = sheet.Above(v.CompareAt, v.Prices)
	}
	return &home, nil
}

// read reads a price and the one it is compared with.
func (r *Reader) read(of sheet.Row, price, compareAt sheet.Column, in money.Currency) (list, error) {
	var l list
	var err error
	if l.price, err = r.pricing.Parse(of, price, of.Cell(price), in); err != nil {
		return l, err
	}
	if compareAt == absent || of.Cell(compareAt) == "" {
		return l, nil
	}
	before, err := r.pricing.Parse(of, compareAt, of.Cell(compareAt), in)
	switch {
	case err != nil:
		return l, err
	case before.Minor > l.price.Minor:
		l.before = &before
	case before.Minor > 0: // 0 is how some write that there is none
		r.notes.Add(of.Line, notAbove)
	}
	return l, nil
}

// heed notes from which markets the product is excluded. The first row of a product says it, and the others may.
func (r *Reader) heed(of sheet.Row) error {
	for i, m := range r.markets {
		if m.included == absent {
			continue
		}
		switch cell := of.Cell(m.included); strings.ToLower(cell) {
		case "":
		case "true":
			r.open.excluded[i] = false
		case "false":
			r.open.excluded[i] = true
		default:
			return of.Fault(m.included, sheet.ReasonFlag, "%s is neither TRUE nor FALSE", sheet.Quote(cell))
		}
	}
	return nil
}

// excludedFrom reports whether the product is sold in no market of a currency, of which there are some.
func (r *Reader) excludedFrom(in money.Currency) bool {
	excluded := false
	for i, m := range r.markets {
		if m.currency == in {
			if excluded = r.open.excluded[i]; !excluded {
				return false
			}
		}
	}
	return excluded
}

// leaveAside says which markets the row speaks of without anybody knowing what is paid there.
func (r *Reader) leaveAside(of sheet.Row) {
	for i, m := range r.markets {
		if m.currency != "" {
			continue
		}
		if r.open.excluded[i] {
			r.notes.Add(of.Line, fmt.Sprintf("variants are not sold in the market %s, whose currency is not known: they are sold for every price that they have; --market %[1]q=… says the currency", m.name))
		}
		if m.price != absent && of.Cell(m.price) != "" {
			r.notes.Add(of.Line, fmt.Sprintf("variants have a price of the market %s, whose currency is not known: it is left aside; --market %[1]q=… says the currency", m.name))
		}
	}
}

// priceIn makes the price of the first market that has one in a currency the variant's. A market without one in the
// file's own currency pays the file's price. Where no market of the currency includes the product it has no price, and so
// is not sold.
func (r *Reader) priceIn(of sheet.Row, in money.Currency, home *list, v *catalog.Variant) error {
	var chosen *list
	var by market
	included := false
	for i, m := range r.markets {
		if m.currency != in || r.open.excluded[i] {
			continue
		}
		if !included || chosen == nil && by.price == absent {
			included, by = true, m
		}
		l, given, err := r.listOf(of, m, home)
		if err != nil {
			return err
		}
		if !given {
			continue
		}
		if chosen == nil {
			chosen, by = &l, m
		} else if l.price != chosen.price {
			r.notes.Add(of.Line, fmt.Sprintf("variants cost something else in the market %s than in %s, in the same currency: the price of %[2]s holds", m.name, by.name))
		}
	}
	if !included {
		v.Prices, v.CompareAt = without(v.Prices, in), without(v.CompareAt, in)
		v.Unpriced = append(v.Unpriced, in)
		return nil
	}
	r.noteExcluded(of, in)
	if chosen == nil {
		r.unpriced(of, by, v)
		return nil
	}
	if home != nil && in == home.price.Currency && chosen.price != home.price {
		r.notes.Add(of.Line, fmt.Sprintf("variants cost something else in the market %s than %s says, in the same currency: the market's price holds", by.name, of.Name(priceColumn)))
	}
	v.Prices, v.CompareAt = append(without(v.Prices, in), chosen.price), without(v.CompareAt, in)
	if chosen.before != nil {
		v.CompareAt = append(v.CompareAt, *chosen.before)
	}
	return nil
}

// unpriced ends an earlier price in the currency of a market whose price list has none of the variant, unless it is
// converted from the file's.
func (r *Reader) unpriced(of sheet.Row, m market, v *catalog.Variant) {
	if m.price == absent || slices.ContainsFunc(v.Prices, func(p money.Money) bool { return p.Currency == m.currency }) {
		return
	}
	r.notes.Add(of.Line, fmt.Sprintf("variants have no price in the market %s: they are not sold in %s", m.name, m.currency))
	v.Unpriced = append(v.Unpriced, m.currency)
}

// listOf returns what the row's variant costs in a market; given is false where the file does not say it.
func (r *Reader) listOf(of sheet.Row, m market, home *list) (l list, given bool, err error) {
	compared := m.compareAt != absent && of.Cell(m.compareAt) != ""
	athome := home != nil && m.currency == home.price.Currency
	switch {
	case m.price != absent && of.Cell(m.price) != "":
		l, err = r.read(of, m.price, m.compareAt, m.currency)
	case athome && compared:
		l, err = r.read(of, priceColumn, m.compareAt, m.currency)
	case athome:
		l = *home
	case compared:
		r.notes.Add(of.Line, fmt.Sprintf("variants have a compare-at price in the market %s, and no price: it is left aside", m.name))
		return l, false, nil
	default:
		return l, false, nil
	}
	return l, true, err
}

// noteExcluded says that a market cannot be left out where another one pays in the same currency.
func (r *Reader) noteExcluded(of sheet.Row, in money.Currency) {
	for i, m := range r.markets {
		if m.currency == in && r.open.excluded[i] {
			r.notes.Add(of.Line, fmt.Sprintf("variants are not sold in the market %s, but in another one that pays in %s: they are sold to all who pay in it", m.name, in))
		}
	}
}

func without(prices []money.Money, in money.Currency) []money.Money {
	return slices.DeleteFunc(prices, func(p money.Money) bool { return p.Currency == in })
}
