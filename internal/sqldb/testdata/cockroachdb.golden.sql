-- 00001_account_directory.sql
-- +goose NO TRANSACTION
-- +goose Up
-- Who has an account, by HMAC of the e-mail address: index keys may leave the region, addresses may not.
CREATE TABLE account_directory (
  email_hmac  BYTEA NOT NULL PRIMARY KEY,
  user_id     TEXT NOT NULL,
  home_region crdb_internal_region NOT NULL,
  created_at  TIMESTAMPTZ NOT NULL
) LOCALITY GLOBAL;
-- 00002_users.sql
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE users (
  home_region  crdb_internal_region NOT NULL,
  id           TEXT NOT NULL,
  email        TEXT NOT NULL,
  display_name TEXT NOT NULL,
  country      TEXT NOT NULL,
  currency     TEXT NOT NULL,
  created_at   TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (home_region, id)
) LOCALITY REGIONAL BY ROW AS home_region;
-- 00003_credentials.sql
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE credentials (
  home_region   crdb_internal_region NOT NULL,
  user_id       TEXT NOT NULL,
  password_hash TEXT NOT NULL,
  updated_at    TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (home_region, user_id),
  FOREIGN KEY (home_region, user_id) REFERENCES users (home_region, id)
) LOCALITY REGIONAL BY ROW AS home_region;
-- 00004_products.sql
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE products (
  handle      TEXT NOT NULL PRIMARY KEY,
  title       TEXT NOT NULL,
  description TEXT NOT NULL,
  vendor      TEXT NOT NULL,
  category    TEXT NOT NULL,
  type        TEXT NOT NULL,
  tags        TEXT[] NOT NULL,
  images      TEXT[] NOT NULL,
  active      BOOLEAN NOT NULL,
  version     BIGINT NOT NULL,
  updated_at  TIMESTAMPTZ NOT NULL,
  search      TSVECTOR NOT NULL
) LOCALITY GLOBAL;
-- 00005_products_by_search.sql
-- +goose NO TRANSACTION
-- +goose Up
CREATE INDEX products_by_search ON products USING GIN (search);
-- 00006_products_by_category.sql
-- +goose NO TRANSACTION
-- +goose Up
CREATE INDEX products_by_category ON products (category, handle);
-- 00007_variants.sql
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE variants (
  sku      TEXT NOT NULL PRIMARY KEY,
  handle   TEXT NOT NULL REFERENCES products (handle),
  position INT NOT NULL,
  title    TEXT NOT NULL,
  barcode  TEXT NOT NULL,
  grams    INT NOT NULL
) LOCALITY GLOBAL;
-- 00008_variants_by_handle.sql
-- +goose NO TRANSACTION
-- +goose Up
CREATE INDEX variants_by_handle ON variants (handle, position);
-- 00009_prices.sql
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE prices (
  sku      TEXT NOT NULL REFERENCES variants (sku),
  currency TEXT NOT NULL,
  minor    BIGINT NOT NULL CHECK (minor >= 0),
  PRIMARY KEY (sku, currency)
) LOCALITY GLOBAL;
-- 00010_carts.sql
-- +goose NO TRANSACTION
-- +goose Up
-- One row a user: the cart changes as a whole, and its version is its etag.
CREATE TABLE carts (
  home_region crdb_internal_region NOT NULL,
  user_id     TEXT NOT NULL,
  version     BIGINT NOT NULL,
  items       JSONB NOT NULL,
  updated_at  TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (home_region, user_id)
) LOCALITY REGIONAL BY ROW AS home_region;
-- 00011_stock.sql
-- +goose NO TRANSACTION
-- +goose Up
-- A region's allotment of each SKU. Units are conserved: on_hand + reserved + sold = allotted.
CREATE TABLE stock (
  home_region crdb_internal_region NOT NULL,
  sku         TEXT NOT NULL,
  allotted    BIGINT NOT NULL,
  on_hand     BIGINT NOT NULL CHECK (on_hand >= 0),
  reserved    BIGINT NOT NULL CHECK (reserved >= 0),
  sold        BIGINT NOT NULL CHECK (sold >= 0),
  PRIMARY KEY (home_region, sku),
  CHECK (on_hand + reserved + sold = allotted)
) LOCALITY REGIONAL BY ROW AS home_region;
-- 00012_orders.sql
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE orders (
  home_region     crdb_internal_region NOT NULL,
  id              TEXT NOT NULL,
  user_id         TEXT NOT NULL,
  idempotency_key TEXT NOT NULL,
  state           TEXT NOT NULL CHECK (state IN ('pending_payment', 'confirmed', 'fulfilled', 'canceled')),
  cancel_reason   TEXT NOT NULL,
  currency        TEXT NOT NULL,
  total_minor     BIGINT NOT NULL CHECK (total_minor >= 0),
  version         BIGINT NOT NULL,
  created_at      TIMESTAMPTZ NOT NULL,
  updated_at      TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (home_region, id)
) LOCALITY REGIONAL BY ROW AS home_region;
-- 00013_orders_by_user.sql
-- +goose NO TRANSACTION
-- +goose Up
CREATE INDEX orders_by_user ON orders (home_region, user_id, created_at DESC, id DESC);
-- 00014_order_lines.sql
-- +goose NO TRANSACTION
-- +goose Up
-- Without a foreign key: lines are written once, in the transaction of their order, and its check would make that
-- transaction read where every other one inserts, which SERIALIZABLE on PostgreSQL takes for a conflict.
CREATE TABLE order_lines (
  home_region crdb_internal_region NOT NULL,
  order_id    TEXT NOT NULL,
  line        INT NOT NULL,
  sku         TEXT NOT NULL,
  title       TEXT NOT NULL,
  quantity    BIGINT NOT NULL CHECK (quantity > 0),
  unit_minor  BIGINT NOT NULL CHECK (unit_minor >= 0),
  PRIMARY KEY (home_region, order_id, line)
) LOCALITY REGIONAL BY ROW AS home_region;
-- 00015_payments.sql
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE payments (
  home_region  crdb_internal_region NOT NULL,
  id           TEXT NOT NULL,
  order_id     TEXT NOT NULL,
  state        TEXT NOT NULL CHECK (state IN ('created', 'authorizing', 'authorized', 'capturing', 'captured', 'declined', 'voiding', 'voided')),
  currency     TEXT NOT NULL,
  amount_minor BIGINT NOT NULL CHECK (amount_minor >= 0),
  provider_ref TEXT NOT NULL,
  attempts     INT NOT NULL,
  traceparent  TEXT NOT NULL, -- W3C trace context of the order's placing, or empty
  due_at       TIMESTAMPTZ, -- when a worker should look at it next, NULL once nothing is owed
  created_at   TIMESTAMPTZ NOT NULL,
  updated_at   TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (home_region, id),
  UNIQUE (home_region, order_id),
  FOREIGN KEY (home_region, order_id) REFERENCES orders (home_region, id)
) LOCALITY REGIONAL BY ROW AS home_region;
-- 00016_payments_due.sql
-- +goose NO TRANSACTION
-- +goose Up
CREATE INDEX payments_due ON payments (home_region, due_at) WHERE due_at IS NOT NULL;
-- 00017_ledger_entries.sql
-- +goose NO TRANSACTION
-- +goose Up
-- Double entry, append only: the entries of one posting sum to zero.
CREATE TABLE ledger_entries (
  home_region  crdb_internal_region NOT NULL,
  posting_id   TEXT NOT NULL,
  account      TEXT NOT NULL,
  payment_id   TEXT NOT NULL,
  currency     TEXT NOT NULL,
  amount_minor BIGINT NOT NULL,
  created_at   TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (home_region, posting_id, account),
  FOREIGN KEY (home_region, payment_id) REFERENCES payments (home_region, id)
) LOCALITY REGIONAL BY ROW AS home_region;
-- 00018_idempotency_keys.sql
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE idempotency_keys (
  home_region  crdb_internal_region NOT NULL,
  user_id      TEXT NOT NULL,
  key          TEXT NOT NULL,
  request_hash BYTEA NOT NULL,
  response     BYTEA NOT NULL,
  created_at   TIMESTAMPTZ NOT NULL,
  expires_at   TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (home_region, user_id, key)
) WITH (ttl_expiration_expression = 'expires_at', ttl_job_cron = '@hourly') LOCALITY REGIONAL BY ROW AS home_region;
-- 00019_outbox.sql
-- +goose NO TRANSACTION
-- +goose Up
-- One event for each change of an order, written in the change's own transaction.
CREATE TABLE outbox (
  home_region    crdb_internal_region NOT NULL,
  order_id       TEXT NOT NULL,
  sequence       BIGINT NOT NULL, -- the order's version that the event announces
  id             TEXT NOT NULL,
  type           TEXT NOT NULL,
  payload        BYTEA NOT NULL,
  traceparent    TEXT NOT NULL,
  created_at     TIMESTAMPTZ NOT NULL,
  published_at   TIMESTAMPTZ,
  due_at         TIMESTAMPTZ, -- when to publish it (again), NULL once published, and its effect, if it must have one, done
  awaits_effect  BOOLEAN NOT NULL,
  PRIMARY KEY (home_region, order_id, sequence)
) LOCALITY REGIONAL BY ROW AS home_region;
-- 00020_outbox_due.sql
-- +goose NO TRANSACTION
-- +goose Up
CREATE INDEX outbox_due ON outbox (home_region, due_at) WHERE due_at IS NOT NULL;
-- 00021_inbox.sql
-- +goose NO TRANSACTION
-- +goose Up
-- Which events had their effect, by consumer: the row is written in the effect's own transaction.
CREATE TABLE inbox (
  home_region crdb_internal_region NOT NULL,
  consumer    TEXT NOT NULL,
  event_id    TEXT NOT NULL,
  created_at  TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (home_region, consumer, event_id)
) LOCALITY REGIONAL BY ROW AS home_region;
-- 00022_leases.sql
-- +goose NO TRANSACTION
-- +goose Up
-- Which instance does a region's background work. A lease saves work, and correctness never rests on it.
CREATE TABLE leases (
  home_region crdb_internal_region NOT NULL,
  name        TEXT NOT NULL,
  holder      TEXT NOT NULL,
  expires_at  TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (home_region, name)
) LOCALITY REGIONAL BY ROW AS home_region;
-- 00023_product_changes.sql
-- +goose NO TRANSACTION
-- +goose Up
-- Which products changed that a region's cache has not been told of: written in the change's own transaction,
-- a row for each region, and deleted there once its cache was told.
CREATE TABLE product_changes (
  home_region crdb_internal_region NOT NULL, -- the region to be told
  handle      TEXT NOT NULL,
  version     BIGINT NOT NULL, -- the product's version after its last change
  since       TIMESTAMPTZ NOT NULL, -- of the first change that the region was not told of
  PRIMARY KEY (home_region, handle)
) LOCALITY REGIONAL BY ROW AS home_region;
-- 00024_product_views.sql
-- +goose NO TRANSACTION
-- +goose Up
-- How often each region's callers looked at a product, a few seconds behind.
CREATE TABLE product_views (
  home_region crdb_internal_region NOT NULL,
  handle      TEXT NOT NULL,
  views       BIGINT NOT NULL,
  batch       TEXT NOT NULL, -- the last batch of counts that was added, so that it is not added twice
  PRIMARY KEY (home_region, handle)
) LOCALITY REGIONAL BY ROW AS home_region;
-- 00025_outbox_aggregate_type.sql
-- +goose NO TRANSACTION
-- +goose Up
-- Whose change an event is: order_id holds the id of an aggregate of any type, and keeps its first name as long as
-- releases run that know it by that.
ALTER TABLE outbox ADD COLUMN aggregate_type TEXT NOT NULL DEFAULT 'order';
-- 00026_pending_deliveries.sql
-- +goose NO TRANSACTION
-- +goose Up
-- Which consumers are owed an event: a row for each event and consumer, from before the event's first publishing
-- until the relay found it in the consumer's inbox. The event itself is in the outbox.
CREATE TABLE pending_deliveries (
  home_region  crdb_internal_region NOT NULL,
  consumer     TEXT NOT NULL,
  event_id     TEXT NOT NULL,
  aggregate_id TEXT NOT NULL,
  sequence     BIGINT NOT NULL,
  due_at       TIMESTAMPTZ NOT NULL, -- when to look, and to publish the event again
  created_at   TIMESTAMPTZ NOT NULL, -- of the event
  PRIMARY KEY (home_region, consumer, event_id)
) LOCALITY REGIONAL BY ROW AS home_region;
-- 00027_pending_deliveries_due.sql
-- +goose NO TRANSACTION
-- +goose Up
CREATE INDEX pending_deliveries_due ON pending_deliveries (home_region, consumer, due_at);
-- 00035_product_views_by_views.sql
-- +goose NO TRANSACTION
-- +goose Up
-- A region's products by popularity, read backwards.
CREATE INDEX product_views_by_views ON product_views (home_region, views, handle);
-- 00040_carts_prices.sql
-- +goose NO TRANSACTION
-- +goose Up
-- What a unit cost when it was put in, by SKU, so that a cart can say which prices changed since.
ALTER TABLE carts ADD COLUMN prices JSONB NOT NULL DEFAULT '{}';
-- 00041_orders_adjustments.sql
-- +goose NO TRANSACTION
-- +goose Up
-- What the rules of pricing added to an order or took off it, as they stated it. NULL: nothing. The lines and the
-- adjustments sum to the total.
ALTER TABLE orders ADD COLUMN adjustments JSONB;
-- 00043_idempotency_keys_swept.sql
-- +goose NO TRANSACTION
-- +goose Up
ALTER TABLE idempotency_keys SET (ttl_expiration_expression = 'expires_at', ttl_job_cron = '@hourly', ttl_delete_rate_limit = 1000);
-- 00044_inbox_swept.sql
-- +goose NO TRANSACTION
-- +goose Up
-- Twice the events' retention: what is older than that was taken, or its event is gone.
ALTER TABLE inbox SET (ttl_expiration_expression = '((created_at AT TIME ZONE ''UTC'') + INTERVAL ''14 days'') AT TIME ZONE ''UTC''', ttl_job_cron = '@hourly', ttl_delete_rate_limit = 1000);
-- 00045_pending_deliveries_swept.sql
-- +goose NO TRANSACTION
-- +goose Up
ALTER TABLE pending_deliveries SET (ttl_expiration_expression = '((created_at AT TIME ZONE ''UTC'') + INTERVAL ''14 days'') AT TIME ZONE ''UTC''', ttl_job_cron = '@hourly', ttl_delete_rate_limit = 1000);
-- 00046_outbox_swept.sql
-- +goose NO TRANSACTION
-- +goose Up
-- An event that was never published stays, however old it is.
ALTER TABLE outbox SET (ttl_expiration_expression = 'CASE WHEN due_at IS NULL THEN ((created_at AT TIME ZONE ''UTC'') + INTERVAL ''14 days'') AT TIME ZONE ''UTC'' END', ttl_job_cron = '@hourly', ttl_delete_rate_limit = 1000);
-- 00047_outbox_due_sharded.sql
-- +goose NO TRANSACTION
-- +goose Up
-- A queue grows at one end of its index and is taken from the other: unsharded, one range does all the work, and each
-- look at the queue reads over what was taken before. home_region leads by itself, and may not be named. PostgreSQL keeps outbox_due.
CREATE INDEX outbox_due_sharded ON outbox (due_at) USING HASH WITH (bucket_count = 8) WHERE due_at IS NOT NULL;
-- 00048_payments_due_sharded.sql
-- +goose NO TRANSACTION
-- +goose Up
-- As for the outbox.
CREATE INDEX payments_due_sharded ON payments (due_at) USING HASH WITH (bucket_count = 8) WHERE due_at IS NOT NULL;
-- 00049_unsharded_queues.sql
-- +goose NO TRANSACTION
-- +goose Up
-- No statement names an index, so whoever reads what is due takes the sharded ones from here on.
-- contract: since v0.0.1: any release
DROP INDEX outbox@outbox_due, payments@payments_due;
-- 00050_payments_resolved.sql
-- +goose NO TRANSACTION
-- +goose Up
-- Since when a payment is in its state, why a person said how it ended, and the state disputed. One statement, since
-- none of them is of use without the others. The constraint of 00015 has another name on each engine.
-- contract: since v0.0.1: the new constraint allows whatever the former one did
ALTER TABLE payments
  ADD COLUMN since TIMESTAMPTZ NOT NULL DEFAULT now(),
  ADD COLUMN resolution TEXT NOT NULL DEFAULT '',
  DROP CONSTRAINT IF EXISTS payments_state_check,
  DROP CONSTRAINT IF EXISTS check_state,
  ADD CONSTRAINT payments_states CHECK (state IN
    ('created', 'authorizing', 'authorized', 'capturing', 'captured', 'declined', 'voiding', 'voided', 'disputed'));
