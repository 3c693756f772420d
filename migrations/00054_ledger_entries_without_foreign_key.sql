-- +goose NO TRANSACTION
-- +goose Up
-- As for credentials: a capture changes the payment and posts it, in one transaction.
-- contract: since v0.0.1: any release
ALTER TABLE ledger_entries DROP CONSTRAINT ledger_entries_home_region_payment_id_fkey;
