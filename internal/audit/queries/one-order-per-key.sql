/* every-region: the audit reads all rows */
SELECT o.id, 'was placed by the same key of ' || o.user_id || ' as ' || twin.id FROM orders o
JOIN orders twin ON twin.user_id = o.user_id AND twin.idempotency_key = o.idempotency_key AND twin.id <> o.id
WHERE twin.created_at BETWEEN o.created_at - interval '7 days' AND o.created_at + interval '7 days'
ORDER BY o.id, twin.id
