-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE users (
  home_region  {{region_type}} NOT NULL,
  id           TEXT NOT NULL,
  email        TEXT NOT NULL,
  display_name TEXT NOT NULL,
  country      TEXT NOT NULL,
  currency     TEXT NOT NULL,
  created_at   TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (home_region, id)
){{regional}};
