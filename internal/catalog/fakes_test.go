package catalog_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/regions"
)

var errDown = fault.New(fault.Unavailable, "DATABASE_UNREACHABLE", "please retry")

// tooLarge is the title of a product that a store cannot keep.
const tooLarge = "too large"

// store is a catalog.Store in memory. Search finds everything.
type store struct {
	products map[string]catalog.Product
	owners   map[string]string // SKUs that other products have, and which
	puts     []int             // how many products each Put had
	down     error
}

func (s *store) sorted(after string) []catalog.Product {
	var out []catalog.Product
	for _, handle := range slices.Sorted(maps.Keys(s.products)) {
		if p := s.products[handle]; handle > after && p.Active {
			out = append(out, p)
		}
	}
	return out
}

func (s *store) Page(_ context.Context, _, after string, limit int) ([]catalog.Product, error) {
	all := s.sorted(after)
	return all[:min(limit, len(all))], s.down
}

func (s *store) Find(_ context.Context, handle string) (catalog.Product, error) {
	p, ok := s.products[handle]
	if !ok {
		return p, fmt.Errorf("store: %w", catalog.ErrNotFound)
	}
	return p, s.down
}

// Popular is that nobody has looked at anything.
func (s *store) Popular(context.Context, regions.Name, string, *catalog.Rank, int) ([]catalog.Product, []catalog.Rank, error) {
	return nil, nil, s.down
}

func (s *store) Search(_ context.Context, _ string, offset, limit int) ([]catalog.Product, error) {
	all := s.sorted("")
	all = all[min(offset, len(all)):]
	return all[:min(limit, len(all))], s.down
}

func (s *store) Currencies(context.Context) ([]money.Currency, error) { return nil, s.down }

func (s *store) Put(_ context.Context, products []catalog.Product) (catalog.Stored, error) {
	stored := catalog.Stored{IDs: map[string]string{}}
	if s.down != nil {
		return stored, s.down
	}
	s.puts = append(s.puts, len(products))
	for _, p := range products {
		if p.Title == tooLarge {
			return stored, fault.New(fault.Invalid, "VALUE_TOO_LARGE", "it cannot be kept")
		}
		for _, v := range p.Variants {
			if owner, taken := s.owners[v.SKU]; taken && owner != p.Handle {
				return stored, fault.New(fault.Exists, "SKU_TAKEN", "SKU %s belongs to %s", v.SKU, owner)
			}
			stored.IDs[v.SKU] = v.SKU
		}
	}
	for _, p := range products {
		if !reflect.DeepEqual(s.products[p.Handle], p) {
			stored.Changed++
		}
		s.products[p.Handle] = p
	}
	return stored, nil
}

// allotter keeps the first units of each SKU.
type allotter struct {
	units map[string]int64
	down  error
}

func (a *allotter) Allot(_ context.Context, units map[string]int64) error {
	for sku, n := range units {
		if _, known := a.units[sku]; !known {
			a.units[sku] = n
		}
	}
	return a.down
}

// source yields products and errors in turn, and then io.EOF.
type source []any

func (s *source) Next() (catalog.Product, error) {
	if len(*s) == 0 {
		return catalog.Product{}, io.EOF
	}
	next := (*s)[0]
	*s = (*s)[1:]
	switch next := next.(type) {
	case catalog.Product:
		return next, nil
	case error:
		return catalog.Product{}, next
	}
	return catalog.Product{}, io.ErrUnexpectedEOF
}

// badRow is a row that was refused.
type badRowError int

func (b badRowError) Error() string { return fmt.Sprintf("line %d: bad", int(b)) }
func (badRowError) BadRow()         {}
