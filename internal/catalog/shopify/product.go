package shopify

import (
	"strconv"
	"strings"

	"github.com/meridian-commerce/meridian/internal/catalog/sheet"
)

// group is a product whose rows are being read.
type group struct {
	*sheet.Draft
	rejected bool
	named    [3]bool // which of the options the product has
	excluded []bool  // from which markets; a row without a word about it is as the one before
}

// handleOf checks and returns the row's handle.
func handleOf(r sheet.Row) (string, error) {
	handle := r.Cell(handleColumn)
	if handle == "" {
		return "", r.Fault(handleColumn, sheet.ReasonMissing, "every row needs the handle of its product")
	}
	return r.CheckHandle(handleColumn, handle)
}

// describe fills in all that a product's first row says about the product itself.
func (g *group) describe(first sheet.Row) error {
	p := &g.Product
	for _, field := range []struct {
		to    *string
		from  sheet.Column
		limit int
	}{
		{&p.Title, titleColumn, sheet.MaxText},
		{&p.Vendor, vendorColumn, sheet.MaxText},
		{&p.Type, typeColumn, sheet.MaxText},
		{&p.Category, categoryColumn, sheet.MaxCategory},
	} {
		var err error
		if *field.to, err = first.Text(field.from, field.limit); err != nil {
			return err
		}
	}
	if p.Title == "" {
		return first.Fault(titleColumn, sheet.ReasonMissing, "the first row of a product needs its title")
	}
	p.Category = sheet.Category(p.Category)
	err := first.CheckText(categoryColumn, p.Category, sheet.MaxCategory) // as it is with spaces
	if err != nil {
		return err
	}
	if p.Description, err = first.Description(bodyColumn); err != nil {
		return err
	}
	if p.Tags, err = tags(first); err != nil {
		return err
	}
	if p.Active, p.Unlisted, err = visible(first); err != nil {
		return err
	}
	p.Options = make([]string, len(g.named))
	for i, name := range []sheet.Column{option1Name, option2Name, option3Name} {
		if p.Options[i], err = first.Text(name, sheet.MaxText); err != nil {
			return err
		}
		g.named[i] = p.Options[i] != ""
	}
	return nil
}

func tags(r sheet.Row) ([]string, error) {
	all, err := r.Text(tagsColumn, sheet.MaxTags*(sheet.MaxText+2))
	if err != nil {
		return nil, err
	}
	return r.CheckTags(tagsColumn, sheet.List(all, ","))
}

// visible reports whether the product is on sale, being neither a draft nor archived, and whether it is in no list, being
// unlisted or not published. Empty cells mean that it is sold and listed.
func visible(r sheet.Row) (active, unlisted bool, err error) {
	published := r.Cell(publishedColumn)
	switch strings.ToLower(published) {
	case "", "true", "false":
	default:
		return false, false, r.Fault(publishedColumn, sheet.ReasonFlag, "%s is neither TRUE nor FALSE", sheet.Quote(published))
	}
	status := r.Cell(statusColumn)
	switch strings.ToLower(status) {
	case "", "active", "unlisted", "draft", "archived":
	default:
		return false, false, r.Fault(statusColumn, sheet.ReasonFlag, "%s is none of active, unlisted, draft and archived", sheet.Quote(status))
	}
	unlisted = strings.EqualFold(status, "unlisted")
	return unlisted || status == "" || strings.EqualFold(status, "active"), unlisted || strings.EqualFold(published, "false"), nil
}

// imageOnly reports whether the row has an image and nothing of a variant.
func imageOnly(r sheet.Row) bool {
	for _, c := range []sheet.Column{
		priceColumn, skuColumn, quantityColumn, gramsColumn, barcodeColumn, option1Value, option2Value, option3Value,
	} {
		if r.Cell(c) != "" {
			return false
		}
	}
	return r.Cell(imageColumn) != ""
}

// addImage adds the row's image, unless the product has it already.
func (g *group) addImage(r sheet.Row) (err error) {
	src, position := r.Cell(imageColumn), 0
	if given := r.Cell(positionColumn); src != "" && given != "" {
		if position, err = strconv.Atoi(given); err != nil {
			return r.Fault(positionColumn, sheet.ReasonImage, "%s is not a whole number", sheet.Quote(given))
		}
	}
	return g.AddImage(r, imageColumn, src, position)
}
