-- +goose NO TRANSACTION
-- +goose Up
-- No statement names an index, so whoever reads what is due takes the sharded ones from here on.
-- contract: since v0.0.1: any release
{{cockroach "DROP INDEX outbox@outbox_due, payments@payments_due"}};
