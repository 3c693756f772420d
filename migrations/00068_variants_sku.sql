-- +goose NO TRANSACTION
-- +goose Up
-- The column sku is a variant's id from here on: the SKU that it came with, which stock, prices, carts and orders refer to.
-- What it is called since is current_sku. Both are NULL in what the former release wrote: the SKU is the id, and the
-- options are not known.
ALTER TABLE variants ADD COLUMN current_sku TEXT, ADD COLUMN options TEXT[];
