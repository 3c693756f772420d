-- +goose NO TRANSACTION
-- +goose Up
-- What the options of a product's variants are called, in their order.
ALTER TABLE products ADD COLUMN options TEXT[];
