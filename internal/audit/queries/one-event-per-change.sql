/* every-region: the audit reads all rows */
-- Events are kept for seven days (eventsql.Retention), so older orders are not looked at. The primary key of the
-- outbox refuses a second event of the same sequence.
SELECT coalesce(o.id, e.order_id), CASE WHEN o.id IS NULL THEN 'does not exist and has events ' || e.sequences
  ELSE 'is at version ' || o.version::text || ' and has events ' || coalesce(e.sequences, 'none') END
FROM orders o FULL JOIN (
  SELECT home_region, order_id, count(*) AS events, min(sequence) AS first, max(sequence) AS last,
    string_agg(sequence::text, ',' ORDER BY sequence) AS sequences
  FROM outbox WHERE aggregate_type = 'order' GROUP BY home_region, order_id
) e ON e.home_region = o.home_region AND e.order_id = o.id
WHERE o.id IS NULL OR (o.created_at > now() - interval '6 days'
  AND (coalesce(e.events, 0) <> o.version OR e.first <> 1 OR e.last <> o.version))
ORDER BY 1
