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
