-- +goose NO TRANSACTION
-- +goose Up
-- One event for each change of an order, written in the change's own transaction.
CREATE TABLE outbox (
  home_region    {{region_type}} NOT NULL,
  order_id       TEXT NOT NULL,
  sequence       BIGINT NOT NULL, -- the order's version that the event announces
  id             TEXT NOT NULL,
  type           TEXT NOT NULL,
  payload        BYTEA NOT NULL,
  traceparent    TEXT NOT NULL,
  created_at     TIMESTAMPTZ NOT NULL,
  published_at   TIMESTAMPTZ,
  due_at         TIMESTAMPTZ, -- when to publish it (again), NULL once published, and its effect, if it must have one, done
  awaits_effect  BOOLEAN NOT NULL,
  PRIMARY KEY (home_region, order_id, sequence)
){{regional}};
