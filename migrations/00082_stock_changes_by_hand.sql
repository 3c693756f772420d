-- +goose NO TRANSACTION
-- +goose Up
-- What changed an allotment: an import, unless it says something else. Units on hand and reserved are those after it, NULL where a former
-- release wrote the line. What is done by hand has a key, and both lines of a transfer have the same.
ALTER TABLE stock_changes ADD COLUMN kind TEXT NOT NULL DEFAULT 'import', ADD COLUMN on_hand BIGINT, ADD COLUMN reserved BIGINT, ADD COLUMN key TEXT,
  ADD COLUMN reason TEXT NOT NULL DEFAULT '', ADD COLUMN other_region TEXT NOT NULL DEFAULT '', ADD COLUMN made_by TEXT NOT NULL DEFAULT '';
