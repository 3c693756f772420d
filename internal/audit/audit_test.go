package audit_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/audit"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest"
	"github.com/meridian-commerce/meridian/regions"
)

func TestMain(m *testing.M) { sqltest.Main(m) }

// clean is a database in which every state of an order occurs, in two regions.
func clean(t *testing.T) *sqldb.DB {
	t.Helper()
	db := sqltest.Open(t, nil)
	fill(t, db)
	return db
}

// fill replaces every row by those of a clean database.
func fill(t *testing.T, db *sqldb.DB) {
	t.Helper()
	for _, table := range []string{"refunds", "ledger_entries", "payments", "order_lines", "orders", "outbox", "inbox", "pending_deliveries", "stock", "stock_changes", "leases", "idempotency_keys", "carts", "credentials", "users"} {
		exec(t, db, `DELETE FROM `+table)
	}
	for _, sql := range []string{
		`INSERT INTO users (home_region, id, email, display_name, country, currency, created_at) SELECT r, 'usr_' || c || '_1', '', '', 'IE', 'EUR', now() FROM homes`,
		`INSERT INTO credentials (home_region, user_id, password_hash, updated_at) SELECT r, 'usr_' || c || '_1', '', now() FROM homes`,
		`INSERT INTO carts (home_region, user_id, version, items, updated_at) SELECT r, 'usr_' || c || '_1', 1, '{}', now() FROM homes`,
		`INSERT INTO idempotency_keys (home_region, user_id, key, request_hash, response, created_at, expires_at) SELECT r, 'usr_' || c || '_1', 'k', '', '', now(), now() FROM homes`,
		`INSERT INTO leases (home_region, name, holder, expires_at) SELECT r, 'relay', 'a/b', now() FROM homes`,
		`INSERT INTO stock (home_region, sku, allotted, on_hand, reserved, sold) SELECT r, 'A', 100, 92, 6, 2 FROM homes`,
		// A former release began with 60, and wrote no line for it. Ten of them went to the other region and came back.
		`INSERT INTO stock_changes (home_region, sku, at, units, allotted) SELECT r, 'A', now() - interval '2 s', 40, 100 FROM homes`,
		`INSERT INTO stock_changes (home_region, sku, at, units, allotted, kind, key, other_region)
			SELECT r, 'A', now() - n * interval '1 ms', CASE c WHEN 'eu1' THEN 10 ELSE -10 END * (3 - 2 * n), 100, 'transfer', 'move-' || n, CASE c WHEN 'eu1' THEN 'us-east-1' ELSE 'eu-west-1' END
			FROM homes, generate_series(1, 2) n`,
		`INSERT INTO orders (home_region, id, user_id, idempotency_key, state, cancel_reason, currency, total_minor, version, created_at, updated_at)
			SELECT r, 'ord_' || c || '_' || n, 'usr_' || c || '_1', n, s, '', 'EUR', 500, v, now(), now() FROM homes, lives`,
		`INSERT INTO order_lines (home_region, order_id, line, sku, title, quantity, unit_minor) SELECT r, 'ord_' || c || '_' || n, 1, 'A', '', 2, 250 FROM homes, lives`,
		`INSERT INTO payments (home_region, id, order_id, state, currency, amount_minor, provider_ref, attempts, traceparent, created_at, updated_at)
			SELECT r, 'pay_' || c || '_' || n, 'ord_' || c || '_' || n, p, 'EUR', 500, '', 0, '', now(), now() FROM homes, lives WHERE p <> ''`,
		`INSERT INTO ledger_entries (home_region, posting_id, account, payment_id, currency, amount_minor, created_at)
			SELECT r, 'led_' || c || '_' || n, a, 'pay_' || c || '_' || n, 'EUR', m, now() FROM homes, lives, (VALUES ('provider_receivable', 500), ('sales', -500)) e (a, m) WHERE p = 'captured'`,
		`INSERT INTO outbox (home_region, order_id, sequence, id, type, payload, traceparent, created_at, due_at, awaits_effect)
			SELECT r, 'ord_' || c || '_' || n, q, 'evt_' || c || '_' || n || q, CASE q WHEN 1 THEN 'meridian.order.placed.v1' ELSE 'x' END, '', '', now() - interval '10 s',
				NULL, q = 1 FROM homes, lives, generate_series(1, v) q`,
		`INSERT INTO pending_deliveries (home_region, consumer, event_id, aggregate_id, sequence, due_at, created_at)
			SELECT r, w, 'evt_' || c || '_' || n || '1', 'ord_' || c || '_' || n, 1, now(), now() - interval '10 s' FROM homes, lives, (VALUES ('payment'), ('mail')) consumers (w) WHERE p = '' OR w = 'payment'`,
		`INSERT INTO inbox (home_region, consumer, event_id, created_at) SELECT r, 'payment', 'evt_' || c || '_' || n || '1', now() FROM homes, lives WHERE p <> ''`,
	} {
		exec(t, db, `WITH homes (r, c) AS (VALUES ('eu-west-1', 'eu1'), ('us-east-1', 'us1')),
			lives (n, s, v, p) AS (VALUES ('new', 'pending_payment', 1, ''), ('paying', 'pending_payment', 1, 'authorizing'),
				('paid', 'confirmed', 2, 'authorized'), ('done', 'fulfilled', 3, 'captured'), ('declined', 'canceled', 2, 'declined')) `+sql)
	}
}

