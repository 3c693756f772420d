/* every-region: the audit reads all rows */
WITH adjusted (home_region, id, sku, minor) AS (
  SELECT home_region, id, coalesce(adjustment ->> 'SKU', ''), sum((adjustment -> 'Amount' ->> 'Minor')::bigint)
  FROM orders, jsonb_array_elements(CASE jsonb_typeof(adjustments) WHEN 'array' THEN adjustments ELSE '[]'::jsonb END) AS adjustment
  GROUP BY home_region, id, coalesce(adjustment ->> 'SKU', '')
), lines (home_region, id, sku, minor) AS (
  SELECT home_region, order_id, coalesce(ordered_sku, sku), sum(quantity * unit_minor) FROM order_lines
  GROUP BY home_region, order_id, coalesce(ordered_sku, sku)
)
SELECT o.id, 'costs ' || o.total_minor::text || ' ' || o.currency || '; its lines come to ' || coalesce(l.minor, 0)::text
  || ' and its adjustments to ' || coalesce(a.minor, 0)::text
FROM orders o
LEFT JOIN (SELECT home_region, id, sum(minor) AS minor FROM lines GROUP BY home_region, id) l ON l.home_region = o.home_region AND l.id = o.id
LEFT JOIN (SELECT home_region, id, sum(minor) AS minor FROM adjusted GROUP BY home_region, id) a ON a.home_region = o.home_region AND a.id = o.id
WHERE o.total_minor <> coalesce(l.minor, 0) + coalesce(a.minor, 0)
UNION ALL
SELECT a.id, 'takes ' || a.minor::text || ' off a line of ' || a.sku || ' that costs ' || coalesce(l.minor::text, 'nothing: there is none')
FROM adjusted a LEFT JOIN lines l ON l.home_region = a.home_region AND l.id = a.id AND l.sku = a.sku
WHERE a.sku <> '' AND (l.minor IS NULL OR l.minor + a.minor < 0)
ORDER BY 1
