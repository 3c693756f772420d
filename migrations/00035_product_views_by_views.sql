-- +goose NO TRANSACTION
-- +goose Up
-- A region's products by popularity, read backwards.
CREATE INDEX product_views_by_views ON product_views (home_region, views, handle);
