-- +goose NO TRANSACTION
-- +goose Up
{{swept "idempotency_keys" "expires_at" 0 ""}};
