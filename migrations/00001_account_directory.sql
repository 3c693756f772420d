-- +goose NO TRANSACTION
-- +goose Up
-- Who has an account, by HMAC of the e-mail address: index keys may leave the region, addresses may not.
CREATE TABLE account_directory (
  email_hmac  BYTEA NOT NULL PRIMARY KEY,
  user_id     TEXT NOT NULL,
  home_region {{region_type}} NOT NULL,
  created_at  TIMESTAMPTZ NOT NULL
){{global}};
