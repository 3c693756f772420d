-- +goose NO TRANSACTION
-- +goose Up
-- What the rules of pricing added to an order or took off it, as they stated it. NULL: nothing. The lines and the
-- adjustments sum to the total.
ALTER TABLE orders ADD COLUMN adjustments JSONB;
