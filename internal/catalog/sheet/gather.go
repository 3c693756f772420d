package sheet

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/meridian-commerce/meridian/internal/catalog"
)

// Source yields rows in the file's order. After a *RowError, Next may be called again; other errors are final: io.EOF,
// or the input's.
type Source interface {
	Next() (Row, error)
}

// Meaning is what the rows of a format mean, in which the rows of a product may stand apart.
type Meaning interface {
	// Key names the product that a row belongs to. It is called for each row in the file's order, and once more when all
	// have been seen: then it may know better.
	Key(r Row) (string, error)
	// Settle makes a key that was given while rows were still to come the one that Key gives now.
	Settle(key string) string
	// Product makes a product of all its rows, in the file's order. Refused says what is left out of it, row by row;
	// without ok there is no product at all.
	Product(rows []Row) (p catalog.Product, ok bool, refused []error)
}

// Gather is a catalog.Source of products whose rows may stand apart. It reads the file twice: first for where each
// product's last row is, then for the products, of which only those are in memory that are not complete yet. It is not
// safe for concurrent use.
type Gather struct {
	rows    Source
	meaning Meaning
	ended   func()         // called once, at the end of the file
	count   int            // of the rows that were read
	last    map[string]int // count at each product's last row; lines may be shared
	torn    bool           // a row was refused that may be of any product
	begun   map[string]*begun
	refused []error // to be returned before anything else
	ready   *catalog.Product
	err     error // final
}

// begun is a product not all of whose rows have been read.
type begun struct {
	rows    []Row
	refused bool // some row is not among them
}

// NewGather reads a file once. Open begins to read it, and is called twice; ended is called at its end. The error is open's
// or the input's.
func NewGather(open func() (Source, error), m Meaning, ended func()) (*Gather, error) {
	g := &Gather{meaning: m, ended: ended, last: map[string]int{}, begun: map[string]*begun{}}
	if err := g.look(open); err != nil {
		return nil, err
	}
	var err error
	g.rows, err = open()
	return g, err
}

// look notes where the last row of each product is.
func (g *Gather) look(open func() (Source, error)) error {
	rows, err := open()
	if err != nil {
		return err
	}
	seen := map[string]int{}
	for n := 1; ; n++ {
		r, err := rows.Next()
		var bad *RowError
		switch {
		case errors.Is(err, io.EOF):
			for key, at := range seen {
				key = g.meaning.Settle(key)
				g.last[key] = max(g.last[key], at)
			}
			return nil
		case errors.As(err, &bad):
			g.torn = true
			n--
			continue
		case err != nil:
			return err
		}
		if key, err := g.meaning.Key(r); err != nil {
			g.torn = true
		} else if _, known := seen[key]; known {
			seen[key] = n
		} else {
			seen[strings.Clone(key)] = n // a cell alone would keep its whole record in memory
		}
	}
}

// Next implements catalog.Source.
func (g *Gather) Next() (catalog.Product, error) {
	for {
		if len(g.refused) > 0 {
			bad := g.refused[0]
			g.refused = g.refused[1:]
			return catalog.Product{}, bad
		}
		if p := g.ready; p != nil {
			g.ready = nil
			return *p, nil
		}
		if g.err != nil {
			return catalog.Product{}, g.err
		}
		r, err := g.rows.Next()
		var bad *RowError
		switch {
		case errors.Is(err, io.EOF):
			g.ended()
			if g.err = io.EOF; len(g.begun) > 0 {
				g.err = errors.New("sheet: the file has changed while it was read")
			}
		case errors.As(err, &bad):
			return catalog.Product{}, bad
		case err != nil:
			g.err = fmt.Errorf("sheet: %w", err)
		default:
			g.count++
			g.take(r)
		}
	}
}

// take adds a row to its product, and makes that if it was the last one.
func (g *Gather) take(r Row) {
	key, err := g.meaning.Key(r)
	if err != nil {
		g.refused = append(g.refused, err)
		return
	}
	of := g.begun[key]
	if of == nil {
		of = &begun{}
		g.begun[key] = of
	}
	if len(of.rows) > MaxVariants { // one more, for the product's own row
		of.refused = true
		g.refused = append(g.refused, &RowError{Line: r.Line, Reason: ReasonTooMany,
			Message: fmt.Sprintf("the product has more than %d variants", MaxVariants)})
	} else {
		of.rows = append(of.rows, r)
	}
	if g.count < g.last[key] {
		return
	}
	delete(g.begun, key)
	p, ok, refused := g.meaning.Product(of.rows)
	g.refused = append(g.refused, refused...)
	if ok {
		p.Partial = p.Partial || g.torn || of.refused
		g.ready = &p
	}
}
