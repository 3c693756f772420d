-- +goose NO TRANSACTION
-- +goose Up
-- What its owner changed to, in the transaction that changed the account's: orders lock the cart and read it there. Empty: never.
ALTER TABLE carts ADD COLUMN currency TEXT NOT NULL DEFAULT '';
