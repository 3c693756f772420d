/* every-region: the audit reads all rows */
-- No foreign key looks at rows that are written in one transaction: its check would wait for their replication.
SELECT c.user_id, 'has credentials and is no user' FROM credentials c
WHERE NOT EXISTS (SELECT 1 FROM users u WHERE u.home_region = c.home_region AND u.id = c.user_id)
UNION ALL SELECT l.order_id, 'has line ' || l.line::text || ' and is no order' FROM order_lines l
WHERE NOT EXISTS (SELECT 1 FROM orders o WHERE o.home_region = l.home_region AND o.id = l.order_id)
UNION ALL SELECT e.posting_id, 'posts to ' || e.account || ' and belongs to no payment: ' || e.payment_id FROM ledger_entries e
WHERE NOT EXISTS (SELECT 1 FROM payments p WHERE p.home_region = e.home_region AND p.id = e.payment_id)
ORDER BY 1, 2
