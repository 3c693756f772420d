package merchant

import (
	"strings"

	"github.com/meridian-commerce/meridian/internal/catalog/sheet"
)

// The attributes of the feed that a product is built from.
const (
	idColumn sheet.Column = iota
	groupColumn
	titleColumn
	descriptionColumn
	brandColumn
	gtinColumn
	priceColumn
	salePriceColumn
	saleTimeColumn
	availabilityColumn
	quantityColumn
	colorColumn
	sizeColumn
	materialColumn
	patternColumn
	genderColumn
	ageColumn
	conditionColumn
	imageColumn
	moreImagesColumn
	typeColumn
	taxonomyColumn
	weightColumn
)

// Format is a product feed of Google Merchant Center, or of Meta's catalogs, which have the same attributes.
func Format() sheet.Format {
	return sheet.Format{
		Name: "Google Merchant product feed (tab- or comma-separated, or RSS or Atom)",
		Columns: []string{
			idColumn:           "id",
			groupColumn:        "item_group_id",
			titleColumn:        "title",
			descriptionColumn:  "description",
			brandColumn:        "brand",
			gtinColumn:         "gtin",
			priceColumn:        "price",
			salePriceColumn:    "sale_price",
			saleTimeColumn:     "sale_price_effective_date",
			availabilityColumn: "availability",
			quantityColumn:     "quantity|sell_on_google_quantity|quantity_to_sell_on_facebook",
			colorColumn:        "color",
			sizeColumn:         "size",
			materialColumn:     "material",
			patternColumn:      "pattern",
			genderColumn:       "gender",
			ageColumn:          "age_group",
			conditionColumn:    "condition",
			imageColumn:        "image_link",
			moreImagesColumn:   "additional_image_link",
			typeColumn:         "product_type",
			taxonomyColumn:     "google_product_category",
			weightColumn:       "shipping_weight",
		},
		Needed: []sheet.Column{idColumn, titleColumn, priceColumn},
		Fold:   fold,
		Key:    idColumn,
		IsKey:  func(cell string) bool { return cell != "" && !strings.ContainsAny(cell, "<> ") },
	}
}

// fold makes the names of attributes comparable, which are also written "image link" and "g:image_link".
func fold(name string) string {
	name = strings.ToLower(strings.TrimSpace(name))
	return strings.ReplaceAll(strings.TrimPrefix(name, "g:"), " ", "_")
}
