// Package paymentsql keeps payments and the ledger in the SQL database. Every statement stays in one region.
package paymentsql

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/meridian-commerce/meridian/internal/event"
	"github.com/meridian-commerce/meridian/internal/event/eventsql"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/payment"
	"github.com/meridian-commerce/meridian/internal/plant"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/regions"
)

// Store implements payment.Store.
type Store struct {
	db          *sqldb.DB
	floor       sqldb.Floor
	refundFloor sqldb.Floor
}

// New returns a Store.
func New(db *sqldb.DB) *Store { return &Store{db: db} }

// InTx implements payment.Store.
func (s *Store) InTx(ctx context.Context, fn func(tx sqldb.Tx) error) error {
	return s.db.InTx(ctx, fn)
}

const claimSQL = `WITH due AS MATERIALIZED (
		SELECT id, state FROM payments WHERE home_region = $1 AND due_at BETWEEN $8 AND now()
		ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED)
	UPDATE payments p SET state = CASE p.state WHEN $4 THEN $5 WHEN $6 THEN $7 ELSE p.state END,
		due_at = now() + $3::interval, attempts = p.attempts + 1, updated_at = now(), since = CASE WHEN p.state IN ($4, $6) THEN now() ELSE p.since END
	FROM due WHERE p.home_region = $1 AND p.id = due.id
	RETURNING p.id, p.order_id, p.state, due.state <> p.state, p.currency, p.amount_minor, p.provider_ref, p.attempts, p.traceparent`

// Claim implements payment.Store. It is one statement, so no lock outlives it; nothing due costs one read.
func (s *Store) Claim(ctx context.Context, home regions.Name, limit int, visibility time.Duration) ([]payment.Claim, error) {
	from, due, err := s.floor.Look(ctx, s.db, `SELECT now(), EXISTS (SELECT 1 FROM payments WHERE home_region = $1 AND due_at BETWEEN $2 AND now())`, home)
	if err != nil || !due {
		return nil, err
	}
	rows, err := s.db.Query(ctx, claimSQL, string(home), limit, visibility,
		payment.Created, payment.Created.Working(), payment.Authorized, payment.Authorized.Working(), from)
	if err != nil {
		return nil, sqldb.Fault(err)
	}
	claims, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (payment.Claim, error) {
		var c payment.Claim
		c.Home = home
		err := row.Scan(&c.ID, &c.OrderID, &c.State, &c.Fresh, &c.Amount.Currency, &c.Amount.Minor, &c.ProviderRef, &c.Attempts, &c.Traceparent)
		return c, err
	})
	if plant.Active(plant.UnguardedClaim) {
		claims = append(claims, claims...) // as a second worker would that is not kept off
	}
	return claims, sqldb.Fault(err)
}

// Open implements payment.Opens.
func (s *Store) Open(ctx context.Context, home regions.Name) ([]payment.Open, error) {
	rows, err := s.db.Query(ctx, `SELECT state, count(*), EXTRACT(epoch FROM now() - min(since))::FLOAT8 FROM payments
		WHERE home_region = $1 AND due_at IS NOT NULL GROUP BY state
		UNION ALL SELECT $2, count(*), EXTRACT(epoch FROM now() - min(since))::FLOAT8 FROM refunds
		WHERE home_region = $1 AND due_at IS NOT NULL HAVING count(*) > 0 ORDER BY 1`, string(home), payment.Refunding)
	if err != nil {
		return nil, sqldb.Fault(err)
	}
	open, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (payment.Open, error) {
		var o payment.Open
		var seconds float64
		err := row.Scan(&o.State, &o.Count, &seconds)
		o.Oldest = time.Duration(max(seconds, 0) * float64(time.Second))
		return o, err
	})
	return open, sqldb.Fault(err)
}

// A payment is read with whether it is stuck: its step was begun long ago, $2, and has no end.
const (
	listSQL = `SELECT id, order_id, state, currency, amount_minor, provider_ref, attempts, resolution, traceparent, since,
			state IN ('authorizing', 'capturing', 'voiding') AND since < now() - $2::interval, now()
		FROM payments WHERE home_region = $1 AND due_at IS NOT NULL
		AND (NOT $3 OR state IN ('authorizing', 'capturing', 'voiding') AND since < now() - $2::interval) ORDER BY since, id LIMIT $4`
	lockSQL = `SELECT id, order_id, state, currency, amount_minor, provider_ref, attempts, resolution, traceparent, since,
			state IN ('authorizing', 'capturing', 'voiding') AND since < now() - $2::interval, now()
		FROM payments WHERE home_region = $1 AND id = $3 FOR UPDATE`
)

