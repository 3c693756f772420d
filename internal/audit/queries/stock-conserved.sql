/* every-region: the audit reads all rows */
SELECT home_region::text || '/' || sku,
  'has ' || on_hand::text || ' on hand, ' || reserved::text || ' reserved and ' || sold::text || ' sold of ' || allotted::text
FROM stock WHERE on_hand < 0 OR reserved < 0 OR sold < 0 OR on_hand + reserved + sold <> allotted
-- What is allotted is what came in and went out. What former releases began without a line is what there was before the first one.
UNION ALL SELECT j.home_region::text || '/' || j.sku, 'has ' || coalesce(s.allotted, 0)::text || ' allotted, and its journal comes to ' || j.units::text
FROM (
  SELECT home_region, sku, (sum(units) + (array_agg(allotted - units ORDER BY at))[1])::bigint AS units FROM stock_changes GROUP BY home_region, sku
) j LEFT JOIN stock s ON s.home_region = j.home_region AND s.sku = j.sku
WHERE coalesce(s.allotted, 0) <> j.units
-- And over all regions nothing comes of a transfer, and nothing is lost in it.
UNION ALL SELECT t.home_region::text || '/' || t.sku, 'changed by ' || t.units::text || ' in transfer ' || t.key || ', and ' || t.other_region
  || ' by ' || coalesce(o.units, 0)::text
FROM stock_changes t LEFT JOIN stock_changes o
  ON o.home_region::text = t.other_region AND o.sku = t.sku AND o.key = t.key AND o.kind = t.kind AND o.other_region = t.home_region::text
WHERE t.kind = 'transfer' AND coalesce(o.units, 0) <> -t.units
ORDER BY 1, 2
