package audit

const oneOrderPerKey = `/* every-region: the audit reads all rows */
	SELECT o.id, 'was placed by the same key of ' || o.user_id || ' as ' || twin.id FROM orders o
	JOIN orders twin ON twin.user_id = o.user_id AND twin.idempotency_key = o.idempotency_key AND twin.id <> o.id
	WHERE twin.created_at BETWEEN o.created_at - interval '7 days' AND o.created_at + interval '7 days'
	ORDER BY o.id, twin.id`

const paymentHasOrder = `/* every-region: the audit reads all rows */
	SELECT p.id, CASE WHEN o.id IS NULL THEN 'belongs to no order: ' || p.order_id
		ELSE 'is for ' || p.amount_minor::text || ' ' || p.currency || ' and order ' || o.id || ' costs ' || o.total_minor::text || ' ' || o.currency END
	FROM payments p LEFT JOIN orders o ON o.home_region = p.home_region AND o.id = p.order_id
	WHERE o.id IS NULL OR p.currency <> o.currency OR p.amount_minor <> o.total_minor
	ORDER BY p.id`

// A canceled order's payment may still be on its way to voided, but must not be authorized for good, or captured.
const orderAgreesPayment = `/* every-region: the audit reads all rows */
	SELECT o.id, 'is ' || o.state || ' and its payment is ' || coalesce(p.state, 'missing')
	FROM orders o LEFT JOIN payments p ON p.home_region = o.home_region AND p.order_id = o.id
	WHERE NOT CASE o.state
		WHEN 'pending_payment' THEN p.state IS NULL OR p.state IN ('created', 'authorizing')
		WHEN 'confirmed' THEN coalesce(p.state IN ('authorized', 'capturing'), false)
		WHEN 'fulfilled' THEN coalesce(p.state = 'captured', false)
		WHEN 'canceled' THEN p.state IS NULL OR p.state NOT IN ('authorized', 'capturing', 'captured')
		ELSE false END
	ORDER BY o.id`

const onePostingPerCapture = `/* every-region: the audit reads all rows */
	SELECT p.id, 'is ' || p.state || ' with ' || coalesce(l.postings, 0)::text || ' postings of ' || coalesce(l.taken, 0)::text || ' for ' || p.amount_minor::text
	FROM payments p LEFT JOIN (
		SELECT home_region, payment_id, count(DISTINCT posting_id) AS postings,
			sum(CASE WHEN account = 'provider_receivable' THEN amount_minor ELSE 0 END) AS taken
		FROM ledger_entries GROUP BY home_region, payment_id
	) l ON l.home_region = p.home_region AND l.payment_id = p.id
	WHERE coalesce(l.postings, 0) <> CASE WHEN p.state = 'captured' THEN 1 ELSE 0 END
		OR (p.state = 'captured' AND l.taken <> p.amount_minor)
	ORDER BY p.id`

// Where each posting sums to zero in each currency, the whole ledger does.
const ledgerBalances = `/* every-region: the audit reads all rows */
	SELECT posting_id, 'sums to ' || sum(amount_minor)::text || ' ' || currency
	FROM ledger_entries GROUP BY home_region, posting_id, currency HAVING sum(amount_minor) <> 0
	ORDER BY posting_id`

const stockConserved = `/* every-region: the audit reads all rows */
	SELECT home_region::text || '/' || sku,
		'has ' || on_hand::text || ' on hand, ' || reserved::text || ' reserved and ' || sold::text || ' sold of ' || allotted::text
	FROM stock WHERE on_hand < 0 OR reserved < 0 OR sold < 0 OR on_hand + reserved + sold <> allotted
	ORDER BY home_region, sku`

const stockMatchesOrders = `/* every-region: the audit reads all rows */
	SELECT coalesce(s.home_region, l.home_region)::text || '/' || coalesce(s.sku, l.sku),
		'has ' || coalesce(s.reserved, 0)::text || ' reserved and ' || coalesce(s.sold, 0)::text || ' sold; open orders want '
		|| coalesce(l.wanted, 0)::text || ' and fulfilled ones got ' || coalesce(l.got, 0)::text
	FROM stock s FULL JOIN (
		SELECT l.home_region, l.sku, sum(CASE WHEN o.state IN ('pending_payment', 'confirmed') THEN l.quantity ELSE 0 END) AS wanted,
			sum(CASE WHEN o.state = 'fulfilled' THEN l.quantity ELSE 0 END) AS got
		FROM order_lines l JOIN orders o ON o.home_region = l.home_region AND o.id = l.order_id
		GROUP BY l.home_region, l.sku
	) l ON l.home_region = s.home_region AND l.sku = s.sku
	WHERE coalesce(s.reserved, 0) <> coalesce(l.wanted, 0) OR coalesce(s.sold, 0) <> coalesce(l.got, 0)
	ORDER BY 1`

