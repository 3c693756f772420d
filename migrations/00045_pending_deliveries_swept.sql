-- +goose NO TRANSACTION
-- +goose Up
{{swept "pending_deliveries" "created_at" 14 ""}};
