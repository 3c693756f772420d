// Package catalogsql keeps the catalog in SQL, in GLOBAL tables.
package catalogsql

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/checkout"
	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/regions"
)

// Store implements catalog.Store and catalog.Changes.
type Store struct {
	db      *sqldb.DB
	regions []regions.Name // that are notified of changes
	clock   clock.Clock
}

// New returns a Store of the products that the regions of a catalog share.
func New(db *sqldb.DB, r *regions.Set, c clock.Clock) *Store { return &Store{db, r.Names(), c} }

const columns = `handle, title, description, vendor, category, type, tags, images, options, active, unlisted, version, updated_at`

// Page implements catalog.Store.
func (s *Store) Page(ctx context.Context, category, after string, limit int) ([]catalog.Product, error) {
	if category == "" {
		return s.products(ctx, `SELECT `+columns+` FROM products WHERE active AND NOT unlisted AND handle > $1 ORDER BY handle LIMIT $2`, after, limit)
	}
	return s.products(ctx, `SELECT `+columns+` FROM products
		WHERE active AND NOT unlisted AND handle > $1 AND (category = $3 OR left(category, length($3) + 3) = $3 || ' > ') ORDER BY handle LIMIT $2`, after, limit, category)
}

// Find implements catalog.Store.
func (s *Store) Find(ctx context.Context, handle string) (catalog.Product, error) {
	batch := &sqldb.Batch{}
	batch.Queue(`SELECT `+columns+` FROM products WHERE handle = $1`, handle)
	batch.Queue(variantsOf, []string{handle})
	batch.Queue(skusOf, []string{handle})
	results := s.db.Pool().SendBatch(ctx, batch)
	products, err := collect(results.Query())
	if err == nil && len(products) > 0 {
		err = attach(products)(results.Query())
	}
	if err == nil && len(products) > 0 {
		products[0].SKUs, err = skus(results.Query())
	}
	if closing := results.Close(); err == nil {
		err = closing
	}
	switch {
	case err != nil:
		return catalog.Product{}, fail(err)
	case len(products) == 0:
		return catalog.Product{}, catalog.ErrNotFound
	}
	return products[0], nil
}

// Search implements catalog.Store.
func (s *Store) Search(ctx context.Context, query string, offset, limit int) ([]catalog.Product, error) {
	return s.products(ctx, `SELECT `+columns+` FROM products
		WHERE active AND NOT unlisted AND search @@ plainto_tsquery('english', $1)
		ORDER BY ts_rank(search, plainto_tsquery('english', $1)) DESC, handle LIMIT $3 OFFSET $2`, query, offset, limit)
}

func (s *Store) products(ctx context.Context, sql string, args ...any) ([]catalog.Product, error) {
	products, err := collect(s.db.Query(ctx, sql, args...))
	if err != nil || len(products) == 0 {
		return nil, fail(err)
	}
	handles := make([]string, len(products))
	for i, p := range products {
		handles[i] = p.Handle
	}
	return products, fail(attach(products)(s.db.Query(ctx, variantsOf, handles)))
}

func collect(rows pgx.Rows, err error) ([]catalog.Product, error) {
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (p catalog.Product, err error) {
		err = row.Scan(&p.Handle, &p.Title, &p.Description, &p.Vendor, &p.Category, &p.Type, &p.Tags, &p.Images, &p.Options, &p.Active, &p.Unlisted, &p.Version, &p.UpdatedAt)
		return p, err
	})
}

const variantsOf = `SELECT v.handle, v.sku, coalesce(v.current_sku, v.sku), v.title, v.options, v.barcode, v.grams, p.currency, p.minor, p.compare_at
	FROM variants v LEFT JOIN prices p ON p.sku = v.sku WHERE v.handle = ANY ($1) AND NOT v.withdrawn ORDER BY v.handle, v.position, v.sku, p.currency`

