-- +goose NO TRANSACTION
-- +goose Up
CREATE INDEX outbox_due ON outbox (home_region, due_at) WHERE due_at IS NOT NULL;
