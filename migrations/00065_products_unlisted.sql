-- +goose NO TRANSACTION
-- +goose Up
-- Products that are sold to who knows their handle, and in no list.
ALTER TABLE products ADD COLUMN unlisted BOOLEAN NOT NULL DEFAULT false;
