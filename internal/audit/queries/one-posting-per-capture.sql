/* every-region: the audit reads all rows */
SELECT p.id, 'is ' || p.state || ' with ' || coalesce(l.postings, 0)::text || ' postings of ' || coalesce(l.taken, 0)::text || ' for ' || p.amount_minor::text
FROM payments p LEFT JOIN (
  SELECT home_region, payment_id, count(DISTINCT posting_id) AS postings,
    sum(CASE WHEN account = 'provider_receivable' THEN amount_minor ELSE 0 END) AS taken
  FROM ledger_entries e WHERE NOT EXISTS (
    SELECT 1 FROM refunds r WHERE r.home_region = e.home_region AND r.payment_id = e.payment_id AND 'led_' || substr(r.id, 5) = e.posting_id)
  GROUP BY home_region, payment_id
) l ON l.home_region = p.home_region AND l.payment_id = p.id
WHERE coalesce(l.postings, 0) <> CASE WHEN p.state = 'captured' THEN 1 ELSE 0 END
  OR (p.state = 'captured' AND l.taken <> p.amount_minor)
ORDER BY p.id
