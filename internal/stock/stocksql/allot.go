package stocksql

import (
	"context"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/internal/stock"
	"github.com/meridian-commerce/meridian/regions"
)

// allotments are what each region has of a variant.
type allotments map[regions.Name]stock.Allotment

// Allot makes the units of each variant, over all regions and with those that are sold, as many as are given; fewer than 0 are
// not known, and leave those that are allotted alone. Each region is a transaction: one of all would wait for the farthest of
// them and fail with any. It takes before it gives, so where it breaks off there are too few units, never too many, and it
// may be repeated.
func (s *Store) Allot(ctx context.Context, units map[string]int64) error {
	have, err := s.have(ctx, slices.Collect(maps.Keys(units)))
	if err != nil {
		return err
	}
	names := s.regions.Names()
	fresh, takes, gives := map[regions.Name]map[string]int64{}, map[regions.Name]map[string]int64{}, map[regions.Name]map[string]int64{}
	for _, name := range names {
		fresh[name], takes[name], gives[name] = map[string]int64{}, map[string]int64{}, map[string]int64{}
	}
	budget := map[string]int64{} // what may be given
	for variant, n := range units {
		if len(have[variant]) == 0 {
			for name, share := range stock.Split(variant, max(0, n), names) {
				fresh[name][variant] = share
			}
			continue
		}
		if n < 0 {
			n = 0
			for _, a := range have[variant] {
				n += a.Allotted
			}
		}
		budget[variant] = n
		for _, a := range have[variant] {
			budget[variant] -= a.Allotted
		}
		take, give := stock.Plan(variant, n, have[variant], names)
		for name, n := range take {
			takes[name][variant] = -n
		}
		for name, n := range give {
			gives[name][variant] = n
			if _, ok := have[variant][name]; !ok {
				fresh[name][variant] = 0
			}
		}
	}
	for _, name := range names {
		if err := s.begin(ctx, name, fresh[name]); err != nil {
			return err
		}
		if err := s.change(ctx, name, takes[name], have, budget); err != nil {
			return err
		}
	}
	for _, name := range names {
		for variant := range gives[name] {
			gives[name][variant] = max(0, min(gives[name][variant], budget[variant]))
		}
		if err := s.change(ctx, name, gives[name], have, budget); err != nil {
			return err
		}
	}
	return nil
}

// Units returns what is allotted of variants in all regions; those of which no region has any are not among them.
func (s *Store) Units(ctx context.Context, variants []string) (map[string]int64, error) {
	have, err := s.have(ctx, variants)
	units := make(map[string]int64, len(have))
	for variant, of := range have {
		for _, a := range of {
			units[variant] += a.Allotted
		}
	}
	return units, err
}

// have reads what each region has of variants.
func (s *Store) have(ctx context.Context, variants []string) (map[string]allotments, error) {
	have := make(map[string]allotments, len(variants))
	for _, home := range s.regions.Names() {
		rows, err := s.db.Query(ctx, `SELECT sku, allotted, on_hand FROM stock WHERE home_region = $1 AND sku = ANY ($2)`, home, variants)
		if err != nil {
			return nil, sqldb.Fault(err)
		}
		var variant string
		var a stock.Allotment
		if _, err := pgx.ForEachRow(rows, []any{&variant, &a.Allotted, &a.OnHand}, func() error {
			if have[variant] == nil {
				have[variant] = allotments{}
			}
			have[variant][home] = a
			return nil
		}); err != nil {
			return nil, sqldb.Fault(err)
		}
	}
	return have, nil
}

// begin makes allotments that a region does not have. The journal begins with their units, so that it comes to what is allotted.
func (s *Store) begin(ctx context.Context, home regions.Name, units map[string]int64) error {
	variants, n := slices.Collect(maps.Keys(units)), slices.Collect(maps.Values(units))
	if len(variants) == 0 {
		return nil
	}
	for i, variant := range variants {
		n[i] = units[variant] // maps are in another order each time
	}
	return s.db.InTx(ctx, func(tx sqldb.Tx) error {
		_, err := tx.Exec(ctx, `WITH changed AS (INSERT INTO stock (home_region, sku, allotted, on_hand, reserved, sold)
			SELECT $1, sku, units, units, 0, 0 FROM unnest($2::text[], $3::bigint[]) AS new (sku, units)
			ON CONFLICT (home_region, sku) DO NOTHING RETURNING sku, allotted)
			INSERT INTO stock_changes (home_region, sku, units, allotted, on_hand, reserved)
			SELECT $1, sku, allotted, allotted, allotted, 0 FROM changed WHERE allotted > 0`, home, variants, n)
		return err
	})
}

// change adds units to a region's allotments, or takes them off, and takes what it did off budget. An allotment that
// changed meanwhile, or has fewer on hand, stays as it is until the next import.
func (s *Store) change(ctx context.Context, home regions.Name, units map[string]int64, have map[string]allotments, budget map[string]int64) error {
	var variants []string
	var n, were []int64
	for variant, by := range units {
		if by != 0 {
			variants, n, were = append(variants, variant), append(n, by), append(were, have[variant][home].Allotted)
		}
	}
	if len(variants) == 0 {
		return nil
	}
	var done []stock.Quantity
	err := s.db.InTx(ctx, func(tx sqldb.Tx) error {
		rows, err := tx.Query(ctx, `WITH changed AS (UPDATE stock s SET allotted = s.allotted + q.units, on_hand = s.on_hand + q.units
			FROM unnest($2::text[], $3::bigint[], $4::bigint[]) AS q (sku, units, was)
			WHERE s.home_region = $1 AND s.sku = q.sku AND s.allotted = q.was AND s.on_hand + q.units >= 0
			RETURNING s.sku, q.units, s.allotted, s.on_hand, s.reserved)
			INSERT INTO stock_changes (home_region, sku, at, units, allotted, on_hand, reserved)
			SELECT $1, sku, `+nextAt+`, units, allotted, on_hand, reserved FROM changed RETURNING sku, units`, home, variants, n, were)
		if err != nil {
			return err
		}
		done, err = pgx.CollectRows(rows, pgx.RowToStructByPos[stock.Quantity])
		return err
	})
	for _, q := range done {
		budget[q.Variant] -= q.Units
	}
	return err
}
