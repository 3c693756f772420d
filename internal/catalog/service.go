package catalog

import (
	"context"
	"errors"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/regions"
)

// ErrNotFound is what a Store returns for a product that does not exist.
var ErrNotFound = errors.New("catalog: not found")

// Store keeps products. It is safe for concurrent use; errors are ErrNotFound and *fault.Error.
type Store interface {
	// Page returns up to limit listed products after a handle, by handle; category "" means all.
	Page(ctx context.Context, category, after string, limit int) ([]Product, error)
	// Find returns a product, active or not.
	Find(ctx context.Context, handle string) (Product, error)
	// Popular returns up to limit listed products after a rank, and their ranks; nil is before the first of them.
	Popular(ctx context.Context, region regions.Name, category string, after *Rank, limit int) ([]Product, []Rank, error)
	// Search returns listed products that hold every word of a query, best first.
	Search(ctx context.Context, query string, offset, limit int) ([]Product, error)
	// Currencies returns those in which a variant has had a price, in the order of their codes.
	Currencies(ctx context.Context) ([]money.Currency, error)
	// Put inserts or updates products by handle in one transaction, and their variants as Identify says. Variants
	// that a product no longer names are withdrawn, unless it is Partial; prices stay. The products' versions are noted in ctx's consistency session.
	// A variant whose SKU belongs to another product is fault.Exists: it stays with the product that had it first. What
	// cannot be kept, whatever is done, is fault.Invalid.
	Put(ctx context.Context, products []Product) (Stored, error)
}

// Stored is what a Put did.
type Stored struct {
	Changed int                    // products
	IDs     map[string]string      // of the variants, by SKU
	Kept    map[money.Currency]int // prices that the variants had and were not given again
}

const (
	maxQuery  = 200
	maxOffset = 1000
)

// Service is the catalog room's behavior. It is safe for concurrent use.
type Service struct{ store Store }

// New returns a Service.
func New(s Store) *Service { return &Service{s} }

// List returns one page of active products by handle, and the handle to continue after ("" at the end).
func (s *Service) List(ctx context.Context, category, after string, size int) (page []Product, next string, err error) {
	page, err = s.store.Page(ctx, category, after, size+1)
	if err != nil || len(page) <= size {
		return page, "", err
	}
	return page[:size], page[size-1].Handle, nil
}

// Product returns an active product. An unknown handle is fault.NotFound.
func (s *Service) Product(ctx context.Context, handle string) (Product, error) {
	handle = norm.NFC.String(handle) // as it is kept, however a keyboard or a page composed it
	p, err := s.store.Find(ctx, handle)
	if errors.Is(err, ErrNotFound) || (err == nil && !p.Active) {
		return Product{}, fault.New(fault.NotFound, "PRODUCT_NOT_FOUND", "there is no product %.80q", handle)
	}
	return p, err
}

// Currencies returns what the shop sells in, in the order of the codes.
func (s *Service) Currencies(ctx context.Context) ([]money.Currency, error) {
	return s.store.Currencies(ctx)
}

// Search returns one page of the active products that hold every word of query, best first, and the offset to
// continue at (0 at the end, or where results end although more products match). Errors: fault.Invalid.
func (s *Service) Search(ctx context.Context, query string, offset, size int) (page []Product, next int, err error) {
	query = strings.TrimSpace(query)
	switch {
	case query == "" || utf8.RuneCountInString(query) > maxQuery:
		return nil, 0, fault.New(fault.Invalid, "QUERY_LENGTH", "query has 1 to %d characters", maxQuery)
	case offset < 0 || offset > maxOffset:
		return nil, 0, fault.New(fault.Invalid, "PAGE_TOKEN_INVALID", "results end after %d; narrow the query", maxOffset)
	}
	page, err = s.store.Search(ctx, query, offset, size+1)
	if err != nil || len(page) <= size {
		return page, 0, err
	}
	if next = offset + size; next > maxOffset {
		next = 0
	}
	return page[:size], next, nil
}
