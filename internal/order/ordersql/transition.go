package ordersql

import (
	"context"
	"time"

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

func codeOf(orderID string) regions.Code {
	_, code, err := id.Parse(orderID)
	if err != nil {
		return "" // orders are stored under ids that this program made
	}
	return code
}
