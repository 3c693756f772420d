package paymentsql

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/payment"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/regions"
)

// A refund is read with whether it is stuck: it has been pending for longer than $2.
const (
	refundColumns = `id, payment_id, order_id, key, state, currency, amount_minor, reason, decline_reason, attempts, since,
		state = 'pending' AND since < now() - $2::interval`
	refundsOfSQL   = `SELECT ` + refundColumns + ` FROM refunds WHERE home_region = $1 AND payment_id = $3 ORDER BY since, id`
	lockRefundSQL  = `SELECT ` + refundColumns + ` FROM refunds WHERE home_region = $1 AND id = $3 FOR UPDATE`
	listRefundsSQL = `SELECT ` + refundColumns + ` FROM refunds WHERE home_region = $1 AND (NOT $3 OR state = 'pending' AND since < now() - $2::interval)
		ORDER BY state = 'pending' DESC, since DESC, id LIMIT $4`
	claimRefundsSQL = `WITH due AS MATERIALIZED (
			SELECT id AS due_id FROM refunds WHERE home_region = $1 AND due_at BETWEEN $5 AND now() ORDER BY due_at LIMIT $4 FOR UPDATE SKIP LOCKED)
		UPDATE refunds r SET due_at = now() + $3::interval, attempts = r.attempts + 1
		FROM due WHERE r.home_region = $1 AND r.id = due_id
		RETURNING ` + refundColumns
)

func scanRefund(home regions.Name) func(row pgx.CollectableRow) (payment.Refund, error) {
	return func(row pgx.CollectableRow) (payment.Refund, error) {
		r := payment.Refund{Home: home}
		err := row.Scan(&r.ID, &r.PaymentID, &r.OrderID, &r.Key, &r.State, &r.Amount.Currency, &r.Amount.Minor, &r.Reason, &r.DeclineReason, &r.Attempts, &r.Since, &r.Stuck)
		return r, err
	}
}

// RefundsOf implements payment.Store.
func (s *Store) RefundsOf(ctx context.Context, tx sqldb.Tx, home regions.Name, paymentID string) ([]payment.Refund, error) {
	rows, err := tx.Query(ctx, refundsOfSQL, string(home), payment.StuckAfter, paymentID)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanRefund(home))
}

// LockRefund implements payment.Store.
func (s *Store) LockRefund(ctx context.Context, tx sqldb.Tx, home regions.Name, id string) (payment.Refund, error) {
	rows, err := tx.Query(ctx, lockRefundSQL, string(home), payment.StuckAfter, id)
	if err != nil {
		return payment.Refund{}, err
	}
	r, err := pgx.CollectExactlyOneRow(rows, scanRefund(home))
	if errors.Is(err, pgx.ErrNoRows) {
		err = fault.New(fault.NotFound, "REFUND_NOT_FOUND", "there is no refund %.80q", id)
	}
	return r, err
}

// ListRefunds implements payment.Store.
func (s *Store) ListRefunds(ctx context.Context, home regions.Name, stuck bool, limit int) ([]payment.Refund, error) {
	rows, err := s.db.Query(ctx, listRefundsSQL, string(home), payment.StuckAfter, stuck, limit)
	if err != nil {
		return nil, sqldb.Fault(err)
	}
	out, err := pgx.CollectRows(rows, scanRefund(home))
	return out, sqldb.Fault(err)
}

// InsertRefund implements payment.Store.
func (s *Store) InsertRefund(ctx context.Context, tx sqldb.Tx, r payment.Refund) error {
	_, err := tx.Exec(ctx, `INSERT INTO refunds (home_region, id, payment_id, order_id, key, state, currency, amount_minor, reason, decline_reason, attempts, due_at, since)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, '', 0, now(), now())`,
		string(r.Home), r.ID, r.PaymentID, r.OrderID, r.Key, r.State, r.Amount.Currency, r.Amount.Minor, r.Reason)
	return err
}

// ClaimRefunds implements payment.Store. Nothing due costs one read, as for payments.
func (s *Store) ClaimRefunds(ctx context.Context, home regions.Name, limit int, visibility time.Duration) ([]payment.Refund, error) {
	from, due, err := s.refundFloor.Look(ctx, s.db, `SELECT now(), EXISTS (SELECT 1 FROM refunds WHERE home_region = $1 AND due_at BETWEEN $2 AND now())`, home)
	if err != nil || !due {
		return nil, err
	}
	rows, err := s.db.Query(ctx, claimRefundsSQL, string(home), payment.StuckAfter, visibility, limit, from)
	if err != nil {
		return nil, sqldb.Fault(err)
	}
	out, err := pgx.CollectRows(rows, scanRefund(home))
	return out, sqldb.Fault(err)
}

// PostponeRefund implements payment.Store.
func (s *Store) PostponeRefund(ctx context.Context, r payment.Refund, after time.Duration) error {
	_, err := s.db.Exec(ctx, `UPDATE refunds SET due_at = now() + $3::interval
		WHERE home_region = $1 AND id = $2 AND state = 'pending' AND attempts = $4`, string(r.Home), r.ID, after, r.Attempts)
	return sqldb.Fault(err)
}

// SettleRefund implements payment.Store.
func (s *Store) SettleRefund(ctx context.Context, tx sqldb.Tx, r payment.Refund) (at time.Time, mine bool, err error) {
	err = tx.QueryRow(ctx, `UPDATE refunds SET state = $3, decline_reason = $4, due_at = NULL, since = now()
		WHERE home_region = $1 AND id = $2 AND state = 'pending' RETURNING now()`, string(r.Home), r.ID, r.State, r.DeclineReason).Scan(&at)
	if errors.Is(err, pgx.ErrNoRows) {
		return at, false, nil
	}
	return at, err == nil, err
}
