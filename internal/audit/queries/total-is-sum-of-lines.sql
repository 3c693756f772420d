/* every-region: the audit reads all rows */
SELECT o.id, 'costs ' || o.total_minor::text || ' ' || o.currency || '; its lines come to ' || coalesce(l.lines, 0)::text
  || ' and its adjustments to ' || coalesce(a.adjusted, 0)::text
FROM orders o
LEFT JOIN (
  SELECT home_region, order_id, sum(quantity * unit_minor) AS lines FROM order_lines GROUP BY home_region, order_id
) l ON l.home_region = o.home_region AND l.order_id = o.id
LEFT JOIN (
  SELECT home_region, id, sum((adjustment -> 'Amount' ->> 'Minor')::bigint) AS adjusted
  FROM orders, jsonb_array_elements(CASE jsonb_typeof(adjustments) WHEN 'array' THEN adjustments ELSE '[]'::jsonb END) AS adjustment
  GROUP BY home_region, id
) a ON a.home_region = o.home_region AND a.id = o.id
WHERE o.total_minor <> coalesce(l.lines, 0) + coalesce(a.adjusted, 0)
ORDER BY o.id
