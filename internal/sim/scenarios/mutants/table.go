package mutants

import (
	"github.com/meridian-commerce/meridian/internal/audit"
	"github.com/meridian-commerce/meridian/internal/plant"
	"github.com/meridian-commerce/meridian/internal/sim/check"
)

// mutant is a planted mistake and the invariants that must notice it, each of them.
type mutant struct {
	name   string
	breaks []string
	fault  fault    // what else goes wrong, for the mistake to matter; nil: nothing
	lose   int      // of so many commits, the answer of one is lost; 0: of none
	rows   []string // statements that break rows once all has settled, in place of a bug of the program
}

// Sound is the run without a mistake and with every fault, in which nothing may be found.
const sound = "sound"

// copies makes a second order of each.
const copies = `INSERT INTO orders (home_region, id, user_id, idempotency_key, state, cancel_reason, currency, total_minor, version, created_at, updated_at)
	SELECT home_region, id || 'x', user_id, idempotency_key || $1, state, cancel_reason, currency, total_minor, version, created_at, updated_at FROM orders`

// table holds mistakes and invariants together: a test wants each planted bug and each invariant in it.
func table() []mutant {
	return []mutant{
		{name: plant.LostOutboxRow, breaks: []string{audit.OneEventPerChange, check.OrderSettles, check.Settles}},
		{name: plant.DoubleCapture, breaks: []string{check.CaptureOnce}},
		{name: plant.WrongTotal, breaks: []string{audit.TotalIsLines}},
		{name: plant.WrongPrice, breaks: []string{check.PricesAreListed}},
		{name: plant.AuthorizedCanceled, breaks: []string{check.ProviderAgrees}},
		{name: plant.UnknownDeclined, breaks: []string{check.ProviderAgrees}},
		{name: plant.PublishedEarly, breaks: []string{check.BusHasOutbox}, fault: holdBus},
		{name: plant.WrongPayload, breaks: []string{check.EventTellsChange}},
		{name: plant.WatchSkips, breaks: []string{check.WatchComplete}},
		{name: plant.OthersOrder, breaks: []string{check.OrderPrivate}},
		{name: plant.OrderRefused, breaks: []string{check.OrderReadable}},
		{name: plant.SharedKey, breaks: []string{check.AcknowledgedOnce}},
		{name: plant.StockKept, breaks: []string{audit.StockMatchesOrders}},
		{name: plant.FreshCaptureKey, breaks: []string{check.CaptureOnce}},
		{name: plant.AmbiguousRefused, breaks: []string{check.FailedAbsent}, lose: 5},
		{name: plant.ReplayAnew, breaks: []string{check.ReplayIdentical}},
		{name: plant.ShortKeys, breaks: []string{check.ReplayIdentical}},
		{name: plant.StaleCart, breaks: []string{check.CartLinearizable}, fault: takeOver},
		{name: plant.UnguardedClaim, breaks: []string{audit.OrderAgreesPayment}},
		{name: plant.PostRepeated, breaks: []string{check.PostOnce}, fault: loseDatabase},
		{name: plant.OrderGoesBack, breaks: []string{check.OrderLinearizable}},
		{name: plant.HalfPosting, breaks: []string{audit.LedgerBalances, audit.OnePostingPerTaking}},

		// What no bug of one line can do, or what a constraint refuses, is done to the rows.
		{name: "rows-order-twice", breaks: []string{audit.OneOrderPerKey, check.UnknownAtMostOnce}, fault: giveUp, rows: []string{copies}},
		{name: "rows-order-unasked", breaks: []string{check.NoPhantom}, rows: []string{copies}},
		{name: "rows-order-canceled", breaks: []string{check.CaptureHasOrder}, rows: []string{`UPDATE orders SET state = 'canceled' WHERE state = 'fulfilled'`}},
		{name: "rows-order-dearer", breaks: []string{check.FulfilledPaid, audit.PaymentHasOrder}, rows: []string{`UPDATE orders SET total_minor = total_minor + 1`}},
		{name: "rows-stock-lost", breaks: []string{audit.StockConserved}, rows: []string{
			`ALTER TABLE stock DROP CONSTRAINT stock_check`, `UPDATE stock SET on_hand = on_hand - 1 WHERE on_hand > 0`,
		}},
		{name: "rows-event-due", breaks: []string{audit.EventTakesEffect}, rows: []string{`UPDATE outbox SET published_at = NULL, due_at = now() + interval '1 hour'`}},
		{name: "rows-refunded-above", breaks: []string{audit.RefundsWithin}, rows: []string{
			`INSERT INTO refunds (home_region, id, payment_id, order_id, key, state, currency, amount_minor, reason, decline_reason, attempts, since)
				SELECT home_region, 'rfd' || substr(id, 4), id, order_id, 'k', 'pending', currency, amount_minor + 1, '', '', 0, now() FROM payments WHERE state = 'captured'`,
		}},
		{name: "rows-user-gone", breaks: []string{audit.NoOrphans}, rows: []string{`DELETE FROM users`}},
		{name: "rows-astray", breaks: []string{audit.RowsAtHome}, rows: []string{
			`INSERT INTO carts (home_region, user_id, version, items, updated_at) SELECT home_region, 'usr_xx9_1', 1, '{}', now() FROM users LIMIT 1`,
		}},
	}
}
