package stocksql

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/internal/stock"
	"github.com/meridian-commerce/meridian/regions"
)

// nextAt is when a row of changed was: now, but for a transaction that began before the last change of the row. It keeps the order of
// the journal that of the changes, whatever the clocks of several servers say.
const nextAt = `greatest(now(), (SELECT max(c.at) + interval '1 microsecond' FROM stock_changes c WHERE c.home_region = $1 AND c.sku = changed.sku))`

// Change implements stock.Store.
func (s *Store) Change(ctx context.Context, r stock.Request) (stock.Done, error) {
	var done stock.Done
	err := s.db.InTx(ctx, func(tx sqldb.Tx) error {
		have, err := s.hold(ctx, tx, r)
		if err != nil {
			return err
		}
		// After the lock, so that a second request with the key sees what the first one did.
		before, err := byKey(ctx, tx, r)
		if err != nil {
			return err
		}
		if len(before) > 0 {
			done = stock.Done{Changes: before, Replayed: true}
			return r.Repeats(before)
		}
		changes, err := r.Apply(have, len(s.regions.Names()))
		if err != nil {
			return err
		}
		done = stock.Done{Changes: changes}
		return write(ctx, tx, changes)
	})
	if err != nil {
		return stock.Done{}, err
	}
	return done, nil
}

// hold locks what a request's regions have, and begins it where a region is so new that it has none.
func (s *Store) hold(ctx context.Context, tx sqldb.Tx, r stock.Request) ([]stock.Level, error) {
	var levels []stock.Level
	begun := false
	batch := &sqldb.Batch{}
	for _, home := range r.Regions() {
		batch.Queue(`INSERT INTO stock (home_region, sku, allotted, on_hand, reserved, sold) VALUES ($1, $2, 0, 0, 0, 0)
			ON CONFLICT (home_region, sku) DO NOTHING`, home, r.Variant).Exec(func(tag pgconn.CommandTag) error {
			begun = begun || tag.RowsAffected() > 0
			return nil
		})
		batch.Queue(`SELECT on_hand, reserved, sold FROM stock WHERE home_region = $1 AND sku = $2 FOR UPDATE`, home, r.Variant).QueryRow(func(row pgx.Row) error {
			l := stock.Level{Region: home}
			err := row.Scan(&l.OnHand, &l.Reserved, &l.Sold)
			levels = append(levels, l)
			return err
		})
	}
	if err := tx.Send(ctx, batch); err != nil || !begun {
		return levels, err
	}
	// Only the others can tell then whether its units are counted.
	others, err := s.levels(ctx, tx, r.Variant)
	if err == nil && !stock.Tracked(others) {
		err = stock.ErrUntracked()
	}
	return levels, err
}

const journal = `SELECT sku, at, kind, units, coalesce(on_hand, 0), coalesce(reserved, 0), allotted, on_hand IS NOT NULL, reason, other_region, coalesce(key, ''), made_by
	FROM stock_changes WHERE home_region = $1 AND `

// byKey returns what a request's key did in its regions.
func byKey(ctx context.Context, tx sqldb.Tx, r stock.Request) ([]stock.Change, error) {
	var all []stock.Change
	for _, home := range r.Regions() {
		changes, err := lines(home)(tx.Query(ctx, journal+`key = $2`, home, r.Key))
		if err != nil {
			return nil, err
		}
		all = append(all, changes...)
	}
	return all, nil
}

// lines reads the lines of a region's journal.
func lines(home regions.Name) func(pgx.Rows, error) ([]stock.Change, error) {
	return func(rows pgx.Rows, err error) ([]stock.Change, error) {
		if err != nil {
			return nil, err
		}
		return pgx.CollectRows(rows, func(row pgx.CollectableRow) (c stock.Change, err error) {
			var allotted int64
			c.After.Region = home
			err = row.Scan(&c.Variant, &c.At, &c.Kind, &c.Units, &c.After.OnHand, &c.After.Reserved, &allotted, &c.Known, &c.Reason, &c.Other, &c.Key, &c.By)
			c.At = c.At.UTC() // the server's zone is nobody's business
			if c.Known {
				c.After.Sold = allotted - c.After.OnHand - c.After.Reserved
			}
			return c, err
		})
	}
}

// write makes changes of rows that are locked, and notes in them when that was.
func write(ctx context.Context, tx sqldb.Tx, changes []stock.Change) error {
	batch := &sqldb.Batch{}
	for i := range changes {
		c := &changes[i]
		batch.Queue(`WITH changed AS (UPDATE stock SET allotted = allotted + $3, on_hand = on_hand + $3 WHERE home_region = $1 AND sku = $2
			RETURNING sku, allotted, on_hand, reserved)
			INSERT INTO stock_changes (home_region, sku, at, units, allotted, on_hand, reserved, kind, key, reason, other_region, made_by)
			SELECT $1, sku, `+nextAt+`, $3, allotted, on_hand, reserved, $4, $5, $6, $7, $8 FROM changed RETURNING at`,
			c.After.Region, c.Variant, c.Units, c.Kind, c.Key, c.Reason, c.Other, c.By).QueryRow(func(row pgx.Row) error {
			err := row.Scan(&c.At)
			c.At = c.At.UTC()
			return err
		})
	}
	return tx.Send(ctx, batch)
}

// Overview implements stock.Store.
func (s *Store) Overview(ctx context.Context, variant string, most int) (stock.Overview, error) {
	var o stock.Overview
	// In one transaction, or units that are transferred meanwhile would be seen twice or not at all.
	err := s.db.InTx(ctx, func(tx sqldb.Tx) (err error) {
		o = stock.Overview{}
		if o.Levels, err = s.levels(ctx, tx, variant); err != nil {
			return err
		}
		for _, home := range s.regions.Names() {
			changes, err := lines(home)(tx.Query(ctx, journal+`sku = $2 ORDER BY at DESC LIMIT $3`, home, variant, most))
			if err != nil {
				return err
			}
			o.Changes = append(o.Changes, changes...)
		}
		return nil
	})
	slices.SortStableFunc(o.Changes, func(a, b stock.Change) int { return b.At.Compare(a.At) })
	o.Changes = o.Changes[:min(len(o.Changes), most)]
	return o, err
}

// levels reads what each region has of a variant.
func (s *Store) levels(ctx context.Context, tx sqldb.Tx, variant string) ([]stock.Level, error) {
	batch := &sqldb.Batch{}
	levels := make([]stock.Level, len(s.regions.Names()))
	for i, home := range s.regions.Names() {
		levels[i].Region = home
		batch.Queue(`SELECT on_hand, reserved, sold FROM stock WHERE home_region = $1 AND sku = $2`, home, variant).Query(func(rows pgx.Rows) error {
			l := &levels[i]
			_, err := pgx.ForEachRow(rows, []any{&l.OnHand, &l.Reserved, &l.Sold}, func() error { return nil })
			return err
		})
	}
	return levels, tx.Send(ctx, batch)
}
