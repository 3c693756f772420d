/* every-region: the audit reads all rows */
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
  UNION ALL SELECT home_region::text, 'refunds', id FROM refunds
  UNION ALL SELECT home_region::text, 'refunds', payment_id FROM refunds
  UNION ALL SELECT home_region::text, 'idempotency_keys', user_id FROM idempotency_keys
  UNION ALL SELECT home_region::text, 'outbox', id FROM outbox
  UNION ALL SELECT home_region::text, 'outbox', order_id FROM outbox
  UNION ALL SELECT home_region::text, 'inbox', event_id FROM inbox
  UNION ALL SELECT home_region::text, 'pending_deliveries', event_id FROM pending_deliveries
) x LEFT JOIN unnest($1::text[], $2::text[]) AS r (name, code) ON r.name = x.home
WHERE r.code IS NULL OR split_part(x.id, '_', 2) <> r.code
ORDER BY x.id, x.found
