-- +goose NO TRANSACTION
-- +goose Up
-- A few rows, of a table that no release before reads.
-- contract: since v0.0.1: any release
INSERT INTO currencies (code) SELECT DISTINCT currency FROM prices ON CONFLICT (code) DO NOTHING;
