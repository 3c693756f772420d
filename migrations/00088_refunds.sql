-- +goose NO TRANSACTION
-- +goose Up
-- What is given back of a captured payment, request by request. Pending ones count as given back.
CREATE TABLE refunds (
  home_region    {{region_type}} NOT NULL,
  id             TEXT NOT NULL,
  payment_id     TEXT NOT NULL,
  order_id       TEXT NOT NULL,
  key            TEXT NOT NULL, -- of the request: one refund for each of a payment
  state          TEXT NOT NULL CHECK (state IN ('pending', 'refunded', 'declined')),
  currency       TEXT NOT NULL,
  amount_minor   BIGINT NOT NULL CHECK (amount_minor > 0),
  reason         TEXT NOT NULL,
  decline_reason TEXT NOT NULL,
  attempts       INT NOT NULL,
  due_at         TIMESTAMPTZ, -- when a worker should look at it next, NULL once nothing is owed
  since          TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (home_region, id),
  UNIQUE (home_region, payment_id, key)
){{regional}};
