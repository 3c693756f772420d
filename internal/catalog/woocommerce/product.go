package woocommerce

import (
	"html"
	"net/url"
	"slices"
	"strings"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/catalog/sheet"
)

// What is assumed of products.
const (
	noSlug     = "products have no slug: their handle is made of their ID, or of their SKU where the file has no IDs"
	halfHidden = "products are in the store's lists alone, or in its search alone: here they are in both"
	intangible = "products are virtual, with nothing to ship: here they are as all others"
	otherPaths = "products are in several categories: the deepest is kept, the first of those"
	longValues = "products have attributes too long or too many for tags: these are left aside"
)

// Product implements sheet.Meaning.
func (m *meaning) Product(rows []sheet.Row) (p catalog.Product, ok bool, refused []error) {
	at := slices.IndexFunc(rows, func(r sheet.Row) bool { return !isVariation(r) })
	if at < 0 {
		for _, r := range rows {
			refused = append(refused, r.Fault(parentColumn, sheet.ReasonParent, "the file has no product %s", sheet.Quote(r.Cell(parentColumn))))
		}
		return p, false, refused
	}
	own := rows[at]
	d, err := m.describe(own)
	if err != nil {
		refused = append(refused, err)
	}
	variations := rows[:0:0]
	for i, r := range rows {
		switch {
		case i == at:
		case err != nil:
			refused = append(refused, r.Fault(parentColumn, sheet.ReasonProduct, "the product on line %d was rejected", own.Line))
		case !isVariation(r):
			refused = append(refused, r.Fault(idColumn, sheet.ReasonDuplicateHandle, "the product stands on line %d already", own.Line))
		default:
			variations = append(variations, r)
		}
	}
	if err != nil {
		return p, false, refused
	}
	refused = append(refused, m.addImages(d, own)...)
	if kindOf(own.Cell(typeColumn)).name == "variable" {
		refused = append(refused, m.addVariations(d, own, variations)...)
	} else {
		refused = append(refused, m.addSimple(d, own, variations)...)
	}
	if len(d.Variants) == 0 {
		if len(refused) == 0 {
			refused = append(refused, own.Fault(typeColumn, sheet.ReasonNoVariant, "the product has no variation that can be sold, and stays as it was"))
		}
		d.Drop()
		return p, false, refused
	}
	return d.Done(), true, refused
}

// describe makes a draft of all that a product's row says about the product itself.
func (m *meaning) describe(r sheet.Row) (*sheet.Draft, error) {
	if err := m.sellable(r); err != nil {
		return nil, err
	}
	handle, err := m.handle(r)
	if err != nil {
		return nil, err
	}
	if line, taken := m.book.Line(handle); taken {
		return nil, r.Fault(slugColumn, sheet.ReasonDuplicateHandle, "the product on line %d has the handle %s", line, sheet.Quote(handle))
	}
	d := m.book.Draft(handle, r.Line)
	p := &d.Product
	if p.Title, err = r.Text(nameColumn, sheet.MaxText); err != nil {
		return nil, err
	}
	if p.Title = strings.TrimSpace(html.UnescapeString(p.Title)); p.Title == "" {
		return nil, r.Fault(nameColumn, sheet.ReasonMissing, "a product needs a name")
	}
	if err := r.CheckText(nameColumn, p.Title, sheet.MaxText); err != nil { // as it is without its entities
		return nil, err
	}
	if p.Vendor, err = r.Text(brandsColumn, sheet.MaxText); err != nil {
		return nil, err
	}
	if p.Category, err = m.category(r); err != nil {
		return nil, err
	}
	if p.Description, err = description(r); err != nil {
		return nil, err
	}
	if p.Tags, err = r.CheckTags(tagsColumn, values(r.Cell(tagsColumn))); err != nil {
		return nil, err
	}
	if p.Active, p.Unlisted, err = m.visible(r); err != nil {
		return nil, err
	}
	d.Keep()
	return d, nil
}

