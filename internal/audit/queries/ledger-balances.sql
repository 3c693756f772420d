/* every-region: the audit reads all rows */
-- Where each posting sums to zero in each currency, the whole ledger does.
SELECT posting_id, 'sums to ' || sum(amount_minor)::text || ' ' || currency
FROM ledger_entries GROUP BY home_region, posting_id, currency HAVING sum(amount_minor) <> 0
ORDER BY posting_id
