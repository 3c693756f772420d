-- +goose NO TRANSACTION
-- +goose Up
CREATE INDEX orders_by_user ON orders (home_region, user_id, created_at DESC, id DESC);
