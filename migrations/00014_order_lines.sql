-- +goose NO TRANSACTION
-- +goose Up
-- Without a foreign key: lines are written once, in the transaction of their order, and its check would make that
-- transaction read where every other one inserts, which SERIALIZABLE on PostgreSQL takes for a conflict.
CREATE TABLE order_lines (
  home_region {{region_type}} NOT NULL,
  order_id    TEXT NOT NULL,
  line        INT NOT NULL,
  sku         TEXT NOT NULL,
  title       TEXT NOT NULL,
  quantity    BIGINT NOT NULL CHECK (quantity > 0),
  unit_minor  BIGINT NOT NULL CHECK (unit_minor >= 0),
  PRIMARY KEY (home_region, order_id, line)
){{regional}};
