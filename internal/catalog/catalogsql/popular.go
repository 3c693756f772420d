package catalogsql

import (
	"context"
	"math"

	"github.com/jackc/pgx/v5"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/regions"
)

// Popular implements catalog.Store. It walks the region's counts from the highest down and ends at the limit, so what
// it costs does not grow with the catalog unless a category has next to none of what is looked at.
func (s *Store) Popular(ctx context.Context, region regions.Name, category string, after *catalog.Rank, limit int) ([]catalog.Product, []catalog.Rank, error) {
	if after == nil {
		after = &catalog.Rank{Views: math.MaxInt64}
	}
	rows, err := s.db.Query(ctx, `SELECT handle, views FROM product_views v
		WHERE home_region = $1 AND (views, handle) < ($2, $3) AND EXISTS (SELECT 1 FROM products p
			WHERE p.handle = v.handle AND active AND NOT unlisted AND ($4 = '' OR category = $4 OR left(category, length($4) + 3) = $4 || ' > '))
		ORDER BY views DESC, handle DESC LIMIT $5`, region, after.Views, after.Handle, category, limit)
	if err != nil {
		return nil, nil, fail(err)
	}
	ranks, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r catalog.Rank, err error) {
		err = row.Scan(&r.Handle, &r.Views)
		return r, err
	})
	if err != nil || len(ranks) == 0 {
		return nil, nil, fail(err)
	}
	handles := make([]string, len(ranks))
	for i, r := range ranks {
		handles[i] = r.Handle
	}
	// Products are never removed, so each rank has its product also in the second statement.
	products, err := s.products(ctx, `SELECT `+columns+` FROM products JOIN unnest($1::text[]) WITH ORDINALITY AS ranked (handle, place) USING (handle)
		ORDER BY place`, handles)
	return products, ranks, err
}
