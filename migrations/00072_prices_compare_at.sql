-- +goose NO TRANSACTION
-- +goose Up
-- What a variant cost before its price was reduced, to be shown struck through, or NULL.
ALTER TABLE prices ADD COLUMN compare_at BIGINT;
