-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE prices (
  sku      TEXT NOT NULL REFERENCES variants (sku),
  currency TEXT NOT NULL,
  minor    BIGINT NOT NULL CHECK (minor >= 0),
  PRIMARY KEY (sku, currency)
){{global}};
