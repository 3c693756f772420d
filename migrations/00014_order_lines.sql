-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE order_lines (
  home_region {{region_type}} NOT NULL,
  order_id    TEXT NOT NULL,
  line        INT NOT NULL,
  sku         TEXT NOT NULL,
  title       TEXT NOT NULL,
  quantity    BIGINT NOT NULL CHECK (quantity > 0),
  unit_minor  BIGINT NOT NULL CHECK (unit_minor >= 0),
  PRIMARY KEY (home_region, order_id, line),
  FOREIGN KEY (home_region, order_id) REFERENCES orders (home_region, id)
){{regional}};
