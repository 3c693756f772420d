// Package shopify reads the product export of a Shopify store: CSV in which consecutive rows with the same Handle
// make one product. It streams, in memory for one product plus the handles and SKUs seen; a bad row is reported
// with its line and does not stop the reading, and the good variants of its product still load. A file, other than a pipe, is
// read once before, for products whose rows stand apart.
package shopify

import (
	"errors"
	"io"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/catalog/sheet"
)

// Reader reads one file. It is not safe for concurrent use.
type Reader struct {
	rows    *sheet.Rows
	pricing sheet.Pricing
	markets []market
	notes   *sheet.Notes
	note    func(string)
	book    *sheet.Book
	apart   map[string]bool // products whose rows do not stand together
	open    *group          // the product whose rows are being read
	ahead   *sheet.Row      // a row that was read but not taken yet
	torn    bool            // a row was refused since the last one that was taken: nobody knows whose it was
	told    bool
}

// NewReader reads the header. The error is a *fault.Error when that is no Shopify export's (it names the columns
// that are missing) or when the options make no sense, and else the input's.
func NewReader(in io.Reader, o sheet.Options) (*Reader, error) {
	p, err := sheet.NewPricing(o)
	if err != nil {
		return nil, err
	}
	scattered, err := apart(in, o.Encoding)
	if err != nil {
		return nil, err
	}
	t, err := sheet.NewText(in, o.Encoding)
	if err != nil {
		return nil, err
	}
	rows, err := Format().Rows(t)
	if err != nil {
		return nil, err
	}
	markets, err := marketsOf(rows.Header, o.Markets)
	if err != nil {
		return nil, err
	}
	notes := &sheet.Notes{}
	return &Reader{rows: rows, pricing: p, markets: markets, notes: notes, note: o.Note, book: sheet.NewBook(notes), apart: scattered}, nil
}

// Next returns the next product that has at least one good variant. After a *sheet.RowError, which may concern a product
// not yet returned, call Next again. Any other error is final: io.EOF at the end, or the input's.
func (r *Reader) Next() (catalog.Product, error) {
	for {
		current, err := r.row()
		var bad *sheet.RowError
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
		handle, err := handleOf(current)
		if err != nil {
			r.tear()
			return catalog.Product{}, err
		}
		if r.open != nil && r.open.Handle != handle {
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
		r.open.Partial = true
	}
}

// row returns the next row; errors other than *sheet.RowError are final.
func (r *Reader) row() (sheet.Row, error) {
	if next := r.ahead; next != nil {
		r.ahead = nil
		return *next, nil
	}
	next, err := r.rows.Next()
	if errors.Is(err, io.EOF) && !r.told {
		r.told = true
		r.notes.Tell(r.note, r.rows.Header)
	}
	return next, err
}

// close ends the open product; false: there is none, or it has nothing to sell.
func (r *Reader) close() (catalog.Product, bool) {
	g := r.open
	r.open = nil
	switch {
	case g == nil || g.rejected:
		return catalog.Product{}, false
	case len(g.Variants) == 0: // nothing was kept of it, so that rows further down may still define it
		g.Drop()
		return catalog.Product{}, false
	}
	return g.Done(), true
}

// take adds a row to its product, which it opens if need be.
func (r *Reader) take(current sheet.Row, handle string) error {
	first := r.open == nil
	if first {
		r.open = &group{Draft: r.book.Draft(handle, current.Line)}
		r.open.Partial = r.torn || r.apart[handle]
		if err := r.begin(current); err != nil {
			r.open.rejected = true
			return err
		}
	}
	g := r.open
	r.torn = false
	if g.rejected {
		return current.Fault(handleColumn, sheet.ReasonProduct,
			"the row belongs to the product %s, whose first row (line %d) was rejected", sheet.Quote(handle), g.Line)
	}
	if err := r.heed(current); err != nil {
		g.Partial, g.rejected = true, first // nobody knows where the product is sold
		return err
	}
	imageErr := g.addImage(current)
	if !first && imageOnly(current) {
		return imageErr
	}
	if err := r.addVariant(current); err != nil {
		g.Partial = true
		return err
	}
	return imageErr
}

// begin fills the open product from its first row.
func (r *Reader) begin(first sheet.Row) error {
	g := r.open
	if line, ok := r.book.Line(g.Handle); ok {
		return first.Fault(handleColumn, sheet.ReasonDuplicateHandle,
			"the rows of a product stand together; %s stood on line %d", sheet.Quote(g.Handle), line)
	}
	if err := g.describe(first); err != nil {
		return err
	}
	g.excluded = make([]bool, len(r.markets))
	g.Keep()
	return nil
}

// addVariant adds the row's variant to the open product.
func (r *Reader) addVariant(current sheet.Row) error {
	g := r.open
	options, err := g.optionValues(current)
	if err != nil {
		return err
	}
	v, err := r.variant(current)
	if err != nil {
		return err
	}
	if v.Title = options.Title(); v.Title == "Default Title" { // of a product without options
		v.Title = ""
	}
	return g.Add(current, skuColumn, v, options)
}
