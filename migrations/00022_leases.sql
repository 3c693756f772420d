-- +goose NO TRANSACTION
-- +goose Up
-- Which instance does a region's background work. A lease saves work, and correctness never rests on it.
CREATE TABLE leases (
  home_region {{region_type}} NOT NULL,
  name        TEXT NOT NULL,
  holder      TEXT NOT NULL,
  expires_at  TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (home_region, name)
){{regional}};
