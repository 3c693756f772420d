package merchant

import (
	"strings"
	"time"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/catalog/sheet"
	"github.com/meridian-commerce/meridian/internal/money"
)

// What is assumed of variants.
const (
	inStock    = "variants are in stock, and the feed does not say how many: each can be sold a billion times, until it says otherwise; a column quantity tells how many there are"
	noWord     = "variants have neither an availability nor a quantity: those that are new have 0 units in stock, the others what they had"
	soldOut    = "variants are out of stock, beside a quantity: they have 0 units in stock"
	noCurrency = "variants have a price without a currency: it is in that of the import"
)

// add makes a variant of an item.
func (m *meaning) add(d *sheet.Draft, r sheet.Row, differ []sheet.Column) (err error) {
	options := make(sheet.Values, len(differ))
	for i, c := range differ {
		if options[i], err = r.Text(c, sheet.MaxText); err != nil {
			return err
		}
	}
	if err := d.Free(r, titleColumn, options); err != nil {
		return err
	}
	var v catalog.Variant
	v.Title = options.Title()
	if v.SKU, err = r.Code(idColumn); err != nil {
		return err
	}
	if v.Barcode, err = r.Code(gtinColumn); err != nil {
		return err
	}
	sale, err := m.sale(r)
	if err != nil {
		return err
	}
	if v.Prices, v.CompareAt, err = m.pricing.Prices(r, sale, m.now, m.notes); err != nil {
		return err
	}
	if v.Stock, err = m.stock(r); err != nil {
		return err
	}
	if v.Grams, err = grams(r); err != nil {
		return err
	}
	return d.Add(r, idColumn, v, options)
}

// sale reads the item's prices and the time of the reduced one.
func (m *meaning) sale(r sheet.Row) (s sheet.Sale, err error) {
	s.In = priceColumn
	if r.Cell(priceColumn) == "" {
		return s, r.Fault(priceColumn, sheet.ReasonMissing, "an item needs a price")
	}
	if s.Price, err = m.price(r, priceColumn); err != nil {
		return s, err
	}
	if r.Cell(salePriceColumn) == "" {
		return s, nil
	}
	reduced, err := m.price(r, salePriceColumn)
	if err != nil {
		return s, err
	}
	if reduced.Currency != s.Price.Currency {
		return s, r.Fault(salePriceColumn, sheet.ReasonPrice, "it is in %s, and the price in %s", reduced.Currency, s.Price.Currency)
	}
	s.Reduced = &reduced
	s.From, s.To, err = period(r)
	return s, err
}

// price reads an amount such as 12.99 USD.
func (m *meaning) price(r sheet.Row, c sheet.Column) (money.Money, error) {
	text := strings.TrimSpace(r.Cell(c))
	amount := strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz \u00a0")
	code := strings.Trim(strings.Replace(text, amount, "", 1), " \u00a0")
	in := m.pricing.Base()
	if code == "" {
		m.notes.Add(r.Line, noCurrency)
	} else {
		var err error
		if in, err = money.ParseCurrency(code); err != nil {
			return money.Money{}, r.Fault(c, sheet.ReasonPrice, "%s has no currency that can be priced in; write it as 12.99 USD", sheet.Quote(text))
		}
	}
	if in != m.pricing.Base() && m.pricing.Converts() {
		return money.Money{}, r.Fault(c, sheet.ReasonPrice, "%s cannot be converted at rates that are from %s; say the feed's currency", sheet.Quote(text), m.pricing.Base())
	}
	return m.pricing.Parse(r, c, amount, in)
}

// period reads when a reduced price holds: two points in time with a slash between.
func period(r sheet.Row) (from, to time.Time, err error) {
	text := r.Cell(saleTimeColumn)
	if text == "" {
		return from, to, nil
	}
	start, end, both := strings.Cut(text, "/")
	from, fromOK := moment(start)
	to, toOK := moment(end)
	if !both || !fromOK || !toOK {
		return from, to, r.Fault(saleTimeColumn, sheet.ReasonDate, "%s is no period such as 2026-11-27T00:00Z/2026-11-30T23:59Z", sheet.Quote(text))
	}
	return from, to, nil
}

func moment(text string) (time.Time, bool) {
	text = strings.TrimSpace(text)
	for _, layout := range []string{
		"2006-01-02T15:04Z0700", "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05Z0700", time.RFC3339, "2006-01-02T15:04", "2006-01-02T15:04:05", time.DateOnly,
	} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}

// stock returns the units to allot to the item's variant.
func (m *meaning) stock(r sheet.Row) (int, error) {
	units, known, err := r.Quantity(quantityColumn)
	if err != nil {
		return 0, err
	}
	s := sheet.Supply{Known: known, Units: units, From: quantityColumn}
	availability := strings.ReplaceAll(strings.ToLower(r.Cell(availabilityColumn)), "_", " ")
	switch availability {
	case "preorder", "backorder", "available for order":
		s.Endless = true
	case "in stock", "limited availability":
		if !known {
			m.notes.Add(r.Line, inStock)
			return sheet.MaxQuantity, nil
		}
	case "out of stock", "discontinued":
		if known && units > 0 {
			m.notes.Add(r.Line, soldOut)
		}
		s.Known, s.Units = true, min(units, 0)
	case "":
		if !known {
			m.notes.Add(r.Line, noWord)
			return -1, nil
		}
	default:
		return 0, r.Fault(availabilityColumn, sheet.ReasonFlag, "%s is none of in_stock, out_of_stock, preorder and backorder", sheet.Quote(r.Cell(availabilityColumn)))
	}
	return m.notes.Units(r, s), nil
}

// grams reads a weight such as 1.5 kg.
func grams(r sheet.Row) (int, error) {
	text := r.Cell(weightColumn)
	if text == "" {
		return 0, nil
	}
	number := strings.TrimRight(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz \u00a0")
	each, known := sheet.GramsPer(strings.Trim(strings.TrimPrefix(text, number), " \u00a0"))
	if !known {
		return 0, r.Fault(weightColumn, sheet.ReasonWeight, "%s has no unit of kg, g, lb and oz", sheet.Quote(text))
	}
	return r.Grams(weightColumn, number, each)
}
