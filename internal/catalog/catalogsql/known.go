package catalogsql

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/sqldb"
)

// known is what is stored of products that are put.
type known struct {
	had  map[string][]catalog.Had // variants by handle, in their order
	skus map[string]string        // variants by the SKUs that are not their ids
}

// read reads what is stored of products. A SKU of theirs that belongs to another product, or did, is fault.Exists.
func read(ctx context.Context, tx sqldb.Tx, products []catalog.Product) (known, error) {
	k := known{map[string][]catalog.Had{}, map[string]string{}}
	owner := map[string]string{}
	var handles, skus []string
	for _, p := range products {
		handles = append(handles, p.Handle)
		for _, v := range p.Variants {
			owner[v.SKU] = p.Handle
			skus = append(skus, v.SKU)
		}
	}
	batch := &sqldb.Batch{}
	var sku, handle string
	batch.Queue(handlesOf, skus).Query(func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, []any{&sku, &handle}, func() error {
			if owner[sku] != handle {
				return fault.New(fault.Exists, "SKU_TAKEN", "SKU %q of product %q belongs to product %q", sku, owner[sku], handle)
			}
			return nil
		})
		return err
	})
	batch.Queue(`SELECT handle, sku, coalesce(current_sku, sku), title, options, withdrawn FROM variants WHERE handle = ANY ($1)
		ORDER BY handle, position, sku`, handles).Query(func(rows pgx.Rows) error {
		var h catalog.Had
		_, err := pgx.ForEachRow(rows, []any{&handle, &h.ID, &h.SKU, &h.Title, &h.Options, &h.Withdrawn}, func() error {
			k.had[handle] = append(k.had[handle], h)
			return nil
		})
		return err
	})
	batch.Queue(skusOf, handles).Query(func(rows pgx.Rows) error {
		var variant string
		_, err := pgx.ForEachRow(rows, []any{&handle, &sku, &variant}, func() error {
			k.skus[sku] = variant
			return nil
		})
		return err
	})
	return k, tx.Send(ctx, batch)
}

const skusOf = `SELECT handle, sku, variant FROM variant_skus WHERE handle = ANY ($1)`

// queue makes SKUs lead to the variants that have them now, and gives those that stay without being named their places.
func (k known) queue(batch *sqldb.Batch, p catalog.Product, c *change) {
	named := make(map[string]bool, len(p.Variants))
	for _, v := range p.Variants {
		named[v.ID] = true
		variant, elsewhere := k.skus[v.SKU]
		switch {
		case v.SKU != v.ID && variant != v.ID:
			batch.Queue(putSKU, p.Handle, v.SKU, v.ID).Exec(note(&c.parts))
		case v.SKU == v.ID && elsewhere:
			batch.Queue(`DELETE FROM variant_skus WHERE sku = $1`, v.SKU).Exec(note(&c.parts))
		}
	}
	place := len(p.Variants)
	for _, h := range k.had[p.Handle] {
		if p.Partial && !h.Withdrawn && !named[h.ID] {
			place++
			batch.Queue(putPosition, h.ID, place).Exec(note(&c.parts))
		}
	}
}
