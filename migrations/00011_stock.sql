-- +goose NO TRANSACTION
-- +goose Up
-- A region's allotment of each SKU. Units are conserved: on_hand + reserved + sold = allotted.
CREATE TABLE stock (
  home_region {{region_type}} NOT NULL,
  sku         TEXT NOT NULL,
  allotted    BIGINT NOT NULL,
  on_hand     BIGINT NOT NULL CHECK (on_hand >= 0),
  reserved    BIGINT NOT NULL CHECK (reserved >= 0),
  sold        BIGINT NOT NULL CHECK (sold >= 0),
  PRIMARY KEY (home_region, sku),
  CHECK (on_hand + reserved + sold = allotted)
){{regional}};