-- 00051_orders_pending.sql
-- +goose NO TRANSACTION
-- +goose Up
-- The orders that wait for their payment, to find those whose deadline has passed.
CREATE INDEX orders_pending ON orders (created_at) USING HASH WITH (bucket_count = 8) WHERE state = 'pending_payment';
-- 00052_bus_positions.sql
-- +goose NO TRANSACTION
-- +goose Up
-- How far each region's bus has been seen to come by who publishes a home's events there, to notice that it lost some.
CREATE TABLE bus_positions (
  home_region crdb_internal_region NOT NULL,
  bus         TEXT NOT NULL, -- the region whose bus it is
  position    JSONB NOT NULL, -- by topic, its id and the end of each partition
  lost_at     TIMESTAMPTZ, -- when it was noticed that it lost some, NULL once all that was published is due again
  due_up_to   TEXT NOT NULL, -- the last aggregate whose events were made due since then
  PRIMARY KEY (home_region, bus)
) LOCALITY REGIONAL BY ROW AS home_region;
-- 00053_credentials_without_foreign_key.sql
-- +goose NO TRANSACTION
-- +goose Up
-- Both rows are written by sign-up's transaction: the check reads the one just written, and on CockroachDB such a read
-- waits until a quorum has it, a round trip between regions more than COMMIT costs. The audit looks for orphans instead.
-- contract: since v0.0.1: any release
ALTER TABLE credentials DROP CONSTRAINT credentials_home_region_user_id_fkey;
-- 00054_ledger_entries_without_foreign_key.sql
-- +goose NO TRANSACTION
-- +goose Up
-- As for credentials: a capture changes the payment and posts it, in one transaction.
-- contract: since v0.0.1: any release
ALTER TABLE ledger_entries DROP CONSTRAINT ledger_entries_home_region_payment_id_fkey;
-- 00065_products_unlisted.sql
-- +goose NO TRANSACTION
-- +goose Up
-- Products that are sold to who knows their handle, and in no list.
ALTER TABLE products ADD COLUMN unlisted BOOLEAN NOT NULL DEFAULT false;
-- 00066_variants_withdrawn.sql
-- +goose NO TRANSACTION
-- +goose Up
-- Variants that their product no longer names: not sold, but their SKU stays with it.
ALTER TABLE variants ADD COLUMN withdrawn BOOLEAN NOT NULL DEFAULT false;
-- 00067_stock_changes.sql
-- +goose NO TRANSACTION
-- +goose Up
-- The journal of what was added to a region's allotments and taken off them since they were made.
CREATE TABLE stock_changes (
  home_region crdb_internal_region NOT NULL,
  sku         TEXT NOT NULL,
  at          TIMESTAMPTZ NOT NULL DEFAULT now(),
  units       BIGINT NOT NULL,
  allotted    BIGINT NOT NULL,
  PRIMARY KEY (home_region, sku, at)
) LOCALITY REGIONAL BY ROW AS home_region;
-- 00068_variants_sku.sql
-- +goose NO TRANSACTION
-- +goose Up
-- The column sku is a variant's id from here on: the SKU that it came with, which stock, prices, carts and orders refer to.
-- What it is called since is current_sku. Both are NULL in what the former release wrote: the SKU is the id, and the
-- options are not known.
ALTER TABLE variants ADD COLUMN current_sku TEXT, ADD COLUMN options TEXT[];
-- 00069_products_options.sql
-- +goose NO TRANSACTION
-- +goose Up
-- What the options of a product's variants are called, in their order.
ALTER TABLE products ADD COLUMN options TEXT[];
-- 00070_variant_skus.sql
-- +goose NO TRANSACTION
-- +goose Up
-- The SKUs that are not the id of the variant that has them, or had them last.
CREATE TABLE variant_skus (
  handle  TEXT NOT NULL,
  sku     TEXT NOT NULL,
  variant TEXT NOT NULL,
  PRIMARY KEY (handle, sku),
  UNIQUE (sku)
) LOCALITY GLOBAL;
-- 00071_order_lines_sku.sql
-- +goose NO TRANSACTION
-- +goose Up
-- The column sku is the variant's id, and this is what it was called when the order was placed, where that is something else.
ALTER TABLE order_lines ADD COLUMN ordered_sku TEXT;
-- 00072_prices_compare_at.sql
-- +goose NO TRANSACTION
-- +goose Up
-- What a variant cost before its price was reduced, to be shown struck through, or NULL.
ALTER TABLE prices ADD COLUMN compare_at BIGINT;
-- 00074_carts_currency.sql
-- +goose NO TRANSACTION
-- +goose Up
-- What its owner changed to, in the transaction that changed the account's: orders lock the cart and read it there. Empty: never.
ALTER TABLE carts ADD COLUMN currency TEXT NOT NULL DEFAULT '';
-- 00075_currencies.sql
-- +goose NO TRANSACTION
-- +goose Up
-- Every currency that a variant has had a price in: prices are too many to be looked through for it.
CREATE TABLE currencies (
  code TEXT NOT NULL PRIMARY KEY
) LOCALITY GLOBAL;
-- 00076_currencies_of_prices.sql
-- +goose NO TRANSACTION
-- +goose Up
-- A few rows, of a table that no release before reads.
-- contract: since v0.0.1: any release
INSERT INTO currencies (code) SELECT DISTINCT currency FROM prices ON CONFLICT (code) DO NOTHING;
-- 00082_stock_changes_by_hand.sql
-- +goose NO TRANSACTION
-- +goose Up
-- What changed an allotment: an import, unless it says something else. Units on hand and reserved are those after it, NULL where a former
-- release wrote the line. What is done by hand has a key, and both lines of a transfer have the same.
ALTER TABLE stock_changes ADD COLUMN kind TEXT NOT NULL DEFAULT 'import', ADD COLUMN on_hand BIGINT, ADD COLUMN reserved BIGINT, ADD COLUMN key TEXT,
  ADD COLUMN reason TEXT NOT NULL DEFAULT '', ADD COLUMN other_region TEXT NOT NULL DEFAULT '', ADD COLUMN made_by TEXT NOT NULL DEFAULT '';
