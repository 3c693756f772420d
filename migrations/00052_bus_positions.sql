-- +goose NO TRANSACTION
-- +goose Up
-- How far each region's bus has been seen to come by who publishes a home's events there, to notice that it lost some.
CREATE TABLE bus_positions (
  home_region {{region_type}} NOT NULL,
  bus         TEXT NOT NULL, -- the region whose bus it is
  position    JSONB NOT NULL, -- by topic, its id and the end of each partition
  lost_at     TIMESTAMPTZ, -- when it was noticed that it lost some, NULL once all that was published is due again
  due_up_to   TEXT NOT NULL, -- the last aggregate whose events were made due since then
  PRIMARY KEY (home_region, bus)
){{regional}};
