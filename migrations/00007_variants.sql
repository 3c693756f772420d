-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE variants (
  sku      TEXT NOT NULL PRIMARY KEY,
  handle   TEXT NOT NULL REFERENCES products (handle),
  position INT NOT NULL,
  title    TEXT NOT NULL,
  barcode  TEXT NOT NULL,
  grams    INT NOT NULL
){{global}};
