package catalogsql

import (
	"context"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/regions"
)

// announce leaves word of products that changed to every region, in the transaction of the change. A product that
// is new, at version 1, is in no cache.
func (s *Store) announce(batch *sqldb.Batch, handles []string) {
	for _, region := range s.regions {
		batch.Queue(`INSERT INTO product_changes (home_region, handle, version, since)
			SELECT $1, handle, version, $3 FROM products WHERE handle = ANY ($2) AND version > 1 ORDER BY handle
			ON CONFLICT (home_region, handle) DO UPDATE SET version = excluded.version`, region, handles, s.clock())
	}
}

// Pending implements catalog.Changes.
func (s *Store) Pending(ctx context.Context, region regions.Name, limit int) ([]catalog.Change, error) {
	rows, err := s.db.Query(ctx, `SELECT handle, version, since FROM product_changes WHERE home_region = $1
		ORDER BY since, handle LIMIT $2`, region, limit)
	if err != nil {
		return nil, fail(err)
	}
	changes, err := pgx.CollectRows(rows, pgx.RowToStructByPos[catalog.Change])
	return changes, fail(err)
}

// Notified implements catalog.Changes.
func (s *Store) Notified(ctx context.Context, region regions.Name, changes []catalog.Change) error {
	handles := make([]string, len(changes))
	versions := make([]int64, len(changes))
	for i, c := range changes {
		handles[i] = c.Handle
		versions[i] = c.Version
	}
	_, err := s.db.Exec(ctx, `DELETE FROM product_changes c USING unnest($2::text[], $3::bigint[]) AS notified (handle, version)
		WHERE c.home_region = $1 AND c.handle = notified.handle AND c.version = notified.version`, region, handles, versions)
	return fail(err)
}

// AddViews adds to how often a region's callers looked at products. Repeating the last batch has no effect.
func (s *Store) AddViews(ctx context.Context, region regions.Name, batch string, views map[string]int64) error {
	handles := slices.Sorted(maps.Keys(views)) // in one order: two batches must not wait for each other
	counts := make([]int64, len(handles))
	for i, handle := range handles {
		counts[i] = views[handle]
	}
	_, err := s.db.Exec(ctx, `INSERT INTO product_views (home_region, handle, views, batch)
		SELECT $1, handle, views, $4 FROM unnest($2::text[], $3::bigint[]) AS new (handle, views)
		ON CONFLICT (home_region, handle) DO UPDATE SET views = product_views.views + excluded.views, batch = excluded.batch
		WHERE product_views.batch <> excluded.batch`, region, handles, counts, batch)
	return fail(err)
}
