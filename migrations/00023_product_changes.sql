-- +goose NO TRANSACTION
-- +goose Up
-- Which products changed that a region's cache has not been told of: written in the change's own transaction,
-- a row for each region, and deleted there once its cache was told.
CREATE TABLE product_changes (
  home_region {{region_type}} NOT NULL, -- the region to be told
  handle      TEXT NOT NULL,
  version     BIGINT NOT NULL, -- the product's version after its last change
  since       TIMESTAMPTZ NOT NULL, -- of the first change that the region was not told of
  PRIMARY KEY (home_region, handle)
){{regional}};
