package merchant

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/catalog/sheet"
)

// What is assumed of products.
const (
	otherWords = "variants have another title, description, brand or category than the first of their product, whose hold"
	moreTypes  = "products are of several types: the first is kept"
	numbered   = "products have a number for their category, which says nothing here: it is left aside"
)

// features are the attributes in which the items of a group may differ. Those in which they do make the variants' titles;
// the others are the product's tags.
func features() []sheet.Column {
	return []sheet.Column{colorColumn, sizeColumn, materialColumn, patternColumn, genderColumn, ageColumn, conditionColumn}
}

// Product implements sheet.Meaning.
func (m *meaning) Product(rows []sheet.Row) (p catalog.Product, ok bool, refused []error) {
	rows, refused = m.once(rows)
	partial := len(refused) > 0 // an item is left out, which may be one that it has
	var d *sheet.Draft
	var first sheet.Row
	differ := differing(rows)
	for _, r := range rows {
		if d == nil {
			var err error
			if d, err = m.describe(r); err != nil {
				refused = append(refused, err)
				partial = true
				continue
			}
			d.Partial = partial
			for _, c := range differ {
				d.Options = append(d.Options, r.Name(c))
			}
			first = r
			refused = append(refused, tag(d, r, differ)...)
		} else if !sameWords(first, r) {
			m.notes.Add(r.Line, otherWords)
		}
		if err := m.add(d, r, differ); err != nil {
			d.Partial = true
			refused = append(refused, err)
			continue
		}
		refused = append(refused, addImages(d, r)...)
	}
	if d == nil {
		return p, false, refused
	}
	if len(d.Variants) == 0 {
		d.Drop()
		return p, false, refused
	}
	return d.Done(), true, refused
}

// once refuses items whose id another one has.
func (m *meaning) once(rows []sheet.Row) (kept []sheet.Row, refused []error) {
	lines := map[string]int{}
	for _, r := range rows {
		id := r.Cell(idColumn)
		line, taken := m.book.SKU(id)
		if within, twice := lines[id]; twice {
			line, taken = within, true
		}
		if taken {
			refused = append(refused, r.Fault(idColumn, sheet.ReasonDuplicateSKU, "the item on line %d has the id %s", line, sheet.Quote(id)))
			continue
		}
		lines[id] = r.Line
		kept = append(kept, r)
	}
	return kept, refused
}

// describe makes a draft of what an item says about its product.
func (m *meaning) describe(r sheet.Row) (*sheet.Draft, error) {
	handle, err := handle(r)
	if err != nil {
		return nil, err
	}
	if line, taken := m.book.Line(handle); taken {
		return nil, r.Fault(idColumn, sheet.ReasonDuplicateHandle, "the product on line %d has the handle %s", line, sheet.Quote(handle))
	}
	d := m.book.Draft(handle, r.Line)
	p := &d.Product
	p.Active = true
	if p.Title, err = r.Text(titleColumn, sheet.MaxText); err != nil {
		return nil, err
	}
	if p.Title == "" {
		return nil, r.Fault(titleColumn, sheet.ReasonMissing, "an item needs a title")
	}
	if p.Description, err = r.Description(descriptionColumn); err != nil {
		return nil, err
	}
	if p.Vendor, err = r.Text(brandColumn, sheet.MaxText); err != nil {
		return nil, err
	}
	if p.Category, err = m.category(r); err != nil {
		return nil, err
	}
	d.Keep()
	return d, nil
}

// handle makes what a product is found by of the id of its group, or of its own, which never change. One that is no
// handle as it stands gets a number made of it, so that two of them stay two.
func handle(r sheet.Row) (string, error) {
	c := groupColumn
	if r.Cell(c) == "" {
		c = idColumn
	}
	id := r.Cell(c)
	handle := sheet.Slug(id)
	if handle != strings.ToLower(id) {
		const digits = 5
		sum := sha256.Sum256([]byte(id))
		handle = strings.TrimLeft(handle+"-"+hex.EncodeToString(sum[:digits]), "-")
	}
	return r.CheckHandle(c, handle)
}

// category returns the merchant's own path, or Google's where there is none.
func (m *meaning) category(r sheet.Row) (string, error) {
	types := sheet.List(r.Cell(typeColumn), ",")
	if len(types) > 1 {
		m.notes.Add(r.Line, moreTypes)
	}
	if len(types) > 0 {
		path := sheet.Category(types[0])
		return path, r.CheckText(typeColumn, path, sheet.MaxCategory)
	}
	path := sheet.Category(r.Cell(taxonomyColumn))
	if path != "" && strings.Trim(path, "0123456789") == "" {
		m.notes.Add(r.Line, numbered)
		return "", nil
	}
	return path, r.CheckText(taxonomyColumn, path, sheet.MaxCategory)
}

// sameWords reports whether an item says of its product what the first one says.
func sameWords(first, r sheet.Row) bool {
	for _, c := range []sheet.Column{titleColumn, descriptionColumn, brandColumn, typeColumn, taxonomyColumn} {
		if first.Cell(c) != r.Cell(c) {
			return false
		}
	}
	return true
}

// differing returns the features in which items differ, and their titles where features do not tell all of them apart.
func differing(rows []sheet.Row) (columns []sheet.Column) {
	for _, c := range features() {
		if slices.ContainsFunc(rows, func(r sheet.Row) bool { return r.Cell(c) != rows[0].Cell(c) }) {
			columns = append(columns, c)
		}
	}
	titled := append(slices.Clone(columns), titleColumn)
	if !apart(rows, columns) && (len(columns) == 0 || apart(rows, titled)) {
		return titled
	}
	return columns
}

// apart reports whether columns tell all items from each other.
func apart(rows []sheet.Row, columns []sheet.Column) bool {
	seen := map[string]bool{}
	for _, r := range rows {
		var key strings.Builder
		for _, c := range columns {
			key.WriteString(r.Cell(c) + "\x00")
		}
		if seen[key.String()] {
			return false
		}
		seen[key.String()] = true
	}
	return true
}

// tag makes tags of the features that all items have in common. That things are new goes without saying.
func tag(d *sheet.Draft, r sheet.Row, differ []sheet.Column) (refused []error) {
	var all []string
	for _, c := range features() {
		value := r.Cell(c)
		if value == "" || slices.Contains(differ, c) || c == conditionColumn && strings.EqualFold(value, "new") {
			continue
		}
		all = append(all, value)
	}
	tags, err := r.CheckTags(colorColumn, all)
	if err != nil {
		refused = append(refused, err)
	}
	d.Tags = tags
	return refused
}

// addImages adds an item's images, of which the product's main one comes first.
func addImages(d *sheet.Draft, r sheet.Row) (refused []error) {
	if err := d.AddImage(r, imageColumn, r.Cell(imageColumn), 0); err != nil {
		return append(refused, err)
	}
	for _, src := range sheet.List(r.Cell(moreImagesColumn), ",") {
		if err := d.AddImage(r, moreImagesColumn, src, 0); err != nil {
			return append(refused, err) // one of a row is enough
		}
	}
	return refused
}
