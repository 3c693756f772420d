-- +goose NO TRANSACTION
-- +goose Up
-- The SKUs that are not the id of the variant that has them, or had them last.
CREATE TABLE variant_skus (
  handle  TEXT NOT NULL,
  sku     TEXT NOT NULL,
  variant TEXT NOT NULL,
  PRIMARY KEY (handle, sku),
  UNIQUE (sku)
){{global}};
