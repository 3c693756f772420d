// Package promotionsql keeps promotions in SQL, in a GLOBAL table: every region reads it without a WAN hop, and orders read it
// in their own transaction.
package promotionsql

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/promotion"
	"github.com/meridian-commerce/meridian/internal/sqldb"
)

// Store keeps promotions. It is safe for concurrent use; errors are *fault.Error.
type Store struct{ db *sqldb.DB }

// New returns a Store.
func New(db *sqldb.DB) *Store { return &Store{db} }

const columns = `id, name, coalesce(code, ''), priority, basis_points, amounts, variants, tags, minimum, starts_at, ends_at, enabled`

// candidates reads what may apply to a cart with some codes, whether it has begun or not.
const candidates = `SELECT ` + columns + ` FROM promotions
	WHERE enabled AND (ends_at IS NULL OR ends_at > now()) AND (code IS NULL OR code = ANY ($1)) ORDER BY id`

// Candidates returns the promotions that may apply to a cart with some codes, and the database's time.
func (s *Store) Candidates(ctx context.Context, codes []string) (all []promotion.Promotion, at time.Time, err error) {
	batch := &sqldb.Batch{}
	QueueCandidates(batch, codes, &all)
	sqldb.QueueNow(batch, &at)
	err = s.db.Send(ctx, batch)
	return all, at, fail(err)
}

// QueueCandidates reads the promotions that may apply to a cart with some codes, inside the caller's transaction.
func QueueCandidates(batch *sqldb.Batch, codes []string, all *[]promotion.Promotion) {
	if codes == nil {
		codes = []string{} // NULL would be nobody's, but no list either
	}
	batch.Queue(candidates, codes).Query(func(rows pgx.Rows) (err error) {
		*all, err = pgx.CollectRows(rows, scan)
		return err
	})
}

// Coded returns the promotion that has a code, and the database's time. Errors: fault.NotFound (PROMOTION_CODE_UNKNOWN).
func (s *Store) Coded(ctx context.Context, code string) (promotion.Promotion, time.Time, error) {
	var all []promotion.Promotion
	var at time.Time
	batch := &sqldb.Batch{}
	batch.Queue(`SELECT `+columns+` FROM promotions WHERE code = $1`, code).Query(func(rows pgx.Rows) (err error) {
		all, err = pgx.CollectRows(rows, scan)
		return err
	})
	sqldb.QueueNow(batch, &at)
	if err := s.db.Send(ctx, batch); err != nil {
		return promotion.Promotion{}, at, fail(err)
	}
	if len(all) == 0 {
		return promotion.Promotion{}, at, promotion.UnknownCode(code)
	}
	return all[0], at, nil
}

// List returns all promotions by id, those that are over too, and the database's time.
func (s *Store) List(ctx context.Context) (all []promotion.Promotion, at time.Time, err error) {
	batch := &sqldb.Batch{}
	batch.Queue(`SELECT ` + columns + ` FROM promotions ORDER BY id`).Query(func(rows pgx.Rows) (err error) {
		all, err = pgx.CollectRows(rows, scan)
		return err
	})
	sqldb.QueueNow(batch, &at)
	err = s.db.Send(ctx, batch)
	return all, at, fail(err)
}

// Put makes promotions what is given, in one transaction: those that are there are replaced as a whole, by their ids. They have to
// be valid. Errors: fault.Exists (PROMOTION_CODE_TAKEN), fault.FailedPrecondition (PROMOTIONS_TOO_MANY).
func (s *Store) Put(ctx context.Context, all []promotion.Promotion) error {
	return fail(s.db.InTx(ctx, func(tx sqldb.Tx) error {
		var codes, ids []string
		for _, p := range all {
			if p.Code != "" {
				codes, ids = append(codes, p.Code), append(ids, p.ID)
			}
		}
		if err := free(ctx, tx, codes, ids); err != nil {
			return err
		}
		batch := &sqldb.Batch{}
		for _, p := range all {
			batch.Queue(`INSERT INTO promotions (id, name, code, priority, basis_points, amounts, variants, tags, minimum, starts_at, ends_at, enabled, updated_at)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, now())
				ON CONFLICT (id) DO UPDATE SET name = excluded.name, code = excluded.code, priority = excluded.priority,
					basis_points = excluded.basis_points, amounts = excluded.amounts, variants = excluded.variants, tags = excluded.tags,
					minimum = excluded.minimum, starts_at = excluded.starts_at, ends_at = excluded.ends_at, enabled = excluded.enabled,
					updated_at = excluded.updated_at`,
				p.ID, p.Name, orNull(p.Code), p.Priority, p.BasisPoints, p.Amounts, p.Variants, p.Tags, p.Minimum, orNull(p.From), orNull(p.Until), p.Enabled)
		}
		var automatic int
		batch.Queue(`SELECT count(*) FROM promotions WHERE enabled AND code IS NULL AND (ends_at IS NULL OR ends_at > now())`).
			QueryRow(func(row pgx.Row) error { return row.Scan(&automatic) })
		if err := tx.Send(ctx, batch); err != nil {
			return err
		}
		if automatic > promotion.MaxAutomatic {
			return fault.New(fault.FailedPrecondition, "PROMOTIONS_TOO_MANY",
				"there would be %d automatic promotions that are enabled and not over, and %d are allowed; disable some first", automatic, promotion.MaxAutomatic)
		}
		return nil
	}))
}

// free checks that codes are nobody's but those promotions' that are given them.
func free(ctx context.Context, tx sqldb.Tx, codes, ids []string) error {
	if len(codes) == 0 {
		return nil
	}
	rows, err := tx.Query(ctx, `SELECT p.id, p.code FROM promotions p JOIN unnest($1::text[], $2::text[]) AS given (code, id)
		ON p.code = given.code AND p.id <> given.id ORDER BY p.id`, codes, ids)
	if err != nil {
		return err
	}
	taken, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct{ ID, Code string }])
	if err != nil || len(taken) == 0 {
		return err
	}
	return fault.New(fault.Exists, "PROMOTION_CODE_TAKEN", "the code %s is that of the promotion %q; give that one another code first, or none", taken[0].Code, taken[0].ID)
}

// Disable ends a promotion now, for orders that are not placed yet. Doing it again changes nothing. Errors: fault.NotFound
// (PROMOTION_NOT_FOUND).
func (s *Store) Disable(ctx context.Context, id string) error {
	return fail(s.db.InTx(ctx, func(tx sqldb.Tx) error {
		n, err := tx.Exec(ctx, `UPDATE promotions SET enabled = false, updated_at = now() WHERE id = $1`, id)
		if err == nil && n == 0 {
			return fault.New(fault.NotFound, "PROMOTION_NOT_FOUND", "there is no promotion %.80q", id)
		}
		return err
	}))
}

func scan(row pgx.CollectableRow) (p promotion.Promotion, err error) {
	var from, until *time.Time
	err = row.Scan(&p.ID, &p.Name, &p.Code, &p.Priority, &p.BasisPoints, &p.Amounts, &p.Variants, &p.Tags, &p.Minimum, &from, &until, &p.Enabled)
	if from != nil {
		p.From = from.UTC()
	}
	if until != nil {
		p.Until = until.UTC()
	}
	return p, err
}

func orNull[T comparable](v T) *T {
	var none T
	if v == none {
		return nil
	}
	return &v
}

func fail(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("promotion: %w", sqldb.Fault(err))
}
