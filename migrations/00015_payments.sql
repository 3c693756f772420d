-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE payments (
  home_region  {{region_type}} NOT NULL,
  id           TEXT NOT NULL,
  order_id     TEXT NOT NULL,
  state        TEXT NOT NULL CHECK (state IN ('created', 'authorizing', 'authorized', 'capturing', 'captured', 'declined', 'voiding', 'voided')),
  currency     TEXT NOT NULL,
  amount_minor BIGINT NOT NULL CHECK (amount_minor >= 0),
  provider_ref TEXT NOT NULL,
  attempts     INT NOT NULL,
  traceparent  TEXT NOT NULL, -- W3C trace context of the order's placing, or empty
  due_at       TIMESTAMPTZ, -- when a worker should look at it next, NULL once nothing is owed
  created_at   TIMESTAMPTZ NOT NULL,
  updated_at   TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (home_region, id),
  UNIQUE (home_region, order_id),
  FOREIGN KEY (home_region, order_id) REFERENCES orders (home_region, id)
){{regional}};
