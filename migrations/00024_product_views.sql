-- +goose NO TRANSACTION
-- +goose Up
-- How often each region's callers looked at a product, a few seconds behind.
CREATE TABLE product_views (
  home_region {{region_type}} NOT NULL,
  handle      TEXT NOT NULL,
  views       BIGINT NOT NULL,
  batch       TEXT NOT NULL, -- the last batch of counts that was added, so that it is not added twice
  PRIMARY KEY (home_region, handle)
){{regional}};
