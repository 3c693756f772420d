package cli_test

import (
	"strings"
	"testing"

	"github.com/meridian-commerce/meridian/internal/id"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest"
)

func TestPayments(t *testing.T) {
	t.Parallel()
	url := sqltest.URL(t)
	db, err := sqldb.Open(t.Context(), sqldb.Config{URL: url, MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	orderID := id.New(id.Order, "eu1")
	paymentID := id.Of(id.Payment, orderID)
	for _, sql := range []string{
		`INSERT INTO orders (home_region, id, user_id, idempotency_key, state, cancel_reason, currency, total_minor, version, created_at, updated_at)
			VALUES ('eu-west-1', $1, 'usr_eu1_00000000000000000000000000', $2, 'confirmed', '', 'EUR', 1250, 2, now(), now())`,
		`INSERT INTO payments (home_region, id, order_id, state, currency, amount_minor, provider_ref, attempts, traceparent, due_at, created_at, updated_at, since)
			VALUES ('eu-west-1', $2, $1, 'capturing', 'EUR', 1250, 'ref', 9, '', now(), now(), now(), now() - interval '1 hour')`,
	} {
		if _, err := db.Exec(t.Context(), sql, orderID, paymentID); err != nil {
			t.Fatal(err)
		}
	}
	step := func(code int, says string, args ...string) {
		t.Helper()
		got, out, errOut := run(t, append([]string{"payments", "--database.url", url}, args...)...)
		if got != code || !strings.Contains(out+errOut, says) {
			t.Errorf("%q exits with %d and says %q; want %d and %q", args, got, out+errOut, code, says)
		}
	}
	step(0, "12.50 EUR", "list")
	step(0, paymentID, "list", "--stuck")
	step(2, "PAYMENT_RESOLUTION", "resolve", paymentID, "--as", "lost", "--reason", "r")
	step(2, "accepts 1 arg", "resolve")
	step(1, "PAYMENT_NOT_FOUND", "resolve", "pay_1", "--as", "voided", "--reason", "r")
	step(0, "is voided", "resolve", paymentID, "--as", "voided", "--reason", "r")
	step(0, "is voided", "resolve", paymentID, "--as", "voided", "--reason", "again")
	step(1, "PAYMENT_STATE", "resolve", paymentID, "--as", "captured", "--reason", "r")
	if got, out, _ := run(t, "payments", "list", "--database.url", url); got != 0 || strings.Contains(out, paymentID) {
		t.Errorf("it is still listed: %s", out)
	}

	// What was captured goes back in parts, once for each key, and never more than was captured.
	step(1, "PAYMENT_NOT_CAPTURED", "refund", orderID)
	if _, err := db.Exec(t.Context(), `UPDATE payments SET state = 'captured' WHERE home_region = 'eu-west-1'`); err != nil {
		t.Fatal(err)
	}
	step(2, "REFUND_AMOUNT", "refund", orderID, "--amount", "1.234")
	step(1, "PAYMENT_NOT_FOUND", "refund", "ord_1", "--amount", "1")
	step(0, "of 12.49 EUR of order "+orderID+" is pending (key k)", "refund", orderID, "--amount", "12.49", "--key", "k")
	step(0, "of 12.49 EUR of order "+orderID+" is pending (key k)", "refund", orderID, "--amount", "12.49", "--key", "k")
	step(1, "REFUND_KEY_REUSED", "refund", orderID, "--amount", "12.48", "--key", "k")
	step(1, "REFUND_EXCEEDS_CAPTURE", "refund", orderID, "--amount", "0.02")
	step(0, "of 0.01 EUR", "refund", orderID, "--reason", "broken")
	step(1, "REFUND_EXCEEDS_CAPTURE", "refund", orderID)
	step(0, "broken", "list")
	var refundID string
	if err := db.QueryRow(t.Context(), `SELECT id FROM refunds WHERE home_region = 'eu-west-1' AND key = 'k'`).Scan(&refundID); err != nil {
		t.Fatal(err)
	}
	step(1, "REFUND_NOT_STUCK", "resolve", refundID, "--as", "refunded", "--reason", "r")
}
