-- +goose NO TRANSACTION
-- +goose Up
-- The column sku is the variant's id, and this is what it was called when the order was placed, where that is something else.
ALTER TABLE order_lines ADD COLUMN ordered_sku TEXT;
