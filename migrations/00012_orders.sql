-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE orders (
  home_region     {{region_type}} NOT NULL,
  id              TEXT NOT NULL,
  user_id         TEXT NOT NULL,
  idempotency_key TEXT NOT NULL,
  state           TEXT NOT NULL CHECK (state IN ('pending_payment', 'confirmed', 'fulfilled', 'canceled')),
  cancel_reason   TEXT NOT NULL,
  currency        TEXT NOT NULL,
  total_minor     BIGINT NOT NULL CHECK (total_minor >= 0),
  version         BIGINT NOT NULL,
  created_at      TIMESTAMPTZ NOT NULL,
  updated_at      TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (home_region, id)
){{regional}};