// Events are kept for seven days (eventsql.Retention), so older orders are not looked at. The primary key of the
// outbox refuses a second event of the same sequence.
const oneEventPerChange = `/* every-region: the audit reads all rows */
	SELECT coalesce(o.id, e.order_id), CASE WHEN o.id IS NULL THEN 'does not exist and has events ' || e.sequences
		ELSE 'is at version ' || o.version::text || ' and has events ' || coalesce(e.sequences, 'none') END
	FROM orders o FULL JOIN (
		SELECT home_region, order_id, count(*) AS events, min(sequence) AS first, max(sequence) AS last,
			string_agg(sequence::text, ',' ORDER BY sequence) AS sequences
		FROM outbox WHERE aggregate_type = 'order' GROUP BY home_region, order_id
	) e ON e.home_region = o.home_region AND e.order_id = o.id
	WHERE o.id IS NULL OR (o.created_at > now() - interval '6 days'
		AND (coalesce(e.events, 0) <> o.version OR e.first <> 1 OR e.last <> o.version))
	ORDER BY 1`

const eventTakesEffect = `/* every-region: the audit reads all rows */
	SELECT e.order_id, CASE WHEN d.consumer IS NOT NULL THEN 'waits for ' || d.consumer || ' to take its event ' || e.id || ' since ' || e.created_at::text
		WHEN e.due_at IS NOT NULL THEN 'waits for the publishing of its event ' || e.id || ' since ' || e.created_at::text
		ELSE 'has no payment although its event ' || e.id || ' is noted as taken' END
	FROM outbox e
	LEFT JOIN (
		SELECT p.home_region, p.event_id, p.consumer FROM pending_deliveries p
		LEFT JOIN inbox i ON i.home_region = p.home_region AND i.consumer = p.consumer AND i.event_id = p.event_id
		WHERE i.event_id IS NULL
	) d ON d.home_region = e.home_region AND d.event_id = e.id
	LEFT JOIN payments p ON p.home_region = e.home_region AND p.order_id = e.order_id
	WHERE ((e.due_at IS NOT NULL OR d.consumer IS NOT NULL) AND e.created_at < now() - $1::interval)
		OR (e.type = 'meridian.order.placed.v1' AND p.id IS NULL AND e.due_at IS NULL AND NOT EXISTS (
			SELECT 1 FROM pending_deliveries o WHERE o.home_region = e.home_region AND o.consumer = 'payment' AND o.event_id = e.id))
	ORDER BY e.order_id, e.sequence, d.consumer`

const rowsAtHome = `/* every-region: the audit reads all rows */
	SELECT x.id, 'is in a row of ' || x.found || ' at home in ' || x.home FROM (
		SELECT home_region::text AS home, 'users' AS found, id FROM users
		UNION ALL SELECT home_region::text, 'credentials', user_id FROM credentials
		UNION ALL SELECT home_region::text, 'carts', user_id FROM carts
		UNION ALL SELECT home_region::text, 'orders', id FROM orders
		UNION ALL SELECT home_region::text, 'orders', user_id FROM orders
		UNION ALL SELECT home_region::text, 'order_lines', order_id FROM order_lines
		UNION ALL SELECT home_region::text, 'payments', id FROM payments
		UNION ALL SELECT home_region::text, 'payments', order_id FROM payments
		UNION ALL SELECT home_region::text, 'ledger_entries', posting_id FROM ledger_entries
		UNION ALL SELECT home_region::text, 'ledger_entries', payment_id FROM ledger_entries
		UNION ALL SELECT home_region::text, 'idempotency_keys', user_id FROM idempotency_keys
		UNION ALL SELECT home_region::text, 'outbox', id FROM outbox
		UNION ALL SELECT home_region::text, 'outbox', order_id FROM outbox
		UNION ALL SELECT home_region::text, 'inbox', event_id FROM inbox
		UNION ALL SELECT home_region::text, 'pending_deliveries', event_id FROM pending_deliveries
	) x LEFT JOIN unnest($1::text[], $2::text[]) AS r (name, code) ON r.name = x.home
	WHERE r.code IS NULL OR split_part(x.id, '_', 2) <> r.code
	ORDER BY x.id, x.found`
