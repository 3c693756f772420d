package catalogsql

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/consistency"
	"github.com/meridian-commerce/meridian/internal/id"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/sqldb"
)

// putProduct affects one row when it changed anything. The version grows with each change.
const putProduct = `INSERT INTO products (handle, title, description, vendor, category, type, tags, images, options, active, unlisted, version, updated_at, search)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1, $12, to_tsvector('english', $13))
	ON CONFLICT (handle) DO UPDATE SET title = excluded.title, description = excluded.description, vendor = excluded.vendor,
		category = excluded.category, type = excluded.type, tags = excluded.tags, images = excluded.images, options = excluded.options,
		active = excluded.active, unlisted = excluded.unlisted, version = products.version + 1, updated_at = excluded.updated_at, search = excluded.search
	WHERE (products.title, products.description, products.vendor, products.category, products.type, products.tags, products.images, products.options,
			products.active, products.unlisted)
		IS DISTINCT FROM (excluded.title, excluded.description, excluded.vendor, excluded.category, excluded.type, excluded.tags, excluded.images, excluded.options,
			excluded.active, excluded.unlisted)`

// The column sku holds the id, which was the SKU once. current_sku is NULL where it still is.
const putVariant = `INSERT INTO variants (sku, handle, position, title, options, barcode, grams, current_sku) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
	ON CONFLICT (sku) DO UPDATE SET position = excluded.position, title = excluded.title, options = excluded.options, barcode = excluded.barcode,
		grams = excluded.grams, current_sku = excluded.current_sku, withdrawn = false
	WHERE (variants.position, variants.title, variants.options, variants.barcode, variants.grams, variants.current_sku, variants.withdrawn)
		IS DISTINCT FROM (excluded.position, excluded.title, excluded.options, excluded.barcode, excluded.grams, excluded.current_sku, false)`

// putPosition moves what a product that is not whole does not name behind what it names.
const putPosition = `UPDATE variants SET position = $2 WHERE sku = $1 AND position <> $2`

const putSKU = `INSERT INTO variant_skus (handle, sku, variant) VALUES ($1, $2, $3) ON CONFLICT (sku) DO UPDATE SET variant = excluded.variant`

// withdraw ends what the products no longer name.
const withdraw = `UPDATE variants SET withdrawn = true WHERE handle = ANY ($1) AND NOT withdrawn AND sku <> ALL ($2) RETURNING handle`

const putPrice = `INSERT INTO prices (sku, currency, minor, compare_at) VALUES ($1, $2, $3, $4)
	ON CONFLICT (sku, currency) DO UPDATE SET minor = excluded.minor, compare_at = excluded.compare_at
	WHERE (prices.minor, prices.compare_at) IS DISTINCT FROM (excluded.minor, excluded.compare_at)`

// endPrices makes a variant one that is not sold in currencies.
const endPrices = `DELETE FROM prices WHERE sku = $1 AND currency = ANY ($2)`

// keptPrices counts what variants cost beyond the prices that they are given.
const keptPrices = `SELECT p.currency, count(*) FROM prices p WHERE p.sku = ANY ($1) AND NOT EXISTS (
	SELECT 1 FROM unnest($2::text[], $3::text[]) AS given (sku, currency) WHERE given.sku = p.sku AND given.currency = p.currency)
	GROUP BY p.currency`

const touchProducts = `UPDATE products SET version = version + 1, updated_at = $2 WHERE handle = ANY ($1)`

// maxWords is how many bytes of a product it is found by. What PostgreSQL makes of a text, up to four times as long, is at most 1 MiB.
const maxWords = 256 << 10

// change is what a batch did to one product.
type change struct{ product, parts bool }

// Put implements catalog.Store.
func (s *Store) Put(ctx context.Context, products []catalog.Product) (catalog.Stored, error) {
	var stored catalog.Stored
	var versions map[string]int64
	err := s.db.InTx(ctx, func(tx sqldb.Tx) error {
		// Before anything is written, since the upsert below would quietly move another product's variant here.
		was, err := read(ctx, tx, products)
		if err != nil {
			return err
		}
		stored = catalog.Stored{IDs: map[string]string{}, Kept: map[money.Currency]int{}}
		changes := make(map[string]*change, len(products))
		batch := &sqldb.Batch{}
		whole, kept := []string{}, []string{}
		for _, p := range products {
			if p, err = catalog.Identify(p, was.had[p.Handle], newVariant); err != nil {
				return err
			}
			changes[p.Handle] = &change{}
			s.queue(batch, p, changes[p.Handle])
			was.queue(batch, p, changes[p.Handle])
			for _, v := range p.Variants {
				stored.IDs[v.SKU] = v.ID
				kept = append(kept, v.ID)
			}
			if !p.Partial {
				whole = append(whole, p.Handle)
			}
		}
		queueWithdraw(batch, whole, kept, changes)
		queueCurrencies(batch, products)
		queueKept(batch, products, stored)
		if err := tx.Send(ctx, batch); err != nil {
			return err
		}
		if stored.Changed, err = s.conclude(ctx, tx, changes); err != nil {
			return err
		}
		versions, err = versionsOf(ctx, tx, changes)
		return err
	})
	if err != nil {
		return catalog.Stored{}, fail(err)
	}
	// Only now, since a transaction that was rolled back and repeated has versions that never existed.
	for handle, version := range versions {
		consistency.Wrote(ctx, catalog.Kind, handle, version)
	}
	return stored, nil
}

