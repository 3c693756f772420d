package shopify

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"strconv"
	"strings"

	"github.com/meridian-commerce/meridian/internal/catalog"
)

// Limits of a variant.
const (
	maxQuantity = 1_000_000_000
	maxGrams    = 100_000_000
)

// optionValues are a variant's values of the product's options: {"M", "Red"}.
type optionValues [3]string

// optionValues reads and checks the row's option values. A product without options has one variant; Shopify gives
// it the option Title with the value Default Title, which means no more than that.
func (g *group) optionValues(r row) (optionValues, error) {
	var values optionValues
	for i, c := range []column{option1Value, option2Value, option3Value} {
		var err error
		if values[i], err = r.text(c, maxText); err != nil {
			return values, err
		}
		if values[i] == "" && g.named[i] {
			return values, r.fault(c, ReasonMissing, "the product's variants differ in this option, so each needs a value")
		}
	}
	if line, ok := g.options[values.key()]; ok {
		return values, r.fault(option1Value, ReasonDuplicateOptions,
			"the variant on line %d has the same option values", line)
	}
	return values, nil
}

// title joins the values as a variant's title: "M / Red". It is empty for a product without options.
func (o optionValues) title() string {
	if o == (optionValues{"Default Title"}) {
		return ""
	}
	var given []string
	for _, value := range o {
		if value != "" {
			given = append(given, value)
		}
	}
	return strings.Join(given, " / ")
}

// key tells combinations apart; no value holds its separator.
func (o optionValues) key() string { return strings.Join(o[:], "\x00") }

// generatedSKU makes the SKU of a variant that has none of its own, from one that is shared or the handle: the same at every import, and distinct for every handle and
// combination of option values, which a plain slug of them would not be.
func generatedSKU(base, handle string, o optionValues) string {
	const prefix, suffix = 40, 5
	sum := sha256.Sum256([]byte(handle + "\x00" + o.key()))
	start := []rune(base)
	return strings.TrimRight(string(start[:min(prefix, len(start))]), "-_") + "-" + hex.EncodeToString(sum[:suffix])
}

// variant reads all of the row's variant but its title.
func (r row) variant(p pricing) (catalog.Variant, error) {
	var v catalog.Variant
	var err error
	if v.SKU, err = r.code(skuColumn); err != nil {
		return v, err
	}
	if v.Barcode, err = r.code(barcodeColumn); err != nil {
		return v, err
	}
	if v.Prices, err = p.prices(r); err != nil {
		return v, err
	}
	if v.Stock, err = r.quantity(); err != nil {
		return v, err
	}
	v.Grams, err = r.grams()
	return v, err
}

// code reads an SKU or barcode. Exports put an apostrophe before codes that a spreadsheet would take for numbers.
func (r row) code(c column) (string, error) {
	s, err := r.text(c, maxText)
	return strings.TrimPrefix(s, "'"), err
}

// quantity reads the units in stock; an empty cell is 0 here. Below 0 they are owed already.
func (r row) quantity() (int, error) {
	text := r.cell(quantityColumn)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	switch {
	case err != nil:
		return 0, r.fault(quantityColumn, ReasonQuantity, "%s is not a whole number of units", quote(text))
	case n < -maxQuantity || n > maxQuantity:
		return 0, r.fault(quantityColumn, ReasonQuantity, "%s is not between -%d and %[2]d", quote(text), maxQuantity)
	}
	return n, nil
}

// grams reads the weight, rounded: exports of weights in pounds have decimals. An empty cell is no weight.
func (r row) grams() (int, error) {
	text := r.cell(gramsColumn)
	if text == "" {
		return 0, nil
	}
	grams, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil || strings.Trim(text, "0123456789.-") != "":
		return 0, r.fault(gramsColumn, ReasonWeight, "%s is not a number of grams", quote(text))
	case grams < 0 || grams > maxGrams:
		return 0, r.fault(gramsColumn, ReasonWeight, "%s is not between 0 and %d", quote(text), maxGrams)
	}
	return int(math.Round(grams)), nil
}