// sellable refuses what cannot be sold here.
func (m *meaning) sellable(r sheet.Row) error {
	k := kindOf(r.Cell(typeColumn))
	switch {
	case k.downloadable:
		return r.Fault(typeColumn, sheet.ReasonType, "the product is a file to download, and nobody here would hand it over")
	case k.name == "external":
		return r.Fault(typeColumn, sheet.ReasonType, "the product is sold by another shop, to which the store only leads")
	case k.name == "grouped":
		return r.Fault(typeColumn, sheet.ReasonType, "the product is a list of others, which load by themselves")
	case k.name != "simple" && k.name != "variable":
		return r.Fault(typeColumn, sheet.ReasonType, "%s is none of simple, variable and variation", sheet.Quote(k.name))
	case k.virtual:
		m.notes.Add(r.Line, intangible)
	}
	return nil
}

// handle returns what the product is found by: its slug, if the file has any, and else what never changes, its ID. A name
// would make the product another one whenever it is renamed.
func (m *meaning) handle(r sheet.Row) (string, error) {
	if slug := r.Cell(slugColumn); slug != "" {
		if plain, err := url.PathUnescape(slug); err == nil { // as other scripts than Latin are written
			slug = plain
		}
		return r.CheckHandle(slugColumn, slug)
	}
	m.notes.Add(r.Line, noSlug)
	if id := r.Cell(idColumn); id != "" {
		return r.CheckHandle(idColumn, "product-"+sheet.Slug(id))
	}
	return r.CheckHandle(skuColumn, sheet.Slug(r.Cell(skuColumn)))
}

// category returns the deepest of the row's categories.
func (m *meaning) category(r sheet.Row) (string, error) {
	var deepest string
	all := values(r.Cell(categoriesColumn))
	for i, path := range all {
		if all[i] = sheet.Category(path); strings.Count(all[i], ">") > strings.Count(deepest, ">") || deepest == "" {
			deepest = all[i]
		}
	}
	if slices.ContainsFunc(all, func(path string) bool { return !strings.HasPrefix(deepest+" > ", path+" > ") }) {
		m.notes.Add(r.Line, otherPaths)
	}
	return deepest, r.CheckText(categoriesColumn, deepest, sheet.MaxCategory)
}

// description returns the short description and the long one. The exporter writes line breaks as \n.
func description(r sheet.Row) (string, error) {
	var parts []string
	for _, c := range []sheet.Column{shortColumn, descriptionColumn} {
		part, err := r.Description(c)
		if err != nil {
			return "", err
		}
		if part != "" {
			parts = append(parts, strings.NewReplacer(`\\n`, `\n`, `\n`, "\n").Replace(part))
		}
	}
	all := strings.TrimSpace(strings.Join(parts, "\n")) // of line breaks, too, as a cell is when it is read again
	return all, r.CheckDescription(descriptionColumn, all)
}

// visible reports whether the product is sold, being published, and whether it is in no list.
func (m *meaning) visible(r sheet.Row) (active, unlisted bool, err error) {
	published := r.Cell(publishedColumn)
	switch published {
	case "", "1":
		active = true
	case "0", "-1", "2": // private, a draft, to be reviewed
	default:
		return false, false, r.Fault(publishedColumn, sheet.ReasonFlag, "%s is none of 1, 0, -1 and 2", sheet.Quote(published))
	}
	switch visibility := r.Cell(visibilityColumn); strings.ToLower(visibility) {
	case "", "visible":
	case "catalog", "search":
		m.notes.Add(r.Line, halfHidden)
	case "hidden":
		unlisted = true
	default:
		return false, false, r.Fault(visibilityColumn, sheet.ReasonFlag, "%s is none of visible, catalog, search and hidden", sheet.Quote(visibility))
	}
	return active, unlisted, nil
}

// addImages adds a row's images, of which the first is the product's main one.
func (m *meaning) addImages(d *sheet.Draft, r sheet.Row) (refused []error) {
	for _, src := range values(r.Cell(imagesColumn)) {
		if err := d.AddImage(r, imagesColumn, src, 0); err != nil {
			return append(refused, err) // a row yields one error
		}
	}
	return refused
}
