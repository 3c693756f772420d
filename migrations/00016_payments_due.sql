-- +goose NO TRANSACTION
-- +goose Up
CREATE INDEX payments_due ON payments (home_region, due_at) WHERE due_at IS NOT NULL;
