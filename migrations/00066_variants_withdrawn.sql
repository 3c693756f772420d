-- +goose NO TRANSACTION
-- +goose Up
-- Variants that their product no longer names: not sold, but their SKU stays with it.
ALTER TABLE variants ADD COLUMN withdrawn BOOLEAN NOT NULL DEFAULT false;
