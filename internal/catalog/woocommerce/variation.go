package woocommerce

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/catalog/sheet"
)

// What is assumed of variants.
const (
	anyValue     = "variants leave an attribute open, for the shopper to choose: here they are one variant, whatever is chosen"
	unpublished  = "variants are not published: they are not sold"
	soldOut      = "variants are said to be out of stock, beside a quantity: they have 0 units in stock"
	sharedStock  = "variants share the stock of their product: it is divided between them, as evenly as it goes"
	decimalComma = "variants have a price or a weight with a decimal comma"
)

// addSimple adds the one variant of a simple product.
func (m *meaning) addSimple(d *sheet.Draft, own sheet.Row, variations []sheet.Row) (refused []error) {
	d.Partial = len(variations) > 0 // what it was while it was variable stays
	for _, r := range variations {
		refused = append(refused, r.Fault(parentColumn, sheet.ReasonParent, "the product on line %d is not variable, and has no variations", own.Line))
	}
	v, err := m.variant(own)
	if err == nil {
		v.Stock, err = m.stock(own, own.Cell(stockColumn))
	}
	if err == nil {
		err = d.Add(own, skuColumn, v, nil)
	}
	if err != nil {
		return append(refused, err)
	}
	m.tag(d, own, nil)
	return refused
}

// addVariations adds the variants of a variable product, as the store orders them.
func (m *meaning) addVariations(d *sheet.Draft, own sheet.Row, variations []sheet.Row) (refused []error) {
	names := optionNames(m.attributes, own, variations)
	d.Options = names
	slices.SortStableFunc(variations, func(a, b sheet.Row) int { return cmp.Compare(place(a), place(b)) })
	var sharing []int // variants whose stock is their product's
	for _, r := range variations {
		sold, err := published(r, d.Active)
		if err == nil && !sold {
			m.notes.Add(r.Line, unpublished)
			continue
		}
		var imageErrs []error
		var shares bool
		if err == nil {
			imageErrs = m.addImages(d, r)
			shares, err = m.addVariation(d, r, names)
		}
		if err != nil {
			d.Partial = true
			refused = append(refused, err)
			continue
		}
		refused = append(refused, imageErrs...)
		if shares {
			sharing = append(sharing, len(d.Variants)-1)
		}
	}
	if err := m.share(d, own, sharing); err != nil {
		refused = append(refused, err)
	}
	m.tag(d, own, names)
	return refused
}

// published reports whether a variation is sold with its product. Those of a draft are drafts, as the exporter says.
func published(r sheet.Row, active bool) (bool, error) {
	switch cell := r.Cell(publishedColumn); cell {
	case "", "1":
		return true, nil
	case "0":
		return false, nil
	case "-1", "2":
		return !active, nil
	default:
		return false, r.Fault(publishedColumn, sheet.ReasonFlag, "%s is none of 1, 0, -1 and 2", sheet.Quote(cell))
	}
}

// place is a variation's position among those of its product.
func place(r sheet.Row) int {
	n, _ := strconv.Atoi(r.Cell(positionColumn)) // without one it is the first, as in the store
	return n
}

// addVariation adds one variant, and reports whether its stock is its product's.
func (m *meaning) addVariation(d *sheet.Draft, r sheet.Row, names []string) (shares bool, err error) {
	if k := kindOf(r.Cell(typeColumn)); k.downloadable || k.name != "variation" {
		return false, r.Fault(typeColumn, sheet.ReasonType, "%s cannot be sold here: it is a file to download, or no variation", sheet.Quote(r.Cell(typeColumn)))
	}
	options, err := m.options(r, names)
	if err != nil {
		return false, err
	}
	if err := d.Free(r, m.optionColumn(), options); err != nil {
		return false, err
	}
	v, err := m.variant(r)
	if err != nil {
		return false, err
	}
	units := r.Cell(stockColumn)
	shares = strings.EqualFold(units, "parent")
	if !shares {
		if v.Stock, err = m.stock(r, units); err != nil {
			return false, err
		}
	}
	v.Title = options.Title()
	return shares, d.Add(r, skuColumn, v, options)
}

// optionNames returns the attributes in which variations differ, in the order of their product.
func optionNames(all []attribute, own sheet.Row, variations []sheet.Row) (names []string) {
	add := func(r sheet.Row, wanted func(name string) bool) {
		for _, a := range all {
			if name := r.Cell(a.name); name != "" && !among(names, name) && wanted(name) {
				names = append(names, name)
			}
		}
	}
	used := func(name string) bool {
		return slices.ContainsFunc(variations, func(r sheet.Row) bool { return valueOf(all, r, name) != "" })
	}
	add(own, used)
	for _, r := range variations {
		add(r, used)
	}
	return names
}

