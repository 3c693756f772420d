-- +goose NO TRANSACTION
-- +goose Up
-- An event that was never published stays, however old it is.
{{swept "outbox" "created_at" 14 "due_at IS NULL"}};
