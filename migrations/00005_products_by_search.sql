-- +goose NO TRANSACTION
-- +goose Up
CREATE INDEX products_by_search ON products USING GIN (search);
