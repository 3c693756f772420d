-- +goose NO TRANSACTION
-- +goose Up
-- Whose change an event is: order_id holds the id of an aggregate of any type, and keeps its first name as long as
-- releases run that know it by that.
ALTER TABLE outbox ADD COLUMN aggregate_type TEXT NOT NULL DEFAULT 'order';
