package ordersql

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/id"
	"github.com/meridian-commerce/meridian/internal/order"
	"github.com/meridian-commerce/meridian/internal/plant"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/internal/stock/stocksql"
	"github.com/meridian-commerce/meridian/regions"
)

// Confirm moves an order to confirmed inside the caller's transaction, and announces it.
func (s *Store) Confirm(ctx context.Context, tx sqldb.Tx, home regions.Name, orderID, paymentID string) error {
	return s.move(ctx, tx, home, orderID, order.Confirmed, "", paymentID)
}

// Fulfill moves an order to fulfilled inside the caller's transaction: its units are sold. It announces it.
func (s *Store) Fulfill(ctx context.Context, tx sqldb.Tx, home regions.Name, orderID string) error {
	return s.move(ctx, tx, home, orderID, order.Fulfilled, "", "")
}

// Cancel moves an order to canceled inside the caller's transaction: its units are released. It announces it.
func (s *Store) Cancel(ctx context.Context, tx sqldb.Tx, home regions.Name, orderID, reason string) error {
	return s.move(ctx, tx, home, orderID, order.Canceled, reason, "")
}

func (s *Store) move(ctx context.Context, tx sqldb.Tx, home regions.Name, orderID string, to order.State, reason, paymentID string) error {
	var at time.Time
	o, err := find(ctx, tx, home, orderID, &at)
	if err != nil {
		return err
	}
	// The row is locked, so the state stays what it is until the commit.
	if err := o.State.To(to); err != nil {
		return err
	}
	o.State = to
	o.CancelReason = reason
	o.Version++
	o.UpdatedAt = at
	// State, stock and event go in one round trip and one transaction: none of them is true without the others.
	batch := &sqldb.Batch{}
	batch.Queue(`UPDATE orders SET state = $3, cancel_reason = $4, version = $5, updated_at = $6 WHERE home_region = $1 AND id = $2`,
		home, orderID, o.State, o.CancelReason, o.Version, o.UpdatedAt)
	switch {
	case to == order.Fulfilled:
		stocksql.QueueSell(batch, home, quantitiesOf(o.Lines))
	case to == order.Canceled && !plant.Bites(plant.StockKept, 1):
		stocksql.QueueRelease(batch, home, quantitiesOf(o.Lines))
	}
	if err := queueEvent(ctx, batch, id.New(id.Event, codeOf(orderID)), o, paymentID); err != nil {
		return err
	}
	return tx.Send(ctx, batch)
}

// Expire returns a step of background work: it cancels a bounded batch of a region's orders that have waited for their
// payment since before the deadline, and returns how many. A reservation that such a payment gets later is voided by
// the payment room, since its order cannot be confirmed any more.
func (s *Store) Expire(deadline time.Duration) func(ctx context.Context, home regions.Name) (int, error) {
	return func(ctx context.Context, home regions.Name) (int, error) {
		rows, err := s.db.Query(ctx, `SELECT id FROM orders WHERE home_region = $1 AND state = 'pending_payment' AND created_at < now() - $2::interval
			ORDER BY created_at LIMIT $3`, home, deadline, expireBatch)
		if err != nil {
			return 0, sqldb.Fault(err)
		}
		ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return 0, sqldb.Fault(err)
		}
		for _, orderID := range ids {
			err := s.db.InTx(ctx, func(tx sqldb.Tx) error { return s.Cancel(ctx, tx, home, orderID, order.ReasonOverdue) })
			// One that was paid or refused in the meantime stays what it is.
			if err != nil && !fault.Is(err, fault.FailedPrecondition) {
				return 0, err
			}
		}
		return len(ids), nil
	}
}

// expireBatch bounds how many orders one step cancels.
const expireBatch = 100

func codeOf(orderID string) regions.Code {
	_, code, err := id.Parse(orderID)
	if err != nil {
		return "" // orders are stored under ids that this program made
	}
	return code
}
