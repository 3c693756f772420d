// Package ordersql keeps orders in SQL. Every statement names the order's home region; placing takes four
// local round trips and one quorum round trip at COMMIT.
package ordersql

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/meridian-commerce/meridian/internal/cart"
	"github.com/meridian-commerce/meridian/internal/cart/cartsql"
	"github.com/meridian-commerce/meridian/internal/catalog/catalogsql"
	"github.com/meridian-commerce/meridian/internal/checkout"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/order"
	"github.com/meridian-commerce/meridian/internal/plant"
	"github.com/meridian-commerce/meridian/internal/promotion"
	"github.com/meridian-commerce/meridian/internal/promotion/promotionsql"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/internal/stock"
	"github.com/meridian-commerce/meridian/internal/stock/stocksql"
	"github.com/meridian-commerce/meridian/regions"
)

// Store implements order.Store and the payment room's Orders.
type Store struct {
	db    *sqldb.DB
	rules checkout.Rules
}

// New returns a Store that prices what it places by the promotions that run and then by these rules, in their order.
func New(db *sqldb.DB, rules ...checkout.Rule) *Store { return &Store{db, rules} }

// claim makes the key this order's own, together with the answer, unless a live one is there. It is the last
// statement and not the first, so that the transaction never reads among the keys that others insert. How long a key
// lives is the database's to say: by the clock of a process that is days behind, one key would place two orders.
const claim = `INSERT INTO idempotency_keys (home_region, user_id, key, request_hash, response, created_at, expires_at)
	VALUES ($1, $2, $3, $4, $5, now(), now() + $6::interval)
	ON CONFLICT (home_region, user_id, key) DO UPDATE SET request_hash = excluded.request_hash, response = excluded.response,
		created_at = excluded.created_at, expires_at = excluded.expires_at
	WHERE idempotency_keys.expires_at <= now()`

// sweepBatch bounds how many rows one statement deletes.
const sweepBatch = 500

// errClaimed says that the key has placed an order before.
var errClaimed = errors.New("order: the idempotency key is taken")

const placed = `SELECT request_hash, response FROM idempotency_keys
	WHERE home_region = $1 AND user_id = $2 AND key = $3 AND expires_at > now()`

// Place implements order.Store. A repeated request finds the cart empty, or changed, or its key taken: whatever
// stops it, the key then tells what it placed before.
func (s *Store) Place(ctx context.Context, p order.Placement) (order.Order, error) {
	var o order.Order
	err := s.db.InTx(ctx, func(tx sqldb.Tx) error {
		// The cart's lock comes first, so that requests for one cart queue up instead of conflicting at COMMIT.
		c, at, err := lockCart(ctx, tx, p)
		if err != nil {
			return err
		}
		if o, err = s.compose(ctx, tx, p, c, at); err != nil {
			return err
		}
		return write(ctx, tx, p, o)
	})
	// Other errors say nothing about an earlier order under this key, so they are the answer.
	if !errors.Is(err, errClaimed) && !fault.Is(err, fault.FailedPrecondition) && !fault.Is(err, fault.Aborted) {
		return o, err
	}
	before, lookup := s.Placed(ctx, p)
	if errors.Is(lookup, order.ErrNotFound) {
		// The key placed nothing, so what stopped the transaction is the answer.
		return order.Order{}, err
	}
	return before, lookup
}

// Placed implements order.Store.
func (s *Store) Placed(ctx context.Context, p order.Placement) (order.Order, error) {
	o, err := replay(s.db.QueryRow(ctx, placed, p.Home, keeper(p.UserID), p.Key), p)
	if err == nil && plant.Bites(plant.ReplayAnew, 1) {
		return s.Find(ctx, p.Home, o.ID)
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return o, order.ErrNotFound
	}
	return o, sqldb.Fault(err)
}

// SweepKeys is one step of background work: it deletes a bounded batch of a region's expired idempotency keys and
// returns how many; there may be more until that is 0.
func (s *Store) SweepKeys(ctx context.Context, home regions.Name) (int, error) {
	n, err := s.db.Exec(ctx, `DELETE FROM idempotency_keys WHERE home_region = $1 AND (user_id, key) IN (
		SELECT user_id, key FROM idempotency_keys WHERE home_region = $1 AND expires_at < now() LIMIT $2)`, home, sweepBatch)
	return int(n), sqldb.Fault(err)
}

// lockCart reads the cart for this transaction alone. A second request with the same key waits here for the
// first one's COMMIT. The time is the database's, when the transaction began.
func lockCart(ctx context.Context, tx sqldb.Tx, p order.Placement) (c cart.Cart, at time.Time, err error) {
	batch := &sqldb.Batch{}
	cartsql.QueueLock(batch, p.Home, p.UserID, &c)
	sqldb.QueueNow(batch, &at)
	if err := tx.Send(ctx, batch); err != nil {
		var pg *pgconn.PgError
		// lock_not_available: the wait is bounded, so that a stuck request does not hold up all that follow it.
		if errors.As(err, &pg) && pg.Code == "55P03" {
			return c, at, fault.Wrap(err, fault.Aborted, "IDEMPOTENCY_KEY_IN_FLIGHT",
				"a request with this Idempotency-Key, or another change of this cart, is still running; retry in a moment")
		}
		return c, at, err
	}
	return c, at, nil
}

