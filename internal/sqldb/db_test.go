package sqldb_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/cockroach-go/v2/crdb"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest/localitylint"
	"github.com/meridian-commerce/meridian/regions"
)

func TestMain(m *testing.M) { sqltest.Main(m) }

const insertStock = `INSERT INTO stock (home_region, sku, allotted, on_hand, reserved, sold) VALUES ($1, $2, $3, $3, 0, 0)`

func TestInTxRunsAgainUntilSerializable(t *testing.T) {
	t.Parallel()
	db := sqltest.Open(t, nil)
	ctx := t.Context()
	if _, err := db.Exec(ctx, insertStock, "eu-west-1", "a", 100); err != nil {
		t.Fatal(err)
	}
	// Read, think, write: without whole-transaction retries most of these fail, without isolation units get lost.
	const takers = 8
	var wg sync.WaitGroup
	errs := make([]error, takers)
	for i := range takers {
		wg.Go(func() {
			errs[i] = db.InTx(ctx, func(tx sqldb.Tx) error {
				var n int
				if err := tx.QueryRow(ctx, `SELECT on_hand FROM stock WHERE home_region = $1 AND sku = $2`, "eu-west-1", "a").Scan(&n); err != nil {
					return err
				}
				_, err := tx.Exec(ctx, `UPDATE stock SET on_hand = $3::bigint, reserved = 100 - $3::bigint WHERE home_region = $1 AND sku = $2`, "eu-west-1", "a", n-1)
				return err
			})
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := db.QueryRow(ctx, `SELECT on_hand FROM stock WHERE home_region = $1 AND sku = $2`, "eu-west-1", "a").Scan(&n); err != nil {
		t.Fatal(err)
	}
	if n != 100-takers {
		t.Errorf("%d units on hand after %d takers of one each from 100", n, takers)
	}
}

func TestInTxErrors(t *testing.T) {
	t.Parallel()
	db := sqltest.Open(t, nil)
	ctx := t.Context()
	mine := errors.New("mine")
	if err := db.InTx(ctx, func(sqldb.Tx) error { return mine }); !errors.Is(err, mine) {
		t.Errorf("fn's own error became %v", err)
	}
	calls := 0
	err := db.InTx(ctx, func(tx sqldb.Tx) error {
		calls++
		_, err := tx.Exec(ctx, `SELECT pg_terminate_backend(pg_backend_pid())`)
		return err
	})
	if !fault.Is(err, fault.Unavailable) || calls != 2 {
		t.Errorf("a connection lost before COMMIT, after %d calls: %v; want unavailable after 2", calls, err)
	}
	err = db.InTx(ctx, func(tx sqldb.Tx) error {
		_, err := tx.Exec(ctx, `SET LOCAL statement_timeout = 20`)
		if err == nil {
			_, err = tx.Exec(ctx, `SELECT pg_sleep(5)`)
		}
		return err
	})
	if fault.Reason(err) != "DATABASE_SLOW" {
		t.Errorf("a slow statement: %v", err)
	}
}

// A deferred trigger that ends its own session loses the connection in the middle of COMMIT.
func TestCommitLostIsAmbiguous(t *testing.T) {
	t.Parallel()
	db := sqltest.Open(t, nil)
	ctx := t.Context()
	for _, ddl := range []string{
		`CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(1); RETURN NULL; END $$`,
		`CREATE CONSTRAINT TRIGGER die AFTER INSERT ON stock DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION die()`,
	} {
		if _, err := db.Exec(ctx, ddl); err != nil {
			t.Fatal(err)
		}
	}
	calls := 0
	err := db.InTx(ctx, func(tx sqldb.Tx) error {
		calls++
		_, err := tx.Exec(ctx, insertStock, "eu-west-1", "b", 1)
		return err
	})
	if !fault.Is(err, fault.Ambiguous) || calls != 1 {
		t.Errorf("after %d calls: %v; want ambiguous after one", calls, err)
	}
}

// cut is a way to the server that ends when it is told to, without a word.
func cut(t *testing.T, url string, at func(asked []byte) bool) *sqldb.DB {
	t.Helper()
	config, err := pgconn.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	const socket = ".s.PGSQL.5432"
	l, err := net.Listen("unix", filepath.Join(dir, socket))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("unix", filepath.Join(config.Host, socket))
			if err != nil {
				return
			}
			var ending atomic.Bool
			go func() {
				defer func() { _ = client.Close() }()
				for buffer := make([]byte, 1<<16); ; {
					n, err := server.Read(buffer)
					if err != nil || ending.Load() {
						return
					}
					_, _ = client.Write(buffer[:n])
				}
			}()
			go func() {
				defer func() { _ = server.Close() }()
				for buffer := make([]byte, 1<<16); ; {
					n, err := client.Read(buffer)
					if err != nil {
						return
					}
					if at(buffer[:n]) {
						ending.Store(true)
					}
					_, _ = server.Write(buffer[:n])
				}
			}()
		}
	}()
	db, err := sqldb.Open(t.Context(), sqldb.Config{URL: strings.Replace(url, config.Host, dir, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

// TestAnAnswerThatIsLostWithTheSession: the server has committed, and nobody was told. What was lost before COMMIT was
// sent runs again.
func TestAnAnswerThatIsLostWithTheSession(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		at    string
		calls int
		want  bool // that nobody knows
	}{
		"of COMMIT":               {"commit\x00", 1, true},
		"of a statement":          {"INSERT INTO stock", 2, false},
		"of the beginning of all": {"begin isolation", 1, false},
	} {
		cuts := 0
		var mu sync.Mutex
		db := cut(t, sqltest.URL(t), func(asked []byte) bool {
			mu.Lock()
			defer mu.Unlock()
			if cuts > 0 || !bytes.Contains(asked, []byte(tc.at)) {
				return false
			}
			cuts++
			return true
		})
		calls := 0
		err := db.InTx(t.Context(), func(tx sqldb.Tx) error {
			calls++
			_, err := tx.Exec(t.Context(), insertStock, "eu-west-1", "b", 1)
			return err
		})
		if fault.Is(err, fault.Ambiguous) != tc.want || (err == nil) == tc.want || calls != tc.calls || cuts != 1 {
			t.Errorf("the answer %s is lost, %d times: %v after %d calls, want %d", name, cuts, err, calls, tc.calls)
		}
		var rows int
		if err := db.QueryRow(t.Context(), `SELECT count(*) FROM stock WHERE sku = 'b'`).Scan(&rows); err != nil || rows != 1 {
			t.Errorf("the answer %s is lost: %d rows, %v", name, rows, err)
		}
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	db, err := sqldb.Open(t.Context(), sqldb.Config{URL: "postgres://nobody@127.200.0.1:1/none"})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.InTx(t.Context(), func(sqldb.Tx) error { return nil }); fault.Reason(err) != "DATABASE_UNREACHABLE" {
		t.Errorf("got %v", err)
	}
	if _, err := sqldb.Open(t.Context(), sqldb.Config{URL: "::"}); !errors.Is(err, sqldb.ErrConfig) {
		t.Errorf("got %v", err)
	}
}

func TestMigrateTwiceAndAddARegion(t *testing.T) {
	t.Parallel()
	url := sqltest.URL(t)
	four, err := regions.Parse(append(regions.DefaultYAML()[:0:0], fourRegions()...))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := sqldb.Migrate(t.Context(), url, four, "", discard); err != nil {
			t.Fatal(err)
		}
	}
	db, err := sqldb.Open(t.Context(), sqldb.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(t.Context(), insertStock, "sa-east-1", "a", 1); err != nil {
		t.Errorf("a row of the added region: %v", err)
	}
	if _, err := db.Exec(t.Context(), insertStock, "mars-1", "a", 1); err == nil {
		t.Error("a row of an unknown region was accepted")
	}
}

// TestForeignKeys: none refers to a row that the same transaction of a user's request writes.
func TestForeignKeys(t *testing.T) {
	t.Parallel()
	var got string
	err := sqltest.Open(t, nil).QueryRow(t.Context(), `SELECT string_agg(conrelid::regclass || ' to ' || confrelid::regclass, ', ' ORDER BY conname)
		FROM pg_constraint WHERE contype = 'f' AND conparentid = 0`).Scan(&got)
	if err != nil {
		t.Fatal(err)
	}
	// A payment is made by a consumer, after its order. The catalog is imported, and nobody waits for that.
	if want := "payments to orders, prices to variants, variants to products"; got != want {
		t.Errorf("got %s, want %s; internal/audit/queries/no-orphans.sql looks at what has no key", got, want)
	}
}

func TestProcessesMigrateOneAfterTheOther(t *testing.T) {
	t.Parallel()
	url := sqltest.Empty(t)
	var wg sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		wg.Go(func() { errs[i] = sqldb.Migrate(t.Context(), url, regions.Default(), "", discard) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	db, err := sqldb.Open(t.Context(), sqldb.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(t.Context(), insertStock, "eu-west-1", "a", 1); err != nil {
		t.Error(err)
	}
}

// TestWriteSkew is CockroachDB's own test of what runs transactions: two that each read both balances and write one
// must not both commit.
func TestWriteSkew(t *testing.T) {
	t.Parallel()
	if err := crdb.ExecuteTxGenericTest(t.Context(), &accounts{db: sqltest.Open(t, nil)}); err != nil {
		t.Error(err)
	}
}

// accounts implements crdb.WriteSkewTest over InTx.
type accounts struct{ db *sqldb.DB }

func (a *accounts) Init(ctx context.Context) error {
	for _, sql := range []string{
		`CREATE TABLE accounts (acct BIGINT PRIMARY KEY, balance BIGINT)`, `INSERT INTO accounts VALUES (1, 100), (2, 100)`,
	} {
		if _, err := a.db.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

func (a *accounts) ExecuteTx(ctx context.Context, fn func(tx any) error) error {
	return a.db.InTx(ctx, func(tx sqldb.Tx) error { return fn(tx) })
}

func (a *accounts) GetBalances(ctx context.Context, in any) (one, two int, err error) {
	tx, _ := in.(sqldb.Tx)
	err = tx.QueryRow(ctx, `SELECT (SELECT balance FROM accounts WHERE acct = 1), (SELECT balance FROM accounts WHERE acct = 2)`).Scan(&one, &two)
	return one, two, err
}

func (a *accounts) UpdateBalance(ctx context.Context, in any, acct, delta int) error {
	tx, _ := in.(sqldb.Tx)
	_, err := tx.Exec(ctx, `UPDATE accounts SET balance = balance + $1 WHERE acct = $2`, delta, acct)
	return err
}

func TestLocalityLintCatchesAStatementWithoutItsRegion(t *testing.T) {
	t.Parallel()
	recorder := &localitylint.Recorder{}
	db := sqltest.Open(t, recorder)
	ctx := t.Context()
	run := func(sql string, args ...any) {
		t.Helper()
		if _, err := db.Exec(ctx, sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	run(insertStock, "eu-west-1", "a", 1)
	run(`SELECT sku FROM stock WHERE home_region = $1 AND sku = $2`, "eu-west-1", "a")
	run(`UPDATE stock SET on_hand = on_hand WHERE home_region = $1`, "eu-west-1")
	run(`SELECT handle FROM products`)
	if got := check(t, ctx, db, recorder); len(got) != 0 {
		t.Errorf("clean statements were reported: %v", got)
	}
	bad := `SELECT sku FROM stock WHERE sku = $1`
	run(bad, "a")
	got := check(t, ctx, db, recorder)
	if len(got) != 1 || got[0].SQL != bad || len(got[0].Regions) != 3 {
		t.Errorf("got %v, want the statement without its region", got)
	}
}

func check(t *testing.T, ctx context.Context, db *sqldb.DB, r *localitylint.Recorder) []localitylint.Violation {
	t.Helper()
	conn, err := db.Pool().Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	got, err := r.Check(ctx, conn.Conn(), regions.Default())
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestTextThatCannotBeKept(t *testing.T) {
	t.Parallel()
	db := sqltest.Open(t, nil)
	var handle string
	err := db.QueryRow(t.Context(), `SELECT handle FROM products WHERE handle = $1`, "a\x00b").Scan(&handle)
	if got := sqldb.Fault(err); fault.Reason(got) != "TEXT_INVALID" {
		t.Errorf("NUL in a text: %v", got)
	}
}