-- 00083_stock_changes_by_key.sql
-- +goose NO TRANSACTION
-- +goose Up
-- To find what a key did before.
CREATE INDEX stock_changes_by_key ON stock_changes (home_region, key) WHERE key IS NOT NULL;
-- 00085_promotions.sql
-- +goose NO TRANSACTION
-- +goose Up
-- What the shop takes off. One without a code is for everybody. NULL means none. Amounts of money are lists, one in each currency.
CREATE TABLE promotions (
  id           TEXT NOT NULL PRIMARY KEY,
  name         TEXT NOT NULL,
  code         TEXT UNIQUE,
  priority     BIGINT NOT NULL,
  basis_points BIGINT NOT NULL,
  amounts      JSONB,
  variants     TEXT[],
  tags         TEXT[],
  minimum      JSONB,
  starts_at    TIMESTAMPTZ,
  ends_at      TIMESTAMPTZ,
  enabled      BOOLEAN NOT NULL,
  updated_at   TIMESTAMPTZ NOT NULL
) LOCALITY GLOBAL;
-- 00086_carts_codes.sql
-- +goose NO TRANSACTION
-- +goose Up
-- The promotion codes that its owner gave, or NULL.
ALTER TABLE carts ADD COLUMN codes TEXT[];
-- 00088_refunds.sql
-- +goose NO TRANSACTION
-- +goose Up
-- What is given back of a captured payment, request by request. Pending ones count as given back.
CREATE TABLE refunds (
  home_region    crdb_internal_region NOT NULL,
  id             TEXT NOT NULL,
  payment_id     TEXT NOT NULL,
  order_id       TEXT NOT NULL,
  key            TEXT NOT NULL, -- of the request: one refund for each of a payment
  state          TEXT NOT NULL CHECK (state IN ('pending', 'refunded', 'declined')),
  currency       TEXT NOT NULL,
  amount_minor   BIGINT NOT NULL CHECK (amount_minor > 0),
  reason         TEXT NOT NULL,
  decline_reason TEXT NOT NULL,
  attempts       INT NOT NULL,
  due_at         TIMESTAMPTZ, -- when a worker should look at it next, NULL once nothing is owed
  since          TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (home_region, id),
  UNIQUE (home_region, payment_id, key)
) LOCALITY REGIONAL BY ROW AS home_region;
-- 00089_refunds_due.sql
-- +goose NO TRANSACTION
-- +goose Up
CREATE INDEX refunds_due ON refunds (home_region, due_at) WHERE due_at IS NOT NULL;
