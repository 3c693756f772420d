// Package woocommerce reads the product export of a WooCommerce store: CSV with a row for each simple product, each
// variable one and each variation, in any order. A bad row is reported with its line and does not stop the reading, and
// the good variations of its product still load.
package woocommerce

import (
	"io"
	"strings"
	"time"

	"github.com/meridian-commerce/meridian/internal/catalog/sheet"
)

// meaning is what the rows of a file mean.
type meaning struct {
	pricing    sheet.Pricing
	now        time.Time
	notes      *sheet.Notes
	book       *sheet.Book
	header     *sheet.Header
	attributes []attribute
	ids        map[string]string // keys of products with variations, by SKU
}

// NewReader reads a file once, and then again for its products. The error is a *fault.Error when that is no export of
// WooCommerce (it names the columns that are missing), when the options make no sense, or when the input cannot be read
// twice, and else the input's.
func NewReader(in io.ReadSeeker, o sheet.Options) (*sheet.Gather, error) {
	p, err := sheet.NewPricing(o)
	if err != nil {
		return nil, err
	}
	m := &meaning{pricing: p, now: o.Now, notes: &sheet.Notes{}, ids: map[string]string{}}
	m.book = sheet.NewBook(m.notes)
	text := sheet.Twice(in, o.Encoding)
	open := func() (sheet.Source, error) {
		t, err := text()
		if err != nil {
			return nil, err
		}
		rows, err := Format().Rows(t)
		if err != nil {
			return nil, err
		}
		m.header = rows.Header
		m.attributes, err = attributesOf(rows.Header)
		return rows, err
	}
	return sheet.NewGather(open, m, func() { m.notes.Tell(o.Note, m.header) })
}

// Key implements sheet.Meaning: the product of a row, by its ID, or by its SKU in a file without IDs. A variation names it
// by either.
func (m *meaning) Key(r sheet.Row) (string, error) {
	if r.Cell(typeColumn) == "" {
		return "", r.Fault(typeColumn, sheet.ReasonMissing, "every row needs the type of what it is, such as simple or variation")
	}
	if isVariation(r) {
		parent := r.Cell(parentColumn)
		if parent == "" {
			return "", r.Fault(parentColumn, sheet.ReasonParent, "a variation needs its product's SKU, or id: and its product's ID")
		}
		return m.Settle(parent), nil
	}
	id, sku := r.Cell(idColumn), r.Cell(skuColumn)
	switch {
	case id != "":
		if sku != "" && m.ids[sku] == "" && kindOf(r.Cell(typeColumn)).name != "simple" {
			m.ids[strings.Clone(sku)] = "id:" + id
		}
		return "id:" + id, nil
	case sku != "":
		return sku, nil
	}
	return "", r.Fault(skuColumn, sheet.ReasonMissing, "a product needs an ID or a SKU, by which the next import finds it again")
}

func isVariation(r sheet.Row) bool {
	return r.Cell(parentColumn) != "" || kindOf(r.Cell(typeColumn)).name == "variation"
}

// Settle implements sheet.Meaning: a SKU that a variation names its product by stands for the product's ID.
func (m *meaning) Settle(key string) string {
	if id := m.ids[key]; id != "" {
		return id
	}
	return key
}
