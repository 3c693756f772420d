-- +goose NO TRANSACTION
-- +goose Up
-- The promotion codes that its owner gave, or NULL.
ALTER TABLE carts ADD COLUMN codes TEXT[];
