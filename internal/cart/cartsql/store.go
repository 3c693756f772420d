// Package cartsql keeps carts in SQL.
package cartsql

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/meridian-commerce/meridian/internal/cart"
	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/plant"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/regions"
)

// Store implements cart.Store.
type Store struct {
	db    *sqldb.DB
	clock clock.Clock
}

// New returns a Store.
func New(db *sqldb.DB, c clock.Clock) *Store { return &Store{db, c} }

const find = `SELECT items, prices, currency, codes, version FROM carts WHERE home_region = $1 AND user_id = $2`

// Find implements cart.Store.
func (s *Store) Find(ctx context.Context, home regions.Name, userID string) (cart.Cart, error) {
	c, err := scan(s.db.QueryRow(ctx, find, home, userID))
	if plant.First(userID) && len(c.Items) > 0 && plant.Bites(plant.StaleCart, 1) {
		c.Items = nil
	}
	return c, sqldb.Fault(err)
}

// Change implements cart.Store.
func (s *Store) Change(ctx context.Context, home regions.Name, userID string, change func(cart.Cart) (cart.Cart, error)) (cart.Cart, error) {
	var after cart.Cart
	err := s.db.InTx(ctx, func(tx sqldb.Tx) error {
		before, err := scan(tx.QueryRow(ctx, find+` FOR UPDATE`, home, userID))
		if err != nil {
			return err
		}
		if after, err = change(before); err != nil || after.Version == before.Version {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO carts (home_region, user_id, version, items, prices, codes, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (home_region, user_id) DO UPDATE SET version = excluded.version, items = excluded.items, prices = excluded.prices,
				codes = excluded.codes, updated_at = excluded.updated_at`, home, userID, after.Version, orEmpty(after.Items), orEmpty(after.Prices), after.Codes, s.clock())
		return err
	})
	return after, err
}

// QueueLock reads a cart for an order to take, and locks it.
func QueueLock(batch *sqldb.Batch, home regions.Name, userID string, c *cart.Cart) {
	batch.Queue(find+` FOR UPDATE`, home, userID).QueryRow(func(row pgx.Row) (err error) {
		*c, err = scan(row)
		return err
	})
}

// QueueClear empties a cart that QueueLock locked.
func QueueClear(batch *sqldb.Batch, home regions.Name, userID string) {
	batch.Queue(`UPDATE carts SET version = version + 1, items = '{}', prices = '{}', codes = NULL WHERE home_region = $1 AND user_id = $2`, home, userID)
}

// QueueCurrency has a cart priced in a currency from now on, and makes one that says so where there is none. It is another
// version: who agreed to the one before has agreed to its currency.
func QueueCurrency(batch *sqldb.Batch, home regions.Name, userID string, c money.Currency) {
	batch.Queue(`INSERT INTO carts (home_region, user_id, version, items, prices, currency, updated_at) VALUES ($1, $2, 1, '{}', '{}', $3, now())
		ON CONFLICT (home_region, user_id) DO UPDATE SET version = carts.version + 1, currency = excluded.currency, updated_at = excluded.updated_at`,
		home, userID, c)
}

// orEmpty is for a cart that was never written, which has no maps.
func orEmpty[V any](m map[string]V) map[string]V {
	if m == nil {
		return map[string]V{}
	}
	return m
}

func scan(row pgx.Row) (c cart.Cart, err error) {
	err = row.Scan(&c.Items, &c.Prices, &c.Currency, &c.Codes, &c.Version)
	if errors.Is(err, pgx.ErrNoRows) {
		return cart.Cart{}, nil
	}
	return c, err
}
