/* every-region: the audit reads all rows */
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
-- An event that the bus has lost waits since it is due again.
WHERE (e.due_at IS NOT NULL AND CASE WHEN e.published_at IS NULL THEN e.created_at ELSE e.due_at END < now() - $1::interval)
  OR (d.consumer IS NOT NULL AND e.created_at < now() - $1::interval)
  OR (e.type = 'meridian.order.placed.v1' AND p.id IS NULL AND e.due_at IS NULL AND NOT EXISTS (
    SELECT 1 FROM pending_deliveries o WHERE o.home_region = e.home_region AND o.consumer = 'payment' AND o.event_id = e.id))
ORDER BY e.order_id, e.sequence, d.consumer
