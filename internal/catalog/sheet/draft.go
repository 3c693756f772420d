package sheet

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/meridian-commerce/meridian/internal/catalog"
)

// Book keeps which handles and SKUs a file has had, and where. It is not safe for concurrent use.
type Book struct {
	handles map[string]int   // line of each product's first row
	skus    map[string]place // of each variant
	notes   *Notes
}

type place struct {
	line   int
	handle string
}

// NewBook returns an empty book, which notes what it assumes.
func NewBook(n *Notes) *Book {
	return &Book{handles: map[string]int{}, skus: map[string]place{}, notes: n}
}

// Draft is a product that is being made of rows.
type Draft struct {
	catalog.Product
	Line    int // of its first row
	book    *Book
	options map[string]int // line of each combination of option values
	images  []image        // in the file's order
}

// image is a picture of a product; they are shown by position, and those without one in the file's order after the one before.
type image struct {
	src      string
	position int
}

// Draft begins a product.
func (b *Book) Draft(handle string, line int) *Draft {
	handle = strings.Clone(handle) // a cell alone would keep its whole record in memory
	return &Draft{Product: catalog.Product{Handle: handle}, Line: line, book: b, options: map[string]int{}}
}

// Line returns the line of the product that has a handle already.
func (b *Book) Line(handle string) (line int, taken bool) {
	line, taken = b.handles[handle]
	return line, taken
}

// SKU returns the line of the variant that has a SKU already.
func (b *Book) SKU(sku string) (line int, taken bool) {
	at, taken := b.skus[sku]
	return at.line, taken
}

// Keep notes that the draft's handle is taken.
func (d *Draft) Keep() { d.book.handles[d.Handle] = d.Line }

// Drop notes that nothing is kept of the draft, so that other rows may still define the product.
func (d *Draft) Drop() { delete(d.book.handles, d.Handle) }

// Done returns the product, with its images in their order.
func (d *Draft) Done() catalog.Product {
	slices.SortStableFunc(d.images, func(a, b image) int { return cmp.Compare(a.position, b.position) })
	for _, i := range d.images {
		d.Images = append(d.Images, i.src)
	}
	return d.Product
}

// AddImage adds an image, unless the product has it already. Position 0 is after the one before.
func (d *Draft) AddImage(r Row, c Column, src string, position int) error {
	if src == "" || slices.ContainsFunc(d.images, func(i image) bool { return i.src == src }) {
		return nil
	}
	src, err := r.Image(c, src)
	if err != nil {
		return err
	}
	if len(d.images) == MaxImages {
		return r.Fault(c, ReasonTooMany, "the product has more than %d images", MaxImages)
	}
	if position == 0 {
		position = len(d.images) + 1
	}
	d.images = append(d.images, image{src, position})
	return nil
}

// Values are a variant's values of what the product's variants differ in: {"M", "Red"}; empty where it has none.
type Values []string

// Title joins the values as a variant's title: "M / Red".
func (o Values) Title() string {
	return strings.Join(slices.DeleteFunc(slices.Clone(o), func(value string) bool { return value == "" }), " / ")
}

// key tells combinations apart; no value holds its separator.
func (o Values) key() string { return strings.Join(o, "\x00") }

// Free refuses option values that another variant of the product has.
func (d *Draft) Free(r Row, c Column, o Values) error {
	if line, ok := d.options[o.key()]; ok {
		return r.Fault(c, ReasonDuplicateOptions, "the variant on line %d has the same option values", line)
	}
	return nil
}

// sharedSKU is what is assumed of one SKU for all sizes.
const sharedSKU = "variants have the SKU of another one of their product, which keeps it: theirs ends in a number made of their options"

// Add adds a row's variant, whose SKU stands in a column. One without a SKU of its own is given one made of its options.
func (d *Draft) Add(r Row, sku Column, v catalog.Variant, o Values) error {
	if len(d.Variants) == MaxVariants {
		return r.Fault(sku, ReasonTooMany, "the product has more than %d variants", MaxVariants)
	}
	at, ok := d.book.skus[v.SKU]
	switch {
	case v.SKU == "":
		v.SKU = generatedSKU(d.Handle, d.Handle, o)
	case ok && at.handle == d.Handle: // one SKU for all sizes: the first keeps it
		d.book.notes.Add(r.Line, sharedSKU)
		v.SKU = generatedSKU(v.SKU, d.Handle, o)
	}
	if at, ok = d.book.skus[v.SKU]; ok {
		return r.Fault(sku, ReasonDuplicateSKU, "the variant on line %d has the SKU %s", at.line, Quote(v.SKU))
	}
	d.book.skus[strings.Clone(v.SKU)] = place{r.Line, d.Handle}
	if o.Title() != "" {
		d.options[o.key()] = r.Line
	}
	v.Options = o
	d.Variants = append(d.Variants, v)
	return nil
}

// generatedSKU makes the SKU of a variant that has none of its own, from one that is shared or the handle: the same at
// every import, and distinct for every handle and combination of option values, which a plain slug of them would not be.
func generatedSKU(base, handle string, o Values) string {
	const prefix, suffix = 40, 5
	sum := sha256.Sum256([]byte(handle + "\x00" + o.key()))
	start := []rune(base)
	return strings.TrimRight(string(start[:min(prefix, len(start))]), "-_") + "-" + hex.EncodeToString(sum[:suffix])
}
