package shopify

import (
	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/catalog/sheet"
)

// optionValues reads and checks the row's option values. A product without options has one variant; Shopify gives
// it the option Title with the value Default Title, which means no more than that.
func (g *group) optionValues(r sheet.Row) (sheet.Values, error) {
	values := make(sheet.Values, len(g.named))
	for i, c := range []sheet.Column{option1Value, option2Value, option3Value} {
		var err error
		if values[i], err = r.Text(c, sheet.MaxText); err != nil {
			return values, err
		}
		if values[i] == "" && g.named[i] {
			return values, r.Fault(c, sheet.ReasonMissing, "the product's variants differ in this option, so each needs a value")
		}
	}
	return values, g.Free(r, option1Value, values)
}

// variant reads all of the row's variant but its title.
func (r *Reader) variant(of sheet.Row) (catalog.Variant, error) {
	var v catalog.Variant
	var err error
	if v.SKU, err = of.Code(skuColumn); err != nil {
		return v, err
	}
	if v.Barcode, err = of.Code(barcodeColumn); err != nil {
		return v, err
	}
	if err := r.price(of, &v); err != nil {
		return v, err
	}
	if v.Stock, err = r.stock(of); err != nil {
		return v, err
	}
	v.Grams, err = of.Grams(gramsColumn, of.Cell(gramsColumn), 1)
	return v, err
}

// stock returns the units to allot to the row's variant.
func (r *Reader) stock(of sheet.Row) (int, error) {
	units, given, err := of.Quantity(quantityColumn)
	if err != nil {
		return 0, err
	}
	tracked := !of.Has(trackerColumn) || of.Cell(trackerColumn) != ""
	return r.notes.Units(of, sheet.Supply{Endless: !tracked || continues(of), Known: given, Units: units, From: quantityColumn}), nil
}
