-- +goose NO TRANSACTION
-- +goose Up
-- One row a user: the cart changes as a whole, and its version is its etag.
CREATE TABLE carts (
  home_region {{region_type}} NOT NULL,
  user_id     TEXT NOT NULL,
  version     BIGINT NOT NULL,
  items       JSONB NOT NULL,
  updated_at  TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (home_region, user_id)
){{regional}};
