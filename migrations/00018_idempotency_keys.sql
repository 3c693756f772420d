-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE idempotency_keys (
  home_region  {{region_type}} NOT NULL,
  user_id      TEXT NOT NULL,
  key          TEXT NOT NULL,
  request_hash BYTEA NOT NULL,
  response     BYTEA NOT NULL,
  created_at   TIMESTAMPTZ NOT NULL,
  expires_at   TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (home_region, user_id, key)
){{regional_ttl "expires_at"}};
