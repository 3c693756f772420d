package sqldb_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest"
)

func TestTransactionsAreCounted(t *testing.T) {
	t.Parallel()
	db, registry := sqltest.Open(t, nil), prometheus.NewPedanticRegistry()
	if err := sqldb.RegisterMetrics(db, registry); err != nil {
		t.Fatal(err)
	}
	conflict := &pgconn.PgError{Code: "40001"}
	run := func(fail func(call int) error) {
		calls := 0
		_ = db.InTx(t.Context(), func(sqldb.Tx) error { calls++; return fail(calls) })
	}
	run(func(int) error { return nil })
	run(func(int) error { return fault.New(fault.FailedPrecondition, "CART_EMPTY", "it is empty") }) // not the database's doing
	run(func(call int) error {
		if call < 3 {
			return conflict
		}
		return nil
	})
	run(func(int) error { return conflict })
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		got[f.GetName()] = f.GetMetric()[0].GetCounter().GetValue()
	}
	want := map[string]float64{
		"meridian_sql_transactions_committed_total": 2, "meridian_sql_transactions_retried_total": 2 + 19,
		"meridian_sql_transactions_exhausted_total": 1, "meridian_sql_transactions_ambiguous_total": 0,
	}
	for name, n := range want {
		if diff := cmp.Diff(n, got[name]); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if err := sqldb.RegisterMetrics(db, registry); err == nil {
		t.Error("registered twice")
	}
}
