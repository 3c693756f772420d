package woocommerce

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/meridian-commerce/meridian/internal/catalog/sheet"
)

// The columns of the export that a product is built from, beside those of attributes.
const (
	idColumn sheet.Column = iota
	typeColumn
	skuColumn
	barcodeColumn
	nameColumn
	slugColumn
	publishedColumn
	visibilityColumn
	shortColumn
	descriptionColumn
	saleFromColumn
	saleToColumn
	inStockColumn
	stockColumn
	backordersColumn
	kilogramsColumn
	gramsColumn
	poundsColumn
	ouncesColumn
	salePriceColumn
	priceColumn
	categoriesColumn
	tagsColumn
	imagesColumn
	parentColumn
	positionColumn
	brandsColumn
)

// Format is the product export of WooCommerce, as its own exporter writes it in a store whose language is English.
func Format() sheet.Format {
	return sheet.Format{
		Name: "WooCommerce product export (CSV, of a store in English)",
		Columns: []string{
			idColumn:          "ID",
			typeColumn:        "Type",
			skuColumn:         "SKU",
			barcodeColumn:     "GTIN, UPC, EAN, or ISBN",
			nameColumn:        "Name",
			slugColumn:        "Slug",
			publishedColumn:   "Published",
			visibilityColumn:  "Visibility in catalog",
			shortColumn:       "Short description",
			descriptionColumn: "Description",
			saleFromColumn:    "Date sale price starts",
			saleToColumn:      "Date sale price ends",
			inStockColumn:     "In stock?",
			stockColumn:       "Stock",
			backordersColumn:  "Backorders allowed?",
			kilogramsColumn:   "Weight (kg)",
			gramsColumn:       "Weight (g)",
			poundsColumn:      "Weight (lbs)",
			ouncesColumn:      "Weight (oz)",
			salePriceColumn:   "Sale price",
			priceColumn:       "Regular price",
			categoriesColumn:  "Categories",
			tagsColumn:        "Tags",
			imagesColumn:      "Images",
			parentColumn:      "Parent",
			positionColumn:    "Position",
			brandsColumn:      "Brands|Brand",
		},
		Needed: []sheet.Column{typeColumn, nameColumn, priceColumn},
		Clean:  unescape,
		Key:    typeColumn,
		IsKey:  func(cell string) bool { return kindOf(cell).known },
	}
}

// unescape takes off the apostrophe that the exporter puts before what a spreadsheet would take for a formula.
func unescape(cell string) string {
	if len(cell) > 1 && cell[0] == '\'' && strings.IndexByte("=+-@", cell[1]) >= 0 {
		return cell[1:]
	}
	return cell
}

// attribute is a pair of columns: what an attribute is called, and which values a row has of it.
type attribute struct{ name, values sheet.Column }

var attributeName = regexp.MustCompile(`(?i)^\s*Attribute (\d+) (name|value\(s\))\s*$`)

// attributesOf finds the columns of attributes, in the header's order. The error is a *fault.Error that names one given twice.
func attributesOf(h *sheet.Header) ([]attribute, error) {
	const absent sheet.Column = -1
	byNumber := map[int]*attribute{}
	var order []int
	for i, cell := range h.Cells() {
		match := attributeName.FindStringSubmatch(cell)
		if match == nil {
			continue
		}
		n, err := strconv.Atoi(match[1])
		if err != nil {
			continue
		}
		if byNumber[n] == nil {
			byNumber[n] = &attribute{absent, absent}
			order = append(order, n)
		}
		to := &byNumber[n].values
		if strings.EqualFold(match[2], "name") {
			to = &byNumber[n].name
		}
		if *to != absent {
			return nil, Format().Refuse("its header has the column %s twice", strings.TrimSpace(cell))
		}
		*to = h.Add(i)
	}
	var all []attribute
	for _, n := range order {
		if a := byNumber[n]; a.name != absent && a.values != absent {
			all = append(all, *a)
		}
	}
	return all, nil
}

// kind is what the type of a row says.
type kind struct {
	name                  string
	known                 bool // one that WooCommerce itself has
	virtual, downloadable bool
}

// kindOf reads a type such as "simple, virtual".
func kindOf(cell string) kind {
	var k kind
	for _, word := range sheet.List(strings.ToLower(cell), ",") {
		switch word {
		case "virtual":
			k.virtual = true
		case "downloadable":
			k.downloadable = true
		default:
			k.name = word
		}
	}
	switch k.name {
	case "":
		k.name, k.known = "simple", k.virtual || k.downloadable
	case "simple", "variable", "variation", "grouped", "external":
		k.known = true
	}
	return k
}

// values splits a list whose values have their own commas written as \, .
func values(cell string) []string {
	const comma = "\x00"
	var all []string
	for _, value := range sheet.List(strings.ReplaceAll(cell, `\,`, comma), ",") {
		all = append(all, strings.ReplaceAll(value, comma, ","))
	}
	return all
}
