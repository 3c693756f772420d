-- +goose NO TRANSACTION
-- +goose Up
-- Double entry, append only: the entries of one posting sum to zero.
CREATE TABLE ledger_entries (
  home_region  {{region_type}} NOT NULL,
  posting_id   TEXT NOT NULL,
  account      TEXT NOT NULL,
  payment_id   TEXT NOT NULL,
  currency     TEXT NOT NULL,
  amount_minor BIGINT NOT NULL,
  created_at   TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (home_region, posting_id, account),
  FOREIGN KEY (home_region, payment_id) REFERENCES payments (home_region, id)
){{regional}};
