-- +goose NO TRANSACTION
-- +goose Up
-- What a unit cost when it was put in, by SKU, so that a cart can say which prices changed since.
ALTER TABLE carts ADD COLUMN prices JSONB NOT NULL DEFAULT '{}';
