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
}
