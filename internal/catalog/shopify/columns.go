package shopify

import (
	"strings"

	"github.com/meridian-commerce/meridian/internal/catalog/sheet"
)

// The columns of the export that a product is built from.
const (
	handleColumn sheet.Column = iota
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
	compareAtColumn
	barcodeColumn
	imageColumn
	positionColumn
)

// Format is a Shopify store's product export, with the names of its columns of before 2025 and those of since.
func Format() sheet.Format {
	return sheet.Format{
		Name: "Shopify product export (CSV)",
		Columns: []string{
			handleColumn:    "Handle|URL handle",
			titleColumn:     "Title",
			bodyColumn:      "Body (HTML)|Description",
			vendorColumn:    "Vendor",
			categoryColumn:  "Product Category",
			typeColumn:      "Type",
			tagsColumn:      "Tags",
			publishedColumn: "Published|Published on online store",
			statusColumn:    "Status",
			option1Name:     "Option1 Name",
			option1Value:    "Option1 Value",
			option2Name:     "Option2 Name",
			option2Value:    "Option2 Value",
			option3Name:     "Option3 Name",
			option3Value:    "Option3 Value",
			skuColumn:       "Variant SKU|SKU",
			gramsColumn:     "Variant Grams|Weight value (grams)",
			trackerColumn:   "Variant Inventory Tracker|Inventory tracker",
			quantityColumn:  "Variant Inventory Qty|Inventory quantity",
			policyColumn:    "Variant Inventory Policy|Continue selling when out of stock",
			priceColumn:     "Variant Price|Price",
			compareAtColumn: "Variant Compare At Price|Compare-at price",
			barcodeColumn:   "Variant Barcode|Barcode",
			imageColumn:     "Image Src|Product image URL",
			positionColumn:  "Image Position",
		},
		Needed: []sheet.Column{handleColumn, titleColumn, priceColumn},
		Key:    handleColumn,
		IsKey:  sheet.ValidHandle,
	}
}

// continues reports whether a variant is sold on when there are none, as the export says by a word or by a flag.
func continues(r sheet.Row) bool {
	policy := r.Cell(policyColumn)
	return strings.EqualFold(policy, "continue") || strings.EqualFold(policy, "true")
}
