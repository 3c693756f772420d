/* every-region: the audit reads all rows */
SELECT p.id, CASE WHEN o.id IS NULL THEN 'belongs to no order: ' || p.order_id
  ELSE 'is for ' || p.amount_minor::text || ' ' || p.currency || ' and order ' || o.id || ' costs ' || o.total_minor::text || ' ' || o.currency END
FROM payments p LEFT JOIN orders o ON o.home_region = p.home_region AND o.id = p.order_id
WHERE o.id IS NULL OR p.currency <> o.currency OR p.amount_minor <> o.total_minor
ORDER BY p.id
