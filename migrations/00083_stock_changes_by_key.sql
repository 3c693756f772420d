-- +goose NO TRANSACTION
-- +goose Up
-- To find what a key did before.
CREATE INDEX stock_changes_by_key ON stock_changes (home_region, key) WHERE key IS NOT NULL;
