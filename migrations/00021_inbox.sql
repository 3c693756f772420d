-- +goose NO TRANSACTION
-- +goose Up
-- Which events had their effect, by consumer: the row is written in the effect's own transaction.
CREATE TABLE inbox (
  home_region {{region_type}} NOT NULL,
  consumer    TEXT NOT NULL,
  event_id    TEXT NOT NULL,
  created_at  TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (home_region, consumer, event_id)
){{regional}};
