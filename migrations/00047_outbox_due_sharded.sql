-- +goose NO TRANSACTION
-- +goose Up
-- A queue grows at one end of its index and is taken from the other: unsharded, one range does all the work, and each
-- look at the queue reads over what was taken before. home_region leads by itself, and may not be named. PostgreSQL keeps outbox_due.
{{cockroach "CREATE INDEX outbox_due_sharded ON outbox (due_at) USING HASH WITH (bucket_count = 8) WHERE due_at IS NOT NULL"}};
