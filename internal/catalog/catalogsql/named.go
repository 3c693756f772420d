package catalogsql

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/meridian-commerce/meridian/internal/catalog"
)

// Named implements catalog.Namer.
func (s *Store) Named(ctx context.Context, name string) ([]catalog.Named, error) {
	rows, err := s.db.Query(ctx, `SELECT v.sku, coalesce(v.current_sku, v.sku), v.handle, v.title, v.withdrawn FROM variants v
		WHERE v.sku IN (SELECT $1::text UNION ALL SELECT variant FROM variant_skus WHERE sku = $1::text) ORDER BY v.handle, v.position, v.sku`, name)
	if err != nil {
		return nil, fail(err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[catalog.Named])
	return found, fail(err)
}
