-- +goose NO TRANSACTION
-- +goose Up
CREATE INDEX pending_deliveries_due ON pending_deliveries (home_region, consumer, due_at);
