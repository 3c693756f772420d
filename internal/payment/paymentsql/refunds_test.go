package paymentsql_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/payment"
	"github.com/meridian-commerce/meridian/internal/sqldb"
)

func refund(i int) payment.Refund {
	return payment.Refund{
		ID: fmt.Sprint("r", i), Home: home, PaymentID: "p0", OrderID: "o0", Key: fmt.Sprint("k", i), State: payment.RefundPending,
		Amount: money.Money{Minor: 300, Currency: "JPY"}, Reason: "broken",
	}
}

func TestRefunds(t *testing.T) {
	t.Parallel()
	f := open(t, 1)
	ctx := t.Context()
	insert := func(r payment.Refund) error {
		return f.store.InTx(ctx, func(tx sqldb.Tx) error { return f.store.InsertRefund(ctx, tx, r) })
	}
	for i := range 2 {
		if err := insert(refund(i)); err != nil {
			t.Fatal(err)
		}
	}
	twin := refund(0)
	twin.ID = "other"
	if err := insert(twin); err == nil {
		t.Error("a key made a second refund")
	}
	claims, err := f.store.ClaimRefunds(ctx, home, 1, time.Minute)
	if err != nil || len(claims) != 1 || claims[0].Attempts != 1 || claims[0].Amount != refund(0).Amount {
		t.Fatalf("%+v, %v", claims, err)
	}
	rest, err := f.store.ClaimRefunds(ctx, home, 9, time.Minute)
	if err != nil || len(rest) != 1 || rest[0].ID == claims[0].ID {
		t.Fatalf("%+v, %v", rest, err)
	}
	if none, err := f.store.ClaimRefunds(ctx, home, 9, time.Minute); err != nil || len(none) != 0 {
		t.Fatalf("%+v, %v", none, err)
	}
	if err := f.store.PostponeRefund(ctx, claims[0], 0); err != nil {
		t.Fatal(err)
	}
	if open, err := f.store.Open(ctx, home); err != nil || len(open) != 2 || open[1].State != payment.Refunding || open[1].Count != 2 {
		t.Errorf("open: %+v, %v", open, err)
	}
	claims[0].State = payment.Refunded
	for _, want := range []bool{true, false} { // it ends once
		if got := f.in(func(tx sqldb.Tx) (bool, error) {
			_, mine, err := f.store.SettleRefund(ctx, tx, claims[0])
			return mine, err
		}); got != want {
			t.Errorf("settled: %t, want %t", got, want)
		}
	}
	f.in(func(tx sqldb.Tx) (bool, error) {
		all, err := f.store.RefundsOf(ctx, tx, home, "p0")
		if err != nil || len(all) != 2 {
			t.Errorf("%+v, %v", all, err)
		}
		got, err := f.store.LockRefund(ctx, tx, home, claims[0].ID)
		if err != nil || got.State != payment.Refunded || got.Stuck {
			t.Errorf("%+v, %v", got, err)
		}
		if _, err := f.store.LockRefund(ctx, tx, home, "none"); !fault.Is(err, fault.NotFound) {
			t.Error(err)
		}
		return true, nil
	})
	if got, err := f.store.ListRefunds(ctx, home, false, 9); err != nil || len(got) != 2 || got[0].State != payment.RefundPending {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := f.store.ListRefunds(ctx, home, true, 9); err != nil || len(got) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	f.lint()
}
