-- +goose NO TRANSACTION
-- +goose Up
-- Every currency that a variant has had a price in: prices are too many to be looked through for it.
CREATE TABLE currencies (
  code TEXT NOT NULL PRIMARY KEY
){{global}};
