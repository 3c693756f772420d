/* every-region: the audit reads all rows */
-- A canceled order's payment may still be on its way to voided, but must not be authorized for good, or captured.
SELECT o.id, 'is ' || o.state || ' and its payment is ' || coalesce(p.state, 'missing')
FROM orders o LEFT JOIN payments p ON p.home_region = o.home_region AND p.order_id = o.id
WHERE NOT CASE o.state
  WHEN 'pending_payment' THEN p.state IS NULL OR p.state IN ('created', 'authorizing')
  WHEN 'confirmed' THEN coalesce(p.state IN ('authorized', 'capturing'), false)
  WHEN 'fulfilled' THEN coalesce(p.state = 'captured', false)
  WHEN 'canceled' THEN p.state IS NULL OR p.state NOT IN ('authorized', 'capturing', 'captured')
  ELSE false END
ORDER BY o.id