func exec(t *testing.T, db *sqldb.DB, sql string) {
	t.Helper()
	if _, err := db.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, db *sqldb.DB, quietFor time.Duration) []audit.Violation {
	t.Helper()
	got, err := audit.Run(t.Context(), db.Pool(), regions.Default(), quietFor)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestACleanDatabaseHasNoViolations(t *testing.T) {
	t.Parallel()
	if got := run(t, sqltest.Open(t, nil), 0); len(got) != 0 {
		t.Errorf("an empty database: %+v", got)
	}
	db := clean(t)
	exec(t, db, `UPDATE orders SET total_minor = 400, adjustments = '[{"Amount": {"Minor": -100, "Currency": "EUR"}}]' WHERE id = 'ord_eu1_new'`)
	exec(t, db, `UPDATE order_lines SET ordered_sku = 'A-2' WHERE order_id = 'ord_us1_new'`) // at no cost, by its SKU of then
	exec(t, db, `UPDATE orders SET total_minor = 0, adjustments = '[{"SKU": "A-2", "Amount": {"Minor": -500, "Currency": "EUR"}}]' WHERE id = 'ord_us1_new'`)
	if got := run(t, db, time.Minute); len(got) != 0 {
		t.Errorf("a clean database: %+v", got)
	}
}

func TestEachViolationIsReportedAlone(t *testing.T) {
	t.Parallel()
	shared := sqltest.Open(t, nil) // one after the other; a case that changes the schema has a database of its own
	const eu = " WHERE home_region = 'eu-west-1' AND "
	for name, c := range map[string]struct {
		plant []string
		want  string
		ids   string
	}{
		"a key used twice": {
			[]string{`UPDATE orders SET idempotency_key = 'new'` + eu + `id = 'ord_eu1_paid'`},
			audit.OneOrderPerKey, "ord_eu1_new ord_eu1_paid",
		},
		"a payment of another amount": {
			[]string{`UPDATE payments SET amount_minor = 501` + eu + `id = 'pay_eu1_paid'`},
			audit.PaymentHasOrder, "pay_eu1_paid",
		},
		"a payment of another currency": {
			[]string{`UPDATE payments SET currency = 'USD'` + eu + `id = 'pay_eu1_paid'`},
			audit.PaymentHasOrder, "pay_eu1_paid",
		},
		"a payment without an order": {
			[]string{
				`ALTER TABLE payments DROP CONSTRAINT payments_home_region_order_id_fkey`,
				`INSERT INTO payments (home_region, id, order_id, state, currency, amount_minor, provider_ref, attempts, traceparent, created_at, updated_at)
					VALUES ('eu-west-1', 'pay_eu1_stray', 'ord_eu1_none', 'created', 'EUR', 1, '', 0, '', now(), now())`,
			},
			audit.PaymentHasOrder, "pay_eu1_stray",
		},
		"confirmed and declined": {
			[]string{`UPDATE payments SET state = 'declined'` + eu + `id = 'pay_eu1_paid'`},
			audit.OrderAgreesPayment, "ord_eu1_paid",
		},
		"pending and authorized": {
			[]string{`UPDATE payments SET state = 'authorized'` + eu + `id = 'pay_eu1_paying'`},
			audit.OrderAgreesPayment, "ord_eu1_paying",
		},
		"canceled and capturing": {
			[]string{`UPDATE payments SET state = 'capturing'` + eu + `id = 'pay_eu1_declined'`},
			audit.OrderAgreesPayment, "ord_eu1_declined",
		},
		"refunds above the capture": {
			[]string{`INSERT INTO refunds (home_region, id, payment_id, order_id, key, state, currency, amount_minor, reason, decline_reason, attempts, since)
				SELECT 'eu-west-1', 'rfd_eu1_' || k, 'pay_eu1_done', 'ord_eu1_done', k, 'pending', 'EUR', m, '', '', 0, now() FROM (VALUES ('a', 499), ('b', 2)) v (k, m)`},
			audit.RefundsWithin, "pay_eu1_done",
		},
		"a refund of what was not captured": {
			[]string{`INSERT INTO refunds (home_region, id, payment_id, order_id, key, state, currency, amount_minor, reason, decline_reason, attempts, since)
				VALUES ('eu-west-1', 'rfd_eu1_a', 'pay_eu1_paid', 'ord_eu1_paid', 'a', 'pending', 'EUR', 1, '', '', 0, now())`},
			audit.RefundsWithin, "pay_eu1_paid",
		},
		"a refund that the ledger does not have": {
			[]string{`INSERT INTO refunds (home_region, id, payment_id, order_id, key, state, currency, amount_minor, reason, decline_reason, attempts, since)
				VALUES ('eu-west-1', 'rfd_eu1_a', 'pay_eu1_done', 'ord_eu1_done', 'a', 'refunded', 'EUR', 500, '', '', 0, now())`},
			audit.RefundsWithin, "rfd_eu1_a",
		},
		"captured without a posting": {
			[]string{`DELETE FROM ledger_entries` + eu + `payment_id = 'pay_eu1_done'`},
			audit.OnePostingPerTaking, "pay_eu1_done",
		},
		"captured and posted twice": {
			[]string{`INSERT INTO ledger_entries SELECT home_region, 'led_eu1_again', account, payment_id, currency, amount_minor, created_at FROM ledger_entries` + eu + `payment_id = 'pay_eu1_done'`},
			audit.OnePostingPerTaking, "pay_eu1_done",
		},
		"posted and not captured": {
			[]string{`INSERT INTO ledger_entries SELECT home_region, 'led_eu1_early', account, 'pay_eu1_paid', currency, amount_minor, created_at FROM ledger_entries` + eu + `payment_id = 'pay_eu1_done'`},
			audit.OnePostingPerTaking, "pay_eu1_paid",
		},
		"posted another amount": {
			[]string{`UPDATE ledger_entries SET amount_minor = amount_minor * 2` + eu + `payment_id = 'pay_eu1_done'`},
			audit.OnePostingPerTaking, "pay_eu1_done",
		},
		"a posting that does not balance": {
			[]string{`UPDATE ledger_entries SET amount_minor = -499` + eu + `account = 'sales'`},
			audit.LedgerBalances, "led_eu1_done",
		},
		"units that vanished": {
			[]string{`ALTER TABLE stock DROP CONSTRAINT stock_check`, `UPDATE stock SET on_hand = 91` + eu + `sku = 'A'`},
			audit.StockConserved, "eu-west-1/A",
		},
		"negative units": {
			[]string{`ALTER TABLE stock DROP CONSTRAINT stock_on_hand_check`, `UPDATE stock SET on_hand = -1, allotted = 7` + eu + `sku = 'A'`},
			audit.StockConserved, "eu-west-1/A",
		},
		"units that no change made": {
			[]string{`UPDATE stock SET allotted = 101, on_hand = 93` + eu + `sku = 'A'`},
			audit.StockConserved, "eu-west-1/A",
		},
		"a change that changed nothing": {
			[]string{`INSERT INTO stock_changes (home_region, sku, units, allotted, kind, key) SELECT home_region, sku, 3, allotted, 'receive', 'r' FROM stock` + eu + `sku = 'A'`},
			audit.StockConserved, "eu-west-1/A",
		},
		"units of a region that has none": {
			[]string{`INSERT INTO stock_changes (home_region, sku, units, allotted) VALUES ('eu-west-1', 'B', 3, 3)`},
			audit.StockConserved, "eu-west-1/B",
		},
		"a transfer that did not arrive": {
			[]string{
				`UPDATE stock SET allotted = 90, on_hand = 82` + eu + `sku = 'A'`,
				`INSERT INTO stock_changes (home_region, sku, units, allotted, kind, key, other_region) VALUES ('eu-west-1', 'A', -10, 90, 'transfer', 'move-3', 'us-east-1')`,
			},
			audit.StockConserved, "eu-west-1/A",
		},
		"reserved for nobody": {
			[]string{`UPDATE stock SET on_hand = 91, reserved = 7` + eu + `sku = 'A'`},
			audit.StockMatchesOrders, "eu-west-1/A",
		},
		"sold to nobody": {
			[]string{`UPDATE stock SET on_hand = 91, sold = 3` + eu + `sku = 'A'`},
			audit.StockMatchesOrders, "eu-west-1/A",
		},
		"an order of units that no region has": {
			[]string{`UPDATE order_lines SET sku = 'B'` + eu + `order_id = 'ord_eu1_paid'`},
			audit.StockMatchesOrders, "eu-west-1/A eu-west-1/B",
		},
		"a lost first event": {
			[]string{`DELETE FROM outbox` + eu + `order_id = 'ord_eu1_new'`},
			audit.OneEventPerChange, "ord_eu1_new",
		},
		"a lost event in between": {
			[]string{`DELETE FROM outbox` + eu + `order_id = 'ord_eu1_done' AND sequence = 2`},
			audit.OneEventPerChange, "ord_eu1_done",
		},
		"an event too many": {
			[]string{`UPDATE orders SET version = 1` + eu + `id = 'ord_eu1_paid'`},
			audit.OneEventPerChange, "ord_eu1_paid",
		},
		"events of no order": {
			[]string{`INSERT INTO outbox SELECT home_region, 'ord_eu1_none', 1, 'evt_eu1_none', 'x', '', '', now(), now(), NULL, false FROM users` + eu + `true`},
			audit.OneEventPerChange, "ord_eu1_none",
		},
		"an order and a stranger's event": {
			[]string{
				`INSERT INTO outbox SELECT home_region, 'ref_eu1_1', 1, 'evt_eu1_ref', 'x', '', '', now(), now(), NULL, false, 'refund' FROM users` + eu + `true`,
				`DELETE FROM outbox` + eu + `order_id = 'ord_eu1_new'`,
			},
			audit.OneEventPerChange, "ord_eu1_new",
		},
		"an event that a bus has lost, and is not given again": {
			[]string{`UPDATE outbox SET published_at = created_at, due_at = now() - interval '2 minutes'` + eu + `order_id = 'ord_eu1_done' AND sequence = 2`},
			audit.EventTakesEffect, "ord_eu1_done",
		},
		"an event that nobody takes": {
			[]string{`UPDATE outbox SET created_at = now() - interval '2 minutes'` + eu + `order_id = 'ord_eu1_new'`},
			audit.EventTakesEffect, "ord_eu1_new",
		},
		"an event that one of its consumers does not take": {
			[]string{
				`UPDATE outbox SET created_at = now() - interval '2 minutes'` + eu + `order_id = 'ord_eu1_paid' AND sequence = 2`,
				`INSERT INTO pending_deliveries VALUES ('eu-west-1', 'mail', 'evt_eu1_paid2', 'ord_eu1_paid', 2, now(), now())`,
			},
			audit.EventTakesEffect, "ord_eu1_paid",
		},
		"an event that is not published": {
			[]string{`UPDATE outbox SET created_at = now() - interval '2 minutes', due_at = now()` + eu + `order_id = 'ord_eu1_done' AND sequence = 3`},
			audit.EventTakesEffect, "ord_eu1_done",
		},
		"an effect that is noted and was not had": {
			[]string{`DELETE FROM pending_deliveries` + eu + `aggregate_id = 'ord_eu1_new' AND consumer = 'payment'`},
			audit.EventTakesEffect, "ord_eu1_new",
		},
		"credentials of nobody": {
			[]string{`INSERT INTO credentials SELECT home_region, 'usr_eu1_none', password_hash, updated_at FROM credentials` + eu + `true`},
			audit.NoOrphans, "usr_eu1_none",
		},
		"lines of no order": {
			[]string{`INSERT INTO order_lines SELECT home_region, 'ord_eu1_none', line, sku, title, quantity, unit_minor FROM order_lines` + eu + `order_id = 'ord_eu1_new'`},
			audit.NoOrphans, "ord_eu1_none",
		},
		"a posting of no payment": {
			[]string{`INSERT INTO ledger_entries SELECT home_region, 'led_eu1_none', account, 'pay_eu1_none', currency, amount_minor, created_at FROM ledger_entries` + eu + `payment_id = 'pay_eu1_done'`},
			audit.NoOrphans, "led_eu1_none",
		},
		"a total that its lines do not come to": {
			[]string{`UPDATE orders SET total_minor = 501` + eu + `id = 'ord_eu1_new'`},
			audit.TotalIsLines, "ord_eu1_new",
		},
		"an adjustment that the total leaves out": {
			[]string{`UPDATE orders SET adjustments = '[{"Amount": {"Minor": -100, "Currency": "EUR"}}]'` + eu + `id = 'ord_eu1_new'`},
			audit.TotalIsLines, "ord_eu1_new",
		},
		"a line that is given off more than it costs": {
			[]string{`UPDATE orders SET adjustments = '[{"SKU": "A", "Amount": {"Minor": -300, "Currency": "EUR"}}, {"SKU": "A", "Amount": {"Minor": -201, "Currency": "EUR"}},
				{"Kind": "shipping", "SKU": "", "Amount": {"Minor": 501, "Currency": "EUR"}}]'` + eu + `id = 'ord_eu1_new'`},
			audit.TotalIsLines, "ord_eu1_new",
		},
		"a part of a discount on a line that is not there": {
			[]string{`UPDATE orders SET adjustments = '[{"SKU": "B", "Amount": {"Minor": -1, "Currency": "EUR"}}, {"SKU": "A", "Amount": {"Minor": 1, "Currency": "EUR"}}]'` + eu + `id = 'ord_eu1_new'`},
			audit.TotalIsLines, "ord_eu1_new",
		},
		"a part of a discount that went missing": {
			[]string{`UPDATE orders SET total_minor = 400, adjustments = '[{"SKU": "A", "Amount": {"Minor": -99, "Currency": "EUR"}}]'` + eu + `id = 'ord_eu1_new'`},
			audit.TotalIsLines, "ord_eu1_new",
		},
		"a user in another region": {
			[]string{`INSERT INTO users SELECT 'ap-southeast-1', id, email, display_name, country, currency, created_at FROM users` + eu + `true`},
			audit.RowsAtHome, "usr_eu1_1",
		},
		"a delivery owed in another region": {
			[]string{`UPDATE pending_deliveries SET home_region = 'us-east-1'` + eu + `aggregate_id = 'ord_eu1_new' AND consumer = 'mail'`},
			audit.RowsAtHome, "evt_eu1_new1",
		},
		"an effect noted in another region": {
			[]string{`UPDATE inbox SET home_region = 'us-east-1'` + eu + `event_id = 'evt_eu1_done1'`},
			audit.RowsAtHome, "evt_eu1_done1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			db := shared
			if strings.HasPrefix(c.plant[0], "ALTER") {
				db = sqltest.Open(t, nil)
			}
			fill(t, db)
			for _, sql := range c.plant {
				exec(t, db, sql)
			}
			got := run(t, db, time.Minute)
			if len(got) != 1 || got[0].Invariant != c.want || got[0].Detail == "" {
				t.Fatalf("got %+v, want %s alone", got, c.want)
			}
			if diff := cmp.Diff(c.ids, strings.Join(got[0].IDs, " ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestManyFindingsAreBounded(t *testing.T) {
	t.Parallel()
	db := clean(t)
	exec(t, db, `INSERT INTO users SELECT home_region, 'usr_xx1_' || g, email, display_name, country, currency, created_at
		FROM users, generate_series(1, 70) g WHERE home_region = 'eu-west-1'`)
	got := run(t, db, time.Minute)
	if len(got) != 1 || len(got[0].IDs) != 50 || !strings.HasPrefix(got[0].Detail, "70: ") || !strings.HasSuffix(got[0].Detail, "; and 65 more") {
		t.Errorf("got %+v", got)
	}
}

func TestEveryInvariantIsPlanted(t *testing.T) {
	t.Parallel()
	db := clean(t)
	exec(t, db, `ALTER TABLE payments DROP CONSTRAINT payments_home_region_order_id_fkey`)
	exec(t, db, `ALTER TABLE stock DROP CONSTRAINT stock_check`)
	for _, sql := range []string{
		`UPDATE orders SET idempotency_key = 'k', total_minor = 1, version = 9`, `UPDATE payments SET state = 'captured'`,
		`UPDATE ledger_entries SET amount_minor = 7`,
		`INSERT INTO refunds (home_region, id, payment_id, order_id, key, state, currency, amount_minor, reason, decline_reason, attempts, since)
			VALUES ('eu-west-1', 'rfd_eu1_a', 'pay_eu1_done', 'ord_eu1_done', 'a', 'pending', 'EUR', 501, '', '', 0, now())`, `UPDATE stock SET reserved = 50`, `UPDATE outbox SET created_at = now() - interval '2 days', due_at = now()`,
		`UPDATE inbox SET event_id = 'evt_xx1_' || event_id`, `UPDATE credentials SET user_id = user_id || 'x'`,
	} {
		exec(t, db, sql)
	}
	var got []string
	for _, v := range run(t, db, time.Minute) {
		got = append(got, v.Invariant)
	}
	want := audit.Invariants()
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestADatabaseThatCannotBeReadIsNotClean(t *testing.T) {
	t.Parallel()
	db := clean(t)
	exec(t, db, `DROP TABLE carts`)
	got, err := audit.Run(t.Context(), db.Pool(), regions.Default(), 0)
	if err == nil || !strings.Contains(fmt.Sprint(err), audit.RowsAtHome) {
		t.Errorf("got %+v, %v", got, err)
	}
}
