-- +goose NO TRANSACTION
-- +goose Up
-- What the shop takes off. One without a code is for everybody. NULL means none. Amounts of money are lists, one in each currency.
CREATE TABLE promotions (
  id           TEXT NOT NULL PRIMARY KEY,
  name         TEXT NOT NULL,
  code         TEXT UNIQUE,
  priority     BIGINT NOT NULL,
  basis_points BIGINT NOT NULL,
  amounts      JSONB,
  variants     TEXT[],
  tags         TEXT[],
  minimum      JSONB,
  starts_at    TIMESTAMPTZ,
  ends_at      TIMESTAMPTZ,
  enabled      BOOLEAN NOT NULL,
  updated_at   TIMESTAMPTZ NOT NULL
){{global}};
