/* every-region: the audit reads all rows */
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
ORDER BY 1
