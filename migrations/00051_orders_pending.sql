-- +goose NO TRANSACTION
-- +goose Up
-- The orders that wait for their payment, to find those whose deadline has passed.
{{queue "orders_pending" "orders" "created_at" "state = 'pending_payment'"}};