func scan(home regions.Name) func(row pgx.CollectableRow) (payment.Listed, error) {
	return func(row pgx.CollectableRow) (payment.Listed, error) {
		l := payment.Listed{Payment: payment.Payment{Home: home}}
		err := row.Scan(&l.ID, &l.OrderID, &l.State, &l.Amount.Currency, &l.Amount.Minor, &l.ProviderRef, &l.Attempts, &l.Resolution, &l.Traceparent, &l.Since, &l.Stuck, &l.At)
		return l, err
	}
}

// List implements payment.Store.
func (s *Store) List(ctx context.Context, home regions.Name, stuck bool, limit int) ([]payment.Listed, error) {
	rows, err := s.db.Query(ctx, listSQL, string(home), payment.StuckAfter, stuck, limit)
	if err != nil {
		return nil, sqldb.Fault(err)
	}
	out, err := pgx.CollectRows(rows, scan(home))
	return out, sqldb.Fault(err)
}

// Lock implements payment.Store.
func (s *Store) Lock(ctx context.Context, tx sqldb.Tx, home regions.Name, id string) (payment.Listed, error) {
	rows, err := tx.Query(ctx, lockSQL, string(home), payment.StuckAfter, id)
	if err != nil {
		return payment.Listed{}, err
	}
	l, err := pgx.CollectExactlyOneRow(rows, scan(home))
	if errors.Is(err, pgx.ErrNoRows) {
		err = fault.New(fault.NotFound, "PAYMENT_NOT_FOUND", "there is no payment %.80q", id)
	}
	return l, err
}

// Announce implements payment.Store.
func (s *Store) Announce(ctx context.Context, tx sqldb.Tx, e event.Event) error {
	batch := &sqldb.Batch{}
	if err := eventsql.Queue(batch, e); err != nil {
		return err
	}
	return tx.Send(ctx, batch)
}

// Postpone implements payment.Store.
func (s *Store) Postpone(ctx context.Context, p payment.Payment, after time.Duration) error {
	_, err := s.db.Exec(ctx, `UPDATE payments SET due_at = now() + $4::interval
		WHERE home_region = $1 AND id = $2 AND state = $3 AND attempts = $5`, string(p.Home), p.ID, p.State, after, p.Attempts)
	return sqldb.Fault(err)
}

// Insert implements payment.Store.
func (s *Store) Insert(ctx context.Context, tx sqldb.Tx, p payment.Payment) (bool, error) {
	n, err := tx.Exec(ctx, `INSERT INTO payments (home_region, id, order_id, state, currency, amount_minor, provider_ref, attempts, traceparent, due_at, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, '', 0, $7, now(), now(), now())
		ON CONFLICT (home_region, order_id) DO NOTHING`,
		string(p.Home), p.ID, p.OrderID, p.State, p.Amount.Currency, p.Amount.Minor, p.Traceparent)
	return n == 1, err
}

const settleSQL = `UPDATE payments SET state = $4, provider_ref = $5, attempts = 0, due_at = now() + $6::interval, updated_at = now(),
		since = now(), resolution = $7
	WHERE home_region = $1 AND id = $2 AND state = $3`

// Settle implements payment.Store.
func (s *Store) Settle(ctx context.Context, tx sqldb.Tx, p payment.Payment, from payment.State, due payment.Due) (bool, error) {
	after := &due.After
	if due.Never {
		after = nil
	}
	args := []any{string(p.Home), p.ID, from, p.State, p.ProviderRef, after, p.Resolution}
	n, err := tx.Exec(ctx, settleSQL, args...)
	if err == nil && n == 0 && plant.Bites(plant.UnguardedClaim, 1) {
		n, err = tx.Exec(ctx, strings.Replace(settleSQL, "state = $3", "$3::text <> ''", 1), args...)
	}
	return n == 1, err
}

// Post implements payment.Store.
func (s *Store) Post(ctx context.Context, tx sqldb.Tx, home regions.Name, entries []payment.Entry) error {
	for _, e := range entries {
		if e.Amount.Minor > 0 && plant.Bites(plant.HalfPosting, 2) {
			continue
		}
		if _, err := tx.Exec(ctx, `INSERT INTO ledger_entries (home_region, posting_id, account, payment_id, currency, amount_minor, created_at)
			VALUES ($1, $2, $3, $4, $5, $6, now())`, string(home), e.PostingID, e.Account, e.PaymentID, e.Amount.Currency, e.Amount.Minor); err != nil {
			return err
		}
	}
	return nil
}
