package ordersql

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/meridian-commerce/meridian/internal/order"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/regions"
)

const (
	columns = `id, user_id, state, cancel_reason, currency, total_minor, adjustments, version, created_at, updated_at`
	linesOf = `SELECT order_id, sku, coalesce(ordered_sku, sku), title, quantity, unit_minor FROM order_lines WHERE home_region = $1 AND order_id = ANY ($2) ORDER BY order_id, line`
)

// Find implements order.Store.
func (s *Store) Find(ctx context.Context, home regions.Name, orderID string) (order.Order, error) {
	o, err := find(ctx, s.db, home, orderID, nil)
	if errors.Is(err, order.ErrNotFound) {
		return o, err
	}
	return o, sqldb.Fault(err)
}

// find reads an order. With a place for the time it locks it, and reads the time of the transaction too.
func find(ctx context.Context, on sqldb.Querier, home regions.Name, orderID string, locked *time.Time) (order.Order, error) {
	sql := `SELECT ` + columns + ` FROM orders WHERE home_region = $1 AND id = $2`
	if locked != nil {
		sql += ` FOR UPDATE`
	}
	var orders []order.Order
	batch := &sqldb.Batch{}
	batch.Queue(sql, home, orderID).Query(func(rows pgx.Rows) (err error) {
		orders, err = collect(rows, home)
		return err
	})
	// Asked for before it is known that there is an order: that saves a round trip wherever there is one.
	batch.Queue(linesOf, home, []string{orderID}).Query(func(rows pgx.Rows) error { return attach(rows, orders) })
	if locked != nil {
		sqldb.QueueNow(batch, locked)
	}
	if err := on.Send(ctx, batch); err != nil {
		return order.Order{}, err
	}
	if len(orders) == 0 {
		return order.Order{}, order.ErrNotFound
	}
	return orders[0], nil
}

// Newer implements order.Store. Where nothing changed it is one statement, which returns no row.
func (s *Store) Newer(ctx context.Context, home regions.Name, known map[string]int64) ([]order.Order, error) {
	ids := make([]string, 0, len(known))
	versions := make([]int64, 0, len(known))
	for orderID, version := range known {
		ids = append(ids, orderID)
		versions = append(versions, version)
	}
	return s.whole(ctx, home, `SELECT `+columns+` FROM unnest($2::text[], $3::bigint[]) AS known (order_id, seen)
		JOIN orders ON home_region = $1 AND id = order_id AND version > seen`, home, ids, versions)
}

// Page implements order.Store.
func (s *Store) Page(ctx context.Context, home regions.Name, userID string, before order.Cursor, limit int) ([]order.Order, error) {
	sql := `SELECT ` + columns + ` FROM orders WHERE home_region = $1 AND user_id = $2 ORDER BY created_at DESC, id DESC LIMIT $3`
	args := []any{home, userID, limit}
	// Two statements rather than one with OR: each is a range of the index, which an OR is not.
	if before.ID != "" {
		sql = `SELECT ` + columns + ` FROM orders WHERE home_region = $1 AND user_id = $2 AND (created_at, id) < ($4, $5)
			ORDER BY created_at DESC, id DESC LIMIT $3`
		args = append(args, before.CreatedAt, before.ID)
	}
	return s.whole(ctx, home, sql, args...)
}

// whole reads orders by a statement, and then their lines.
func (s *Store) whole(ctx context.Context, home regions.Name, sql string, args ...any) ([]order.Order, error) {
	rows, err := s.db.Query(ctx, sql, args...)
	if err != nil {
		return nil, sqldb.Fault(err)
	}
	orders, err := collect(rows, home)
	if err != nil || len(orders) == 0 {
		return nil, sqldb.Fault(err)
	}
	ids := make([]string, len(orders))
	for i, o := range orders {
		ids[i] = o.ID
	}
	rows, err = s.db.Query(ctx, linesOf, home, ids)
	if err != nil {
		return nil, sqldb.Fault(err)
	}
	return orders, sqldb.Fault(attach(rows, orders))
}

func collect(rows pgx.Rows, home regions.Name) ([]order.Order, error) {
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (order.Order, error) {
		o := order.Order{Home: home}
		err := row.Scan(&o.ID, &o.UserID, &o.State, &o.CancelReason, &o.Total.Currency, &o.Total.Minor, &o.Adjustments, &o.Version, &o.CreatedAt, &o.UpdatedAt)
		return o, err
	})
}

// attach gives orders the lines that a linesOf query returned.
func attach(rows pgx.Rows, orders []order.Order) error {
	byID := make(map[string]*order.Order, len(orders))
	for i := range orders {
		byID[orders[i].ID] = &orders[i]
	}
	var orderID string
	var l order.Line
	_, err := pgx.ForEachRow(rows, []any{&orderID, &l.Variant, &l.SKU, &l.Title, &l.Quantity, &l.UnitPrice.Minor}, func() error {
		if o, ok := byID[orderID]; ok {
			l.UnitPrice.Currency = o.Total.Currency
			o.Lines = append(o.Lines, l)
		}
		return nil
	})
	return err
}