// among reports whether a name is one of some, in capitals or not.
func among(names []string, name string) bool {
	return slices.ContainsFunc(names, func(other string) bool { return strings.EqualFold(name, other) })
}

// valueOf returns what a row says of an attribute.
func valueOf(all []attribute, r sheet.Row, name string) string {
	for _, a := range all {
		if strings.EqualFold(r.Cell(a.name), name) {
			return r.Cell(a.values)
		}
	}
	return ""
}

// options returns a variation's value of each attribute.
func (m *meaning) options(r sheet.Row, names []string) (sheet.Values, error) {
	o := make(sheet.Values, len(names))
	for i, name := range names {
		o[i] = strings.ReplaceAll(valueOf(m.attributes, r, name), `\,`, ",")
		if err := r.CheckText(m.optionColumn(), o[i], sheet.MaxText); err != nil {
			return o, err
		}
	}
	if slices.Contains(o, "") {
		m.notes.Add(r.Line, anyValue)
	}
	return o, nil
}

// optionColumn is the column that messages about option values name.
func (m *meaning) optionColumn() sheet.Column {
	if len(m.attributes) == 0 {
		return parentColumn
	}
	return m.attributes[0].values
}

// tag makes tags of the values of attributes in which variants do not differ, so that they are found by them.
func (m *meaning) tag(d *sheet.Draft, own sheet.Row, options []string) {
	for _, a := range m.attributes {
		if among(options, own.Cell(a.name)) {
			continue
		}
		for _, value := range values(own.Cell(a.values)) {
			switch {
			case slices.Contains(d.Tags, value):
			case len(d.Tags) == sheet.MaxTags, own.CheckText(a.values, value, sheet.MaxText) != nil:
				m.notes.Add(own.Line, longValues)
			default:
				d.Tags = append(d.Tags, value)
			}
		}
	}
}

// variant reads what simple products and variations have in common.
func (m *meaning) variant(r sheet.Row) (v catalog.Variant, err error) {
	if v.SKU, err = r.Code(skuColumn); err != nil {
		return v, err
	}
	if v.Barcode, err = r.Code(barcodeColumn); err != nil {
		return v, err
	}
	sale, err := m.sale(r)
	if err != nil {
		return v, err
	}
	if v.Prices, v.CompareAt, err = m.pricing.Prices(r, sale, m.now, m.notes); err != nil {
		return v, err
	}
	for _, c := range []struct {
		column sheet.Column
		unit   string
	}{{kilogramsColumn, "kg"}, {gramsColumn, "g"}, {poundsColumn, "lbs"}, {ouncesColumn, "oz"}} {
		if text := r.Cell(c.column); text != "" {
			each, _ := sheet.GramsPer(c.unit)
			v.Grams, err = r.Grams(c.column, m.decimal(r, text), each)
			return v, err
		}
	}
	return v, nil
}

// sale reads the row's prices and the time of the reduced one, which is the store's; here it is taken for UTC.
func (m *meaning) sale(r sheet.Row) (s sheet.Sale, err error) {
	s.In = priceColumn
	text := r.Cell(priceColumn)
	if text == "" {
		return s, r.Fault(priceColumn, sheet.ReasonMissing, "a variant needs a price")
	}
	if s.Price, err = m.pricing.Parse(r, priceColumn, m.decimal(r, text), m.pricing.Base()); err != nil {
		return s, err
	}
	if text := r.Cell(salePriceColumn); text != "" {
		reduced, err := m.pricing.Parse(r, salePriceColumn, m.decimal(r, text), m.pricing.Base())
		if err != nil {
			return s, err
		}
		s.Reduced = &reduced
	}
	if s.From, _, err = date(r, saleFromColumn); err != nil {
		return s, err
	}
	to, day, err := date(r, saleToColumn)
	if day {
		to = to.AddDate(0, 0, 1) // to the end of the day
	}
	s.To = to
	return s, err
}

// date reads a point in time; day says that it is a whole day.
func date(r sheet.Row, c sheet.Column) (at time.Time, day bool, err error) {
	text := r.Cell(c)
	if text == "" {
		return at, false, nil
	}
	for _, layout := range []string{time.DateTime, "2006-01-02T15:04:05", time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, layout == time.DateOnly, nil
		}
	}
	return at, false, r.Fault(c, sheet.ReasonDate, "%s is no date such as 2026-11-27", sheet.Quote(text))
}

// decimal returns a number with a decimal point: the exporter writes prices as the store shows them, without a separator
// of thousands.
func (m *meaning) decimal(r sheet.Row, text string) string {
	if strings.Count(text, ",") == 1 && !strings.Contains(text, ".") {
		m.notes.Add(r.Line, decimalComma)
		return strings.Replace(text, ",", ".", 1)
	}
	return text
}
