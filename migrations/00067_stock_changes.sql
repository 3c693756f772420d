-- +goose NO TRANSACTION
-- +goose Up
-- The journal of what was added to a region's allotments and taken off them since they were made.
CREATE TABLE stock_changes (
  home_region {{region_type}} NOT NULL,
  sku         TEXT NOT NULL,
  at          TIMESTAMPTZ NOT NULL DEFAULT now(),
  units       BIGINT NOT NULL,
  allotted    BIGINT NOT NULL,
  PRIMARY KEY (home_region, sku, at)
){{regional}};
