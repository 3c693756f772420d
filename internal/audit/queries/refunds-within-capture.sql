/* every-region: the audit reads all rows */
-- Pending refunds count: the provider may have made them.
SELECT r.payment_id, 'is ' || coalesce(p.state, 'missing') || ' with ' || coalesce(p.amount_minor, 0)::text || ' and has refunds of ' || r.given::text
FROM (
  SELECT home_region, payment_id, min(currency) AS first, max(currency) AS last, sum(amount_minor) AS given
  FROM refunds WHERE state <> 'declined' GROUP BY home_region, payment_id
) r LEFT JOIN payments p ON p.home_region = r.home_region AND p.id = r.payment_id
WHERE p.id IS NULL OR p.state <> 'captured' OR r.given > p.amount_minor OR r.first <> p.currency OR r.last <> p.currency
-- What was given back is in the ledger, and nothing else is.
UNION ALL SELECT r.id, 'is ' || r.state || ' for ' || r.amount_minor::text || ', and the ledger gave back ' || coalesce(l.given, 0)::text
FROM refunds r LEFT JOIN (
  SELECT home_region, posting_id, sum(amount_minor) AS given FROM ledger_entries WHERE account = 'refunds' GROUP BY home_region, posting_id
) l ON l.home_region = r.home_region AND l.posting_id = 'led_' || substr(r.id, 5)
WHERE coalesce(l.given, 0) <> CASE WHEN r.state = 'refunded' THEN r.amount_minor ELSE 0 END
ORDER BY 1, 2
