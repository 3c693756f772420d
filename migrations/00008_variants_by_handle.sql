-- +goose NO TRANSACTION
-- +goose Up
CREATE INDEX variants_by_handle ON variants (handle, position);