// compose reads what the cart's items cost, and what promotions take off, and locks their stock in one round trip. What they
// come to, and whether that can be ordered, is the checkout, the promotion and the order room's to say.
func (s *Store) compose(ctx context.Context, tx sqldb.Tx, p order.Placement, c cart.Cart, at time.Time) (order.Order, error) {
	// Compared under the lock, so that the cart that was agreed to is the one that is ordered.
	if err := c.Matches(p.CartEtag); err != nil {
		return order.Order{}, err
	}
	of := c.Checkout(p.Currency)
	offers := map[string]checkout.Offer{}
	var promotions []promotion.Promotion
	if len(c.Items) > 0 {
		batch := &sqldb.Batch{}
		wanted := quantities(c.Items)
		variants := make([]string, len(wanted))
		for i, q := range wanted {
			variants[i] = q.Variant
		}
		// Read here and not out of a cache: an order is never placed at a price of yesterday.
		catalogsql.QueueOffers(batch, variants, of.Currency, offers)
		promotionsql.QueueCandidates(batch, c.Codes, &promotions)
		stocksql.QueueLock(batch, p.Home, wanted, func(variant string) string { return cmp.Or(offers[variant].SKU, variant) })
		if err := tx.Send(ctx, batch); err != nil {
			return order.Order{}, err
		}
	}
	if plant.Bites(plant.WrongPrice, 3) {
		for variant, offer := range offers {
			offer.Price.Minor++
			offers[variant] = offer
		}
	}
	q, err := slices.Concat(promotion.Rules(promotions, c.Codes, at), s.rules).Quote(of, offers)
	if err != nil {
		return order.Order{}, err
	}
	if plant.Bites(plant.WrongTotal, 3) {
		q.Total.Minor++
	}
	return order.Compose(p, q, at)
}

// write stores the order and everything that goes with it in one round trip.
func write(ctx context.Context, tx sqldb.Tx, p order.Placement, o order.Order) error {
	// The answer is kept as it is given now: a repeated request gets it even after the order moved on.
	response, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("order: encode response: %w", err)
	}
	batch := &sqldb.Batch{}
	stocksql.QueueReserve(batch, o.Home, quantitiesOf(o.Lines))
	batch.Queue(`INSERT INTO orders (home_region, id, user_id, idempotency_key, state, cancel_reason, currency, total_minor, adjustments, version,
			created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, '', $6, $7, $8, $9, $10, $10)`,
		o.Home, o.ID, o.UserID, p.Key, o.State, o.Total.Currency, o.Total.Minor, o.Adjustments, o.Version, o.CreatedAt)
	queueLines(batch, o)
	// Emptied in this transaction, so that no second order can be made of the same cart.
	cartsql.QueueClear(batch, o.Home, o.UserID)
	if err := queueEvent(ctx, batch, p.EventID, o, ""); err != nil {
		return err
	}
	lifetime := order.KeyLifetime
	if plant.Bites(plant.ShortKeys, 1) {
		lifetime = 2 * time.Second
	}
	// Last, for the reason that claim gives. That it touches no row says that the key is another order's.
	batch.Queue(claim, o.Home, keeper(o.UserID), p.Key, p.RequestHash[:], response, lifetime).
		Exec(func(tag pgconn.CommandTag) error {
			if tag.RowsAffected() == 0 {
				return errClaimed
			}
			return nil
		})
	return tx.Send(ctx, batch)
}

// keeper is whose key it is.
func keeper(userID string) string {
	if plant.Bites(plant.SharedKey, 1) {
		return "anybody"
	}
	return userID
}

func queueLines(batch *sqldb.Batch, o order.Order) {
	var variants, skus, titles []string
	var units, prices []int64
	for _, l := range o.Lines {
		variants = append(variants, l.Variant)
		skus = append(skus, l.SKU)
		titles = append(titles, l.Title)
		units = append(units, l.Quantity)
		prices = append(prices, l.UnitPrice.Minor)
	}
	// Arrays rather than a statement for each line: an order of a hundred lines is parsed and sent as one of a single line.
	batch.Queue(`INSERT INTO order_lines (home_region, order_id, line, sku, ordered_sku, title, quantity, unit_minor)
		SELECT $1, $2, line, variant, nullif(sku, variant), title, quantity, minor
		FROM unnest($3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[]) WITH ORDINALITY AS l (variant, sku, title, quantity, minor, line)`,
		o.Home, o.ID, variants, skus, titles, units, prices)
}

func replay(row pgx.Row, p order.Placement) (o order.Order, err error) {
	var hash, response []byte
	if err := row.Scan(&hash, &response); err != nil {
		return o, err
	}
	// Another request under an old key is a client's mistake. The old answer would hide it.
	if string(hash) != string(p.RequestHash[:]) {
		return o, fault.New(fault.Mismatch, "IDEMPOTENCY_KEY_REUSED", "this Idempotency-Key was used with another request; use a fresh one")
	}
	if err := json.Unmarshal(response, &o); err != nil {
		return o, fmt.Errorf("order: decode response: %w", err)
	}
	return o, nil
}

func quantities(items map[string]int64) []stock.Quantity {
	out := make([]stock.Quantity, 0, len(items))
	for variant, n := range items {
		out = append(out, stock.Quantity{Variant: variant, Units: n})
	}
	return stock.Merge(out)
}

func quantitiesOf(lines []order.Line) []stock.Quantity {
	out := make([]stock.Quantity, 0, len(lines))
	for _, l := range lines {
		out = append(out, stock.Quantity{Variant: l.Variant, Units: l.Quantity})
	}
	return stock.Merge(out)
}
