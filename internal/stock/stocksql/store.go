// Package stocksql keeps allotments in SQL. What a transaction does with them is
// queued on its batch, so that an order pays few round trips; each statement names the one region that it touches.
package stocksql

import (
	"github.com/jackc/pgx/v5"

	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/internal/stock"
	"github.com/meridian-commerce/meridian/regions"
)

// Store allots new SKUs.
type Store struct {
	db      *sqldb.DB
	regions *regions.Set
}

// New returns a Store.
func New(db *sqldb.DB, c *regions.Set) *Store { return &Store{db, c} }

const lock = `SELECT sku, on_hand FROM stock WHERE home_region = $1 AND sku = ANY ($2) ORDER BY sku FOR UPDATE`

// QueueLock locks the rows of merged quantities in their order and fails with OUT_OF_STOCK when one has too few
// units on hand. QueueReserve must follow in the same transaction.
func QueueLock(batch *sqldb.Batch, home regions.Name, wanted []stock.Quantity) {
	skus, _ := columns(wanted)
	batch.Queue(lock, home, skus).Query(func(rows pgx.Rows) error {
		onHand := make(map[string]int64, len(wanted))
		var sku string
		var n int64
		if _, err := pgx.ForEachRow(rows, []any{&sku, &n}, func() error {
			onHand[sku] = n
			return nil
		}); err != nil {
			return err
		}
		// In the order of SKUs, so that of several that are short the caller always hears of the same one.
		for _, q := range wanted {
			if onHand[q.SKU] < q.Units {
				return stock.ErrOutOfStock(q.SKU, q.Units, onHand[q.SKU])
			}
		}
		return nil
	})
}

// QueueReserve moves units from on hand to reserved.
func QueueReserve(batch *sqldb.Batch, home regions.Name, q []stock.Quantity) {
	skus, units := columns(q)
	batch.Queue(`UPDATE stock s SET on_hand = s.on_hand - q.units, reserved = s.reserved + q.units
		FROM unnest($2::text[], $3::bigint[]) AS q (sku, units) WHERE s.home_region = $1 AND s.sku = q.sku`, home, skus, units)
}

// QueueRelease moves units from reserved back to on hand.
func QueueRelease(batch *sqldb.Batch, home regions.Name, q []stock.Quantity) {
	skus, units := columns(q)
	batch.Queue(`UPDATE stock s SET on_hand = s.on_hand + q.units, reserved = s.reserved - q.units
		FROM unnest($2::text[], $3::bigint[]) AS q (sku, units) WHERE s.home_region = $1 AND s.sku = q.sku`, home, skus, units)
}

// QueueSell moves units from reserved to sold.
func QueueSell(batch *sqldb.Batch, home regions.Name, q []stock.Quantity) {
	skus, units := columns(q)
	batch.Queue(`UPDATE stock s SET reserved = s.reserved - q.units, sold = s.sold + q.units
		FROM unnest($2::text[], $3::bigint[]) AS q (sku, units) WHERE s.home_region = $1 AND s.sku = q.sku`, home, skus, units)
}

func columns(q []stock.Quantity) (skus []string, units []int64) {
	for _, one := range q {
		skus = append(skus, one.SKU)
		units = append(units, one.Units)
	}
	return skus, units
}
