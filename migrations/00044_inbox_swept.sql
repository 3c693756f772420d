-- +goose NO TRANSACTION
-- +goose Up
-- Twice the events' retention: what is older than that was taken, or its event is gone.
{{swept "inbox" "created_at" 14 ""}};