// attach gives products the variants that a variantsOf query returned.
func attach(products []catalog.Product) func(pgx.Rows, error) error {
	byHandle := make(map[string]*catalog.Product, len(products))
	for i := range products {
		byHandle[products[i].Handle] = &products[i]
	}
	return func(rows pgx.Rows, err error) error {
		if err != nil {
			return err
		}
		var handle string
		var v catalog.Variant
		var currency *money.Currency
		var minor, before *int64
		_, err = pgx.ForEachRow(rows, []any{&handle, &v.ID, &v.SKU, &v.Title, &v.Options, &v.Barcode, &v.Grams, &currency, &minor, &before}, func() error {
			p := byHandle[handle]
			if n := len(p.Variants); n == 0 || p.Variants[n-1].ID != v.ID {
				p.Variants = append(p.Variants, v)
			}
			if currency != nil {
				last := &p.Variants[len(p.Variants)-1]
				last.Prices = append(last.Prices, money.Money{Minor: *minor, Currency: *currency})
				if before != nil && *before > *minor { // a former release changes the price alone
					last.CompareAt = append(last.CompareAt, money.Money{Minor: *before, Currency: *currency})
				}
			}
			return nil
		})
		return err
	}
}

// skus collects what a skusOf query returned.
func skus(rows pgx.Rows, err error) (map[string]string, error) {
	if err != nil {
		return nil, err
	}
	var handle, sku, variant string
	var of map[string]string
	_, err = pgx.ForEachRow(rows, []any{&handle, &sku, &variant}, func() error {
		if of == nil {
			of = map[string]string{}
		}
		of[sku] = variant
		return nil
	})
	return of, err
}

// Currencies implements catalog.Store and account.Shop.
func (s *Store) Currencies(ctx context.Context) ([]money.Currency, error) {
	rows, err := s.db.Query(ctx, `SELECT code FROM currencies ORDER BY code`)
	if err != nil {
		return nil, fail(err)
	}
	codes, err := pgx.CollectRows(rows, pgx.RowTo[money.Currency])
	return codes, fail(err)
}

func fail(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("catalog: %w", sqldb.Fault(err))
}

// Handles returns the handles of the products that ids and SKUs of variants belong to, active or not; one that nobody has is
// not among them. Both stay with their product for good: Put refuses to give them to another.
func (s *Store) Handles(ctx context.Context, names []string) (map[string]string, error) {
	rows, err := s.db.Query(ctx, handlesOf, names)
	if err != nil {
		return nil, fail(err)
	}
	handles := make(map[string]string, len(names))
	var name, handle string
	_, err = pgx.ForEachRow(rows, []any{&name, &handle}, func() error {
		handles[name] = handle
		return nil
	})
	return handles, fail(err)
}

// handlesOf reads which products ids and SKUs belong to, or did. One that is both is of one product.
const handlesOf = `SELECT sku, handle FROM variants WHERE sku = ANY ($1) UNION ALL SELECT sku, handle FROM variant_skus WHERE sku = ANY ($1)`

// QueueOffers reads the offers of variants of active products in a currency into offers, inside the caller's transaction.
func QueueOffers(batch *sqldb.Batch, variants []string, currency money.Currency, offers map[string]checkout.Offer) {
	batch.Queue(`SELECT v.sku, coalesce(v.current_sku, v.sku), p.title, v.title, p.tags, c.minor
		FROM variants v JOIN products p ON p.handle = v.handle LEFT JOIN prices c ON c.sku = v.sku AND c.currency = $2
		WHERE v.sku = ANY ($1) AND p.active AND NOT v.withdrawn`, variants, currency).Query(func(rows pgx.Rows) error {
		var id, sku, product, variant string
		var tags []string
		var minor *int64
		_, err := pgx.ForEachRow(rows, []any{&id, &sku, &product, &variant, &tags, &minor}, func() error {
			offer := checkout.Offer{SKU: sku, Title: catalog.OfferTitle(product, variant), Tags: tags}
			if minor != nil {
				offer.Price = money.Money{Minor: *minor, Currency: currency}
			}
			offers[id] = offer
			return nil
		})
		return err
	})
}
