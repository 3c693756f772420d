-- +goose NO TRANSACTION
-- +goose Up
-- Which consumers are owed an event: a row for each event and consumer, from before the event's first publishing
-- until the relay found it in the consumer's inbox. The event itself is in the outbox.
CREATE TABLE pending_deliveries (
  home_region  {{region_type}} NOT NULL,
  consumer     TEXT NOT NULL,
  event_id     TEXT NOT NULL,
  aggregate_id TEXT NOT NULL,
  sequence     BIGINT NOT NULL,
  due_at       TIMESTAMPTZ NOT NULL, -- when to look, and to publish the event again
  created_at   TIMESTAMPTZ NOT NULL, -- of the event
  PRIMARY KEY (home_region, consumer, event_id)
){{regional}};
