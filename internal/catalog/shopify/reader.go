// Package shopify reads the product export of a Shopify store: CSV in which consecutive rows with the same Handle
// make one product. It streams, in memory for one product plus the handles and SKUs seen; a bad row is reported
// with its line and does not stop the reading, and the good variants of its product still load.
package shopify

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/money"
)

// Options say what a file does not: the money its prices are in.
type Options struct {
	Encoding string         // of the file, as HTML names it, unless it begins with a byte order mark; default UTF-8
	Currency money.Currency // of the file's prices; default USD
	Rates    []Rate         // further currencies to price every variant in
	Note     func(string)   // hears, once for each kind, what was assumed where a file leaves it open; may be nil
}

// Reader reads one file. It is not safe for concurrent use.
type Reader struct {
	records records
	at      layout
	pricing pricing
	handles map[string]int // line of each product's first row
	skus    map[string]int // line of each variant
	open    *group         // the product whose rows are being read
	ahead   *row           // a row that was read but not taken yet
	torn    bool           // a row was refused since the last one that was taken: nobody knows whose it was
	notes   notes
	note    func(string)
	err     error // final
}

// NewReader reads the header. The error is a *fault.Error when that is no Shopify export's (it names the columns
// that are missing) or when the options make no sense, and else the input's.
func NewReader(in io.Reader, o Options) (*Reader, error) {
	p, err := newPricing(o)
	if err != nil {
		return nil, err
	}
	t, err := open(in, o.Encoding)
	if err != nil {
		return nil, err
	}
	r := &Reader{
		records: records{text: t},
		note:    o.Note, pricing: p, handles: map[string]int{}, skus: map[string]int{},
	}
	header, _, err := r.records.next()
	var bad *RowError
	switch {
	case errors.Is(err, io.EOF):
		return nil, notExport("it is empty")
	case errors.As(err, &bad):
		return nil, notExport("its header cannot be read: %s", bad.Message)
	case err != nil:
		return nil, fmt.Errorf("shopify: read header: %w", err)
	}
	if r.at, err = newLayout(header); err != nil {
		return nil, err
	}
	r.records.width = len(header)
	r.records.handle = r.at[handleColumn]
	return r, nil
}

// Next returns the next product that has at least one good variant. After a *RowError, which may concern a product
// not yet returned, call Next again. Any other error is final: io.EOF at the end, or the input's.
func (r *Reader) Next() (catalog.Product, error) {
	for {
		current, err := r.row()
		var bad *RowError
		switch {
		case errors.As(err, &bad):
			r.tear()
			return catalog.Product{}, bad
		case err != nil:
			if done, ok := r.close(); ok && errors.Is(err, io.EOF) {
				return done, nil
			}
			return catalog.Product{}, err
		}
		handle, err := current.handle()
		if err != nil {
			r.tear()
			return catalog.Product{}, err
		}
		if r.open != nil && r.open.product.Handle != handle {
			if done, ok := r.close(); ok {
				r.ahead = &current
				return done, nil
			}
		}
		if err := r.take(current, handle); err != nil {
			return catalog.Product{}, err
		}
	}
}

// tear notes that a variant is missing, of the open product or the next one.
func (r *Reader) tear() {
	r.torn = true
	if r.open != nil {
		r.open.product.Partial = true
	}
}

// row returns the next row; errors other than *RowError are final.
func (r *Reader) row() (row, error) {
	if next := r.ahead; next != nil {
		r.ahead = nil
		return *next, nil
	}
	if r.err != nil {
		return row{}, r.err
	}
	cells, line, err := r.records.next()
	var bad *RowError
	switch {
	case errors.Is(err, io.EOF):
		r.err = io.EOF
		r.notes.tell(r.note)
	case err != nil && !errors.As(err, &bad):
		r.err = fmt.Errorf("shopify: read line %d: %w", r.records.line+1, err)
	default:
		return row{line: line, cells: cells, at: &r.at}, err
	}
	return row{}, r.err
}

// close ends the open product; false: there is none, or it has nothing to sell.
func (r *Reader) close() (catalog.Product, bool) {
	g := r.open
	r.open = nil
	switch {
	case g == nil || g.rejected:
		return catalog.Product{}, false
	case len(g.product.Variants) == 0: // nothing was kept of it, so that rows further down may still define it
		delete(r.handles, g.product.Handle)
		return catalog.Product{}, false
	default:
		slices.SortStableFunc(g.images, func(a, b image) int { return cmp.Compare(a.position, b.position) })
		for _, i := range g.images {
			g.product.Images = append(g.product.Images, i.src)
		}
		return g.product, true
	}
}

// take adds a row to its product, which it opens if need be.
func (r *Reader) take(current row, handle string) error {
	first := r.open == nil
	if first {
		r.open = &group{product: catalog.Product{Handle: handle, Partial: r.torn}, line: current.line, options: map[string]int{}}
		if err := r.begin(current); err != nil {
			r.open.rejected = true
			return err
		}
	}
	g := r.open
	r.torn = false
	if g.rejected {
		return current.fault(handleColumn, ReasonProduct,
			"the row belongs to the product %s, whose first row (line %d) was rejected", quote(handle), g.line)
	}
	imageErr := g.addImage(current)
	if !first && current.imageOnly() {
		return imageErr
	}
	if err := r.addVariant(current); err != nil {
		g.product.Partial = true
		return err
	}
	return imageErr
}

// begin fills the open product from its first row.
func (r *Reader) begin(first row) error {
	g := r.open
	if line, ok := r.handles[g.product.Handle]; ok {
		return first.fault(handleColumn, ReasonDuplicateHandle,
			"the rows of a product stand together; %s stood on line %d", quote(g.product.Handle), line)
	}
	if err := g.describe(first); err != nil {
		return err
	}
	r.handles[strings.Clone(g.product.Handle)] = g.line // a cell alone would keep its whole record in memory
	return nil
}

// addVariant adds the row's variant to the open product.
func (r *Reader) addVariant(current row) error {
	g := r.open
	if len(g.product.Variants) == maxVariants {
		return current.fault(skuColumn, ReasonTooMany, "the product has more than %d variants", maxVariants)
	}
	options, err := g.optionValues(current)
	if err != nil {
		return err
	}
	v, err := current.variant(r.pricing)
	if err != nil {
		return err
	}
	v.Title = options.title()
	line, ok := r.skus[v.SKU]
	switch {
	case v.SKU == "":
		v.SKU = generatedSKU(g.product.Handle, g.product.Handle, options)
	case ok && line >= g.line: // one SKU for all sizes: the first keeps it
		r.notes.add(sharedSKU, current.line)
		v.SKU = generatedSKU(v.SKU, g.product.Handle, options)
	}
	if line, ok = r.skus[v.SKU]; ok {
		return current.fault(skuColumn, ReasonDuplicateSKU, "the variant on line %d has the SKU %s", line, quote(v.SKU))
	}
	r.skus[strings.Clone(v.SKU)] = current.line
	if options != (optionValues{}) {
		g.options[options.key()] = current.line
	}
	v.Stock = r.stock(current, v.Stock)
	g.product.Variants = append(g.product.Variants, v)
	return nil
}