func newVariant() string { return id.New(id.Variant, id.Global) }

// versionsOf reads the versions of what was put, changed or not: a repetition of a write has the same to show.
func versionsOf(ctx context.Context, tx sqldb.Tx, put map[string]*change) (map[string]int64, error) {
	rows, err := tx.Query(ctx, `SELECT handle, version FROM products WHERE handle = ANY ($1)`, slices.Collect(maps.Keys(put)))
	if err != nil {
		return nil, err
	}
	versions := make(map[string]int64, len(put))
	var handle string
	var version int64
	_, err = pgx.ForEachRow(rows, []any{&handle, &version}, func() error {
		versions[handle] = version
		return nil
	})
	return versions, err
}

// conclude makes new versions of what changed, leaves word of them to every region, and returns how many.
func (s *Store) conclude(ctx context.Context, tx sqldb.Tx, changes map[string]*change) (int, error) {
	var changed, touched []string // touched: their version must grow although their own row stayed as it was
	for handle, c := range changes {
		if c.product || c.parts {
			changed = append(changed, handle)
		}
		if c.parts && !c.product {
			touched = append(touched, handle)
		}
	}
	if len(changed) == 0 {
		return 0, nil
	}
	batch := &sqldb.Batch{}
	batch.Queue(touchProducts, touched, s.clock())
	// In the same transaction: a change that is committed without word of it would stay unseen by caches elsewhere.
	s.announce(batch, changed)
	return len(changed), tx.Send(ctx, batch)
}

// note is for a statement that changed something if it affected a row.
func note(happened *bool) func(pgconn.CommandTag) error {
	return func(tag pgconn.CommandTag) error {
		*happened = *happened || tag.RowsAffected() > 0
		return nil
	}
}

func (s *Store) queue(batch *sqldb.Batch, p catalog.Product, c *change) {
	words := strings.Join([]string{p.Title, p.Vendor, p.Category, p.Type, strings.Join(p.Tags, " "), p.Description}, " ")
	words = strings.ToValidUTF8(words[:min(len(words), maxWords)], "")
	batch.Queue(putProduct, p.Handle, p.Title, p.Description, p.Vendor, p.Category, p.Type, orEmpty(p.Tags), orEmpty(p.Images), p.Options,
		p.Active, p.Unlisted, s.clock(), words).Exec(note(&c.product))
	for i, v := range p.Variants {
		var current *string
		if v.SKU != v.ID {
			current = &v.SKU
		}
		batch.Queue(putVariant, v.ID, p.Handle, i+1, v.Title, v.Options, v.Barcode, v.Grams, current).Exec(note(&c.parts))
		for _, price := range v.Prices {
			batch.Queue(putPrice, v.ID, price.Currency, price.Minor, before(v, price.Currency)).Exec(note(&c.parts))
		}
		if len(v.Unpriced) > 0 {
			batch.Queue(endPrices, v.ID, v.Unpriced).Exec(note(&c.parts))
		}
	}
}

// before returns a variant's compare-at price in a currency, in minor units; nil: there is none.
func before(v catalog.Variant, c money.Currency) *int64 {
	for _, b := range v.CompareAt {
		if b.Currency == c {
			return &b.Minor
		}
	}
	return nil
}

func queueWithdraw(batch *sqldb.Batch, whole, kept []string, changes map[string]*change) {
	batch.Queue(withdraw, whole, kept).Query(func(rows pgx.Rows) error {
		var handle string
		_, err := pgx.ForEachRow(rows, []any{&handle}, func() error {
			changes[handle].parts = true
			return nil
		})
		return err
	})
}

// queueCurrencies notes what the shop sells in.
func queueCurrencies(batch *sqldb.Batch, products []catalog.Product) {
	in := map[money.Currency]bool{}
	for _, p := range products {
		for _, v := range p.Variants {
			for _, price := range v.Prices {
				in[price.Currency] = true
			}
		}
	}
	// In the order of their codes, so that two imports which begin with one currency never wait for each other.
	batch.Queue(`INSERT INTO currencies (code) SELECT unnest($1::text[]) ON CONFLICT (code) DO NOTHING`, slices.Sorted(maps.Keys(in)))
}

// queueKept counts the prices that the products' variants keep although they are not given again.
func queueKept(batch *sqldb.Batch, products []catalog.Product, stored catalog.Stored) {
	var variants, priced []string
	var currencies []money.Currency
	for _, p := range products {
		for _, v := range p.Variants {
			id := stored.IDs[v.SKU]
			variants = append(variants, id)
			for _, price := range v.Prices {
				priced, currencies = append(priced, id), append(currencies, price.Currency)
			}
		}
	}
	batch.Queue(keptPrices, variants, priced, currencies).Query(func(rows pgx.Rows) error {
		var currency money.Currency
		var n int
		_, err := pgx.ForEachRow(rows, []any{&currency, &n}, func() error {
			stored.Kept[currency] = n
			return nil
		})
		return err
	})
}

func orEmpty(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
