-- +goose NO TRANSACTION
-- +goose Up
-- Both rows are written by sign-up's transaction: the check reads the one just written, and on CockroachDB such a read
-- waits until a quorum has it, a round trip between regions more than COMMIT costs. The audit looks for orphans instead.
-- contract: since v0.0.1: any release
ALTER TABLE credentials DROP CONSTRAINT credentials_home_region_user_id_fkey;
