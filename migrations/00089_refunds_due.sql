-- +goose NO TRANSACTION
-- +goose Up
CREATE INDEX refunds_due ON refunds (home_region, due_at) WHERE due_at IS NOT NULL;
