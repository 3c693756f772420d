/* every-region: the audit reads all rows */
SELECT home_region::text || '/' || sku,
  'has ' || on_hand::text || ' on hand, ' || reserved::text || ' reserved and ' || sold::text || ' sold of ' || allotted::text
FROM stock WHERE on_hand < 0 OR reserved < 0 OR sold < 0 OR on_hand + reserved + sold <> allotted
ORDER BY home_region, sku
