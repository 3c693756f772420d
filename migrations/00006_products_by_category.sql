-- +goose NO TRANSACTION
-- +goose Up
CREATE INDEX products_by_category ON products (category, handle);
