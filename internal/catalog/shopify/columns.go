package shopify

import (
	"fmt"
	"strings"

	"github.com/meridian-commerce/meridian/internal/fault"
)

// column is a column of the export that a product is built from.
type column int

const (
	handleColumn column = iota
	titleColumn
	bodyColumn
	vendorColumn
	categoryColumn
	typeColumn
	tagsColumn
	publishedColumn
	statusColumn
	option1Name
	option1Value
	option2Name
	option2Value
	option3Name
	option3Value
	skuColumn
	gramsColumn
	trackerColumn
	quantityColumn
	policyColumn
	priceColumn
	barcodeColumn
	imageColumn
	positionColumn
	columnCount
)

// String returns the column's name in an export's header.
func (c column) String() string {
	return [columnCount]string{
		handleColumn:    "Handle",
		titleColumn:     "Title",
		bodyColumn:      "Body (HTML)",
		vendorColumn:    "Vendor",
		categoryColumn:  "Product Category",
		typeColumn:      "Type",
		tagsColumn:      "Tags",
		publishedColumn: "Published",
		statusColumn:    "Status",
		option1Name:     "Option1 Name",
		option1Value:    "Option1 Value",
		option2Name:     "Option2 Name",
		option2Value:    "Option2 Value",
		option3Name:     "Option3 Name",
		option3Value:    "Option3 Value",
		skuColumn:       "Variant SKU",
		gramsColumn:     "Variant Grams",
		trackerColumn:   "Variant Inventory Tracker",
		quantityColumn:  "Variant Inventory Qty",
		policyColumn:    "Variant Inventory Policy",
		priceColumn:     "Variant Price",
		barcodeColumn:   "Variant Barcode",
		imageColumn:     "Image Src",
		positionColumn:  "Image Position",
	}[c]
}

// layout says at which cell of a row each column stands; -1: the file does not have it.
type layout [columnCount]int

// newLayout finds the columns in a header. Names are compared without case and outer spaces; unknown
// columns are ignored. The error is a *fault.Error that names the columns missing or given twice.
func newLayout(header []string) (layout, error) {
	var at layout
	for c := range columnCount {
		at[c] = -1
		for i, name := range header {
			if !strings.EqualFold(strings.TrimSpace(name), c.String()) {
				continue
			}
			if at[c] >= 0 {
				return layout{}, notExport("its header has the column %s twice", c)
			}
			at[c] = i
		}
	}
	var missing []string
	for _, c := range []column{handleColumn, titleColumn, priceColumn} {
		if at[c] < 0 {
			missing = append(missing, c.String())
		}
	}
	switch len(missing) {
	case 0:
		return at, nil
	case 1:
		return layout{}, notExport("its header lacks the column %s", missing[0])
	default:
		return layout{}, notExport("its header lacks the columns %s", strings.Join(missing, ", "))
	}
}

func notExport(format string, args ...any) *fault.Error {
	return fault.New(fault.Invalid, "NOT_A_SHOPIFY_EXPORT",
		"the file is not a Shopify product export (CSV): %s", fmt.Sprintf(format, args...))
}

// row is one record below the header.
type row struct {
	line  int
	cells []string
	at    *layout
}

// cell returns a cell without outer spaces; "" when the file lacks the column.
func (r row) cell(c column) string {
	if r.at[c] < 0 {
		return ""
	}
	return strings.TrimSpace(r.cells[r.at[c]])
}
