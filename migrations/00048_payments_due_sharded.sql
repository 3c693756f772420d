-- +goose NO TRANSACTION
-- +goose Up
-- As for the outbox.
{{cockroach "CREATE INDEX payments_due_sharded ON payments (due_at) USING HASH WITH (bucket_count = 8) WHERE due_at IS NOT NULL"}};
