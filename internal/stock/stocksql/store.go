// Package stocksql keeps allotments in SQL. What a transaction does with them is
// queued on its batch, so that an order pays few round trips; each statement names the one region that it touches.
package stocksql

import (
	"github.com/jackc/pgx/v5"

	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/internal/stock"
	"github.com/meridian-commerce/meridian/regions"
)

// Store allots units. The columns named sku hold ids of variants, which were SKUs once.
type Store struct {
	db      *sqldb.DB
	regions *regions.Set
}

// New returns a Store.
func New(db *sqldb.DB, c *regions.Set) *Store { return &Store{db, c} }

const lock = `SELECT sku, on_hand FROM stock WHERE home_region = $1 AND sku = ANY ($2) ORDER BY sku FOR UPDATE`

// QueueLock locks the rows of merged quantities in their order and fails with OUT_OF_STOCK when one has too few
// units on hand, under the SKU that sku says the variant has. QueueReserve must follow in the same transaction.
func QueueLock(batch *sqldb.Batch, home regions.Name, wanted []stock.Quantity, sku func(variant string) string) {
	variants, _ := columns(wanted)
	batch.Queue(lock, home, variants).Query(func(rows pgx.Rows) error {
		onHand := make(map[string]int64, len(wanted))
		var variant string
		var n int64
		if _, err := pgx.ForEachRow(rows, []any{&variant, &n}, func() error {
			onHand[variant] = n
			return nil
		}); err != nil {
			return err
		}
		// In their order, so that of several that are short the caller always hears of the same one.
		for _, q := range wanted {
			if onHand[q.Variant] < q.Units {
				return stock.ErrOutOfStock(sku(q.Variant), q.Units, onHand[q.Variant])
			}
		}
		return nil
	})
}

// QueueReserve moves units from on hand to reserved.
func QueueReserve(batch *sqldb.Batch, home regions.Name, q []stock.Quantity) {
	variants, units := columns(q)
	batch.Queue(`UPDATE stock s SET on_hand = s.on_hand - q.units, reserved = s.reserved + q.units
		FROM unnest($2::text[], $3::bigint[]) AS q (sku, units) WHERE s.home_region = $1 AND s.sku = q.sku`, home, variants, units)
}

// QueueRelease moves units from reserved back to on hand.
func QueueRelease(batch *sqldb.Batch, home regions.Name, q []stock.Quantity) {
	variants, units := columns(q)
	batch.Queue(`UPDATE stock s SET on_hand = s.on_hand + q.units, reserved = s.reserved - q.units
		FROM unnest($2::text[], $3::bigint[]) AS q (sku, units) WHERE s.home_region = $1 AND s.sku = q.sku`, home, variants, units)
}

// QueueSell moves units from reserved to sold.
func QueueSell(batch *sqldb.Batch, home regions.Name, q []stock.Quantity) {
	variants, units := columns(q)
	batch.Queue(`UPDATE stock s SET reserved = s.reserved - q.units, sold = s.sold + q.units
		FROM unnest($2::text[], $3::bigint[]) AS q (sku, units) WHERE s.home_region = $1 AND s.sku = q.sku`, home, variants, units)
}

func columns(q []stock.Quantity) (variants []string, units []int64) {
	for _, one := range q {
		variants = append(variants, one.Variant)
		units = append(units, one.Units)
	}
	return variants, units
}
