-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE credentials (
  home_region   {{region_type}} NOT NULL,
  user_id       TEXT NOT NULL,
  password_hash TEXT NOT NULL,
  updated_at    TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (home_region, user_id),
  FOREIGN KEY (home_region, user_id) REFERENCES users (home_region, id)
){{regional}};
