-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE products (
  handle      TEXT NOT NULL PRIMARY KEY,
  title       TEXT NOT NULL,
  description TEXT NOT NULL,
  vendor      TEXT NOT NULL,
  category    TEXT NOT NULL,
  type        TEXT NOT NULL,
  tags        TEXT[] NOT NULL,
  images      TEXT[] NOT NULL,
  active      BOOLEAN NOT NULL,
  version     BIGINT NOT NULL,
  updated_at  TIMESTAMPTZ NOT NULL,
  search      TSVECTOR NOT NULL
){{global}};
