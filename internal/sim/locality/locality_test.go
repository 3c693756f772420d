package locality_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/meridian-commerce/meridian/internal/nettest"
	"github.com/meridian-commerce/meridian/internal/sim/locality"
	"github.com/meridian-commerce/meridian/internal/sim/proc"
	"github.com/meridian-commerce/meridian/internal/sim/proc/postgres"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest"
	"github.com/meridian-commerce/meridian/regions"
)

const (
	us, eu, ap = "us-east-1", "eu-west-1", "ap-southeast-1"

	schema = `CREATE TABLE orders (home_region TEXT NOT NULL, id TEXT NOT NULL, n BIGINT NOT NULL, due TIMESTAMPTZ,
			PRIMARY KEY (home_region, id)) PARTITION BY LIST (home_region);
		CREATE INDEX ON orders (home_region, due);
		CREATE TABLE orders_us1 PARTITION OF orders FOR VALUES IN ('us-east-1');
		CREATE TABLE orders_eu1 PARTITION OF orders FOR VALUES IN ('eu-west-1');
		CREATE TABLE orders_ap1 PARTITION OF orders FOR VALUES IN ('ap-southeast-1');
		CREATE TABLE plain (LIKE orders INCLUDING ALL);
		CREATE TABLE products (handle TEXT PRIMARY KEY, n BIGINT NOT NULL);
		INSERT INTO orders SELECT r, 'o' || i, i, now() FROM unnest(ARRAY['us-east-1', 'eu-west-1', 'ap-southeast-1']) r, generate_series(1, 10000) i;
		INSERT INTO plain SELECT * FROM orders;
		INSERT INTO products SELECT 'p' || i, i FROM generate_series(1, 100) i;
		ANALYZE`
)

// site is a server with the model on it.
type site struct {
	server *postgres.Server
	model  *locality.Model
	addr   string
}

// serve starts a server in a temporary folder.
func serve(t *testing.T, c postgres.Config) *postgres.Server {
	t.Helper()
	c.Dir = t.TempDir()
	c.Log = filepath.Join(c.Dir, "log")
	if err := os.Chmod(filepath.Dir(c.Dir), 0o711); err != nil {
		t.Fatal(err)
	}
	supervisor := proc.New(nil)
	t.Cleanup(func() { supervisor.Close(context.Background()) })
	server, err := postgres.Start(t.Context(), supervisor, c)
	switch {
	case errors.Is(err, postgres.ErrNotInstalled) && os.Getenv(sqltest.RequireServers) == "":
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
	return server
}

// newSite starts a server with the model.
func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{addr: nettest.Address(t)}
	s.server = serve(t, postgres.Config{Addr: s.addr, Include: locality.SettingsFile})
	if err := errors.Join(s.server.CreateDatabase(t.Context(), "shop"), s.server.CreateRole(t.Context(), "clerk")); err != nil {
		t.Fatal(err)
	}
	owner := connect(t, s.server.URL("shop"))
	if _, err := owner.Exec(t.Context(), schema); err != nil {
		t.Fatal(err)
	}
	var err error
	if s.model, err = locality.Install(t.Context(), owner, regions.Default(), "clerk"); err != nil {
		t.Fatal(err)
	}
	return s
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// gateway opens a session of the paying role at a region's gateway.
func (s *site) gateway(t *testing.T, region string) *pgx.Conn {
	t.Helper()
	return connect(t, s.server.RoleURL("clerk", s.addr, "shop", url.Values{"options": {"-c meridian.gateway=" + region}}))
}

func timed(t *testing.T, work func() error) time.Duration {
	t.Helper()
	begun := time.Now()
	if err := work(); err != nil {
		t.Fatal(err)
	}
	return time.Since(begun)
}

// paid checks what the session was charged for some work, and that the work took no less.
func paid(t *testing.T, conn *pgx.Conn, what string, due float64, work func() error) {
	t.Helper()
	charged := func() (ms float64) {
		sql := "SELECT coalesce(nullif(current_setting('meridian.charged_ms', true), ''), '0')::double precision"
		if err := conn.QueryRow(context.Background(), sql).Scan(&ms); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		return ms
	}
	before, begun := charged(), time.Now()
	if err := work(); err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	took := time.Since(begun)
	if got := charged() - before; got != due {
		t.Errorf("%s was charged %v ms, want %v", what, got, due)
	}
	if took < time.Duration(due*float64(time.Millisecond)) {
		t.Errorf("%s took %s, though it was charged %v ms", what, took, due)
	}
}

// The tests that do not change the model share a server.
func TestHealthyCluster(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	t.Run("statements", func(t *testing.T) { testStatements(t, s) })
	t.Run("transaction", func(t *testing.T) { testTransaction(t, s) })
	t.Run("overhead", func(t *testing.T) { testOverhead(t, s) })
	t.Run("owner", func(t *testing.T) { testOwner(t, s) })
	t.Run("sessions", func(t *testing.T) { testEndSessions(t, s) })
}

// The owner migrates from no region: it writes what it must, and pays nothing.
func testOwner(t *testing.T, s *site) {
	t.Helper()
	owner := connect(t, s.server.URL("shop"))
	for _, sql := range []string{"UPDATE products SET n = n WHERE handle = 'p2'", "UPDATE orders SET n = n WHERE id = 'o8'"} {
		paid(t, owner, sql, 0, func() error { _, err := owner.Exec(t.Context(), sql); return err })
	}
}

func testStatements(t *testing.T, s *site) {
	t.Helper()
	tests := []struct {
		what, gateway, sql string
		due                float64
	}{
		{"a read at home", eu, "SELECT n FROM orders WHERE home_region = 'eu-west-1' AND id = 'o1'", 0},
		{"a read in us", eu, "SELECT n FROM orders WHERE home_region = 'us-east-1' AND id = 'o1'", 70},
		{"a scan of 10,000 remote rows", eu, "SELECT sum(n) FROM orders WHERE home_region = 'us-east-1'", 70},
		{"an unpruned read", eu, "SELECT count(*) FROM orders WHERE id = 'o1'", 175},
		{"an unpruned read from us", us, "SELECT count(*) FROM orders WHERE id = 'o1'", 220},
		{"a read of a GLOBAL table", ap, "SELECT n FROM products WHERE handle = 'p1'", 0},
		{"a write to a GLOBAL table", eu, "UPDATE products SET n = n + 1 WHERE handle = 'p1'", 720},
		{"an insert at home", eu, "INSERT INTO orders VALUES ('eu-west-1', 'new', 1)", 70},
		{"an insert at home in ap", ap, "INSERT INTO orders VALUES ('ap-southeast-1', 'new', 1)", 175},
		{"a remote insert", eu, "INSERT INTO orders VALUES ('us-east-1', 'new', 1)", 140},
		{"an upsert", eu, "INSERT INTO orders VALUES ('eu-west-1', 'o2', 1) ON CONFLICT (home_region, id) DO UPDATE SET n = 0", 70},
		{"a remote upsert", ap, "INSERT INTO orders VALUES ('eu-west-1', 'o3', 1) ON CONFLICT (home_region, id) DO UPDATE SET n = 0", 245},
		{"a remote insert that does nothing", eu, "INSERT INTO orders VALUES ('us-east-1', 'o4', 1) ON CONFLICT DO NOTHING", 70},
		{"an update of 500 rows", eu, "UPDATE orders SET n = n + 1 WHERE home_region = 'eu-west-1' AND n BETWEEN 100 AND 599", 70},
		{"a delete", us, "DELETE FROM orders WHERE home_region = 'us-east-1' AND id = 'o9'", 70},
		{"a remote delete", us, "DELETE FROM orders WHERE home_region = 'ap-southeast-1' AND id = 'o9'", 395},
		{"an insert into two regions", eu, "INSERT INTO orders VALUES ('eu-west-1', 'two', 1), ('ap-southeast-1', 'two', 1)", 350},
		{"a queue poll at home", eu, "SELECT id FROM orders WHERE home_region = 'eu-west-1' AND due <= now() AND n > 9000 ORDER BY due LIMIT 3 FOR UPDATE SKIP LOCKED", 0},
		{"a remote queue poll", us, "SELECT id FROM orders WHERE home_region = 'eu-west-1' AND due <= now() AND n > 9000 ORDER BY due LIMIT 3 FOR UPDATE SKIP LOCKED", 70},
	}
	var wg sync.WaitGroup
	for _, tt := range tests {
		conn := s.gateway(t, tt.gateway)
		wg.Go(func() {
			ctx := context.Background()
			if _, err := conn.Prepare(ctx, "it", tt.sql); err != nil {
				t.Errorf("%s: %v", tt.what, err)
				return
			}
			paid(t, conn, tt.what, tt.due, func() error { _, err := conn.Exec(ctx, "it"); return err })
		})
	}
	wg.Wait()
}

// A transaction pays the quorum once, at COMMIT, and holds its locks meanwhile.
func testTransaction(t *testing.T, s *site) {
	t.Helper()
	conn := s.gateway(t, eu)
	tx, err := conn.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.Serializable})
	if err != nil {
		t.Fatal(err)
	}
	paid(t, conn, "six statements at home before COMMIT", 0, func() error {
		for i := range 6 {
			if _, err := tx.Exec(t.Context(), "UPDATE orders SET n = n + 1 WHERE home_region = 'eu-west-1' AND id = $1", fmt.Sprintf("o%d", i+1)); err != nil {
				return err
			}
		}
		return nil
	})
	other := s.gateway(t, eu)
	locked := make(chan time.Duration, 1)
	committing := time.Now()
	go func() {
		_, err := other.Exec(context.Background(), "UPDATE orders SET n = n + 1 WHERE home_region = 'eu-west-1' AND id = 'o1'")
		if err != nil {
			t.Error(err)
		}
		locked <- time.Since(committing)
	}()
	paid(t, conn, "COMMIT", 70, func() error { return tx.Commit(t.Context()) })
	if waited := <-locked; waited < 140*time.Millisecond {
		t.Errorf("the next writer of the row was done after %s: locks are not held during replication", waited)
	}
}

// The model must not price statements by itself: the same work on a table without it is the measure.
func testOverhead(t *testing.T, s *site) {
	t.Helper()
	conn := s.gateway(t, eu)
	measure := func(sql string, rounds int) time.Duration {
		return timed(t, func() error {
			for range rounds {
				if _, err := conn.Exec(t.Context(), sql); err != nil {
					return err
				}
			}
			return nil
		}) / time.Duration(rounds)
	}
	point := "SELECT n FROM %s WHERE home_region = 'eu-west-1' AND id = 'o77'"
	scan := "SELECT sum(n) FROM %s WHERE home_region = 'eu-west-1'"
	for what, sql := range map[string]string{"a point read": point, "a scan of 10,000 rows": scan} {
		rounds := map[string]int{point: 50, scan: 2}[sql]
		// The least of several is what the work takes on an idle machine; a busy one needs more of them to show it.
		with, without := time.Hour, time.Hour
		for i := 0; i < 5 || with > 3*without+500*time.Microsecond; i++ {
			with = min(with, measure(fmt.Sprintf(sql, "orders"), rounds))
			without = min(without, measure(fmt.Sprintf(sql, "plain"), rounds))
			t.Logf("%s: %s with the model, %s without", what, with, without)
		}
	}
}

func TestLostRegion(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	fromUS, fromAP := s.gateway(t, us), s.gateway(t, ap)
	read := func(c *pgx.Conn) func() error {
		return func() error {
			var n int64
			return c.QueryRow(context.Background(), "SELECT n FROM orders WHERE home_region = 'eu-west-1' AND id = 'o1'").Scan(&n)
		}
	}
	write := "UPDATE orders SET n = n + 1 WHERE home_region = 'eu-west-1' AND id = 'o1'"
	paid(t, fromUS, "before: a read of eu from us", 70, read(fromUS))

	const stall = 700 * time.Millisecond
	before := time.Now()
	moved, err := s.model.LoseRegion(t.Context(), eu, stall, false)
	if err != nil {
		t.Fatal(err)
	}
	if after := time.Now(); moved.Before(before.Add(stall)) || moved.After(after.Add(stall)) {
		t.Errorf("the leases move at %s; the kill was between %s and %s", moved, before, after)
	}
	timed(t, read(fromUS))
	if now := time.Now(); now.Before(moved.Truncate(time.Millisecond)) {
		t.Errorf("a read was answered %s before the leases moved", moved.Sub(now))
	}
	paid(t, fromUS, "after: a read of eu from us, where its leases are", 0, read(fromUS))
	paid(t, fromAP, "after: a read of eu from ap", 220, read(fromAP))
	paid(t, fromUS, "after: a write of eu from us", 220, func() error { _, err := fromUS.Exec(t.Context(), write); return err })

	// Without a quorum a statement waits, for longer than its caller does.
	if _, err := s.model.LoseRegion(t.Context(), ap, 0, false); err != nil {
		t.Fatal(err)
	}
	waits(t, s, us, "a read without a quorum", "SELECT n FROM orders WHERE home_region = 'eu-west-1' AND id = 'o1'")
	waits(t, s, us, "a write to a GLOBAL table without a quorum", "UPDATE products SET n = 0 WHERE handle = 'p1'")

	if err := errors.Join(s.model.HealRegion(t.Context(), eu), s.model.HealRegion(t.Context(), ap)); err != nil {
		t.Fatal(err)
	}
	paid(t, fromUS, "healed: a read of eu from us", 70, read(fromUS))
}

// waits checks that a statement is not answered while its caller waits, nor refused.
func waits(t *testing.T, s *site, region, what, sql string) {
	t.Helper()
	conn := s.gateway(t, region)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := conn.Exec(ctx, sql); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%s: %v", what, err)
	}
}

// TestBreaker: when the minute is over, statements are refused.
func TestBreaker(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	conn := connect(t, s.server.URL("shop"))
	for sql, refused := range map[string]bool{
		"SELECT sim.travel('lost@1.5~2.5')": true, "SELECT sim.travel('0@1.5~2.5')": false, "SELECT sim.travel('lost@99999999999.5~99999999999.5')": false,
	} {
		_, err := conn.Exec(t.Context(), sql)
		pg, is := errors.AsType[*pgconn.PgError](err)
		if is != refused || is && pg.Code != "58C00" {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

// TestGlobalReaderMeetsAWrite: it waits for the end of a write that is about to count, and for no other.
func TestGlobalReaderMeetsAWrite(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	reader, writer := s.gateway(t, eu), s.gateway(t, us)
	read := func(handle string) func() error {
		return func() error {
			var n int64
			return reader.QueryRow(t.Context(), "SELECT n FROM products WHERE handle = $1", handle).Scan(&n)
		}
	}
	tx, err := writer.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "UPDATE products SET n = n + 1 WHERE handle = 'p1'"); err != nil {
		t.Fatal(err)
	}
	timed(t, read("p1")) // it is not written yet
	committed := make(chan time.Time, 1)
	go func() {
		if err := tx.Commit(context.Background()); err != nil {
			t.Error(err)
		}
		committed <- time.Now()
	}()
	locked := connect(t, s.server.URL("shop"))
	for held := false; !held; {
		if err := locked.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = 71 AND granted)").Scan(&held); err != nil {
			t.Fatal(err)
		}
	}
	timed(t, read("p2")) // nobody writes it
	took := timed(t, read("p1"))
	if at := <-committed; took < 50*time.Millisecond {
		t.Errorf("a reader of the row waited %v; the commit ended at %v", took, at)
	}
}

// TestPrimaryRegionLost: reads of GLOBAL rows go on for the lead, and then wait for the lease, everywhere.
func TestPrimaryRegionLost(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	far := s.gateway(t, ap)
	read := func() error {
		var n int64
		return far.QueryRow(context.Background(), "SELECT n FROM products WHERE handle = 'p1'").Scan(&n)
	}
	moved, err := s.model.LoseRegion(t.Context(), us, 2*time.Second, false)
	if err != nil {
		t.Fatal(err)
	}
	for lost := moved.Add(-2 * time.Second); time.Since(lost) < locality.Lead; {
		timed(t, read)
	}
	timed(t, read)
	if early := time.Until(moved.Truncate(time.Millisecond)); early > 0 {
		t.Errorf("a read was answered %v before the leases moved", early)
	}
}

// TestAbandoned: what a lost gateway had written stands in the way for five seconds, and then never was.
func TestAbandoned(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	lost := s.gateway(t, eu)
	tx, err := lost.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const write = "UPDATE orders SET n = n + 1 WHERE home_region = 'eu-west-1' AND id = 'o1'"
	if _, err := tx.Exec(t.Context(), write); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	gateway := netip.MustParseAddrPort(lost.PgConn().Conn().LocalAddr().String()).Addr()
	if err := s.model.Abandon(t.Context(), gateway); err != nil {
		t.Fatal(err)
	}
	_ = lost.PgConn().Conn().Close() // as the end of the gateway does
	if _, err := s.model.EndSessions(t.Context(), gateway); err != nil {
		t.Fatal(err)
	}
	other := s.gateway(t, us)
	if _, err := other.Exec(t.Context(), write); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took < 5*time.Second {
		t.Errorf("the row was free after %v", took)
	}
	var n int64
	if err := other.QueryRow(t.Context(), "SELECT n FROM orders WHERE home_region = 'eu-west-1' AND id = 'o1'").Scan(&n); err != nil || n != 2 {
		t.Errorf("the row is %d: %v", n, err)
	}
}

func TestRegionThatIsCutOff(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	inside, outside := s.gateway(t, eu), s.gateway(t, us)
	if _, err := s.model.LoseRegion(t.Context(), eu, 0, true); err != nil {
		t.Fatal(err)
	}
	cut := time.Now()
	var n int64
	if err := inside.QueryRow(t.Context(), "SELECT n FROM products WHERE handle = 'p1'").Scan(&n); err != nil && time.Since(cut) < locality.Lead/2 {
		t.Errorf("inside, a read of a GLOBAL table at once: %v", err)
	}
	for _, home := range []string{"eu-west-1", "us-east-1"} {
		read := "SELECT n FROM orders WHERE home_region = '" + home + "' AND id = 'o1'"
		waits(t, s, eu, "inside, a read of "+home, read)
		if err := outside.QueryRow(t.Context(), read).Scan(&n); err != nil {
			t.Errorf("outside, a read of %s: %v", home, err)
		}
	}
	for time.Since(cut) < locality.Lead {
		_ = inside.QueryRow(t.Context(), "SELECT 1").Scan(&n)
	}
	waits(t, s, eu, "inside, a read of a GLOBAL table after the lead", "SELECT n FROM products WHERE handle = 'p1'")
}

// A change of the model aborts no serializable transaction that runs meanwhile, and is seen by it.
func TestChangesAreSeenByRunningTransactions(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	conn := s.gateway(t, us)
	tx, err := conn.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.Serializable})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "UPDATE orders SET n = n + 1 WHERE home_region = 'us-east-1' AND id = 'o1'"); err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.model.LoseRegion(gone, eu, 0, false); err == nil {
		t.Fatal("a canceled kill succeeds")
	}
	if !s.model.State()[1].Alive {
		t.Error("a canceled kill took effect")
	}
	if _, err := s.model.LoseRegion(t.Context(), eu, 0, false); err != nil {
		t.Fatalf("after a canceled one: %v", err)
	}
	paid(t, conn, "COMMIT after the nearest other region was lost", 220, func() error { return tx.Commit(t.Context()) })
}

// Ending the sessions of one gateway leaves those of another.
func testEndSessions(t *testing.T, s *site) {
	t.Helper()
	from := func(host string) *pgx.Conn {
		config, err := pgx.ParseConfig(s.server.RoleURL("clerk", s.addr, "shop", url.Values{"options": {"-c meridian.gateway=eu-west-1"}}))
		if err != nil {
			t.Fatal(err)
		}
		config.DialFunc = (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(host)}}).DialContext
		conn, err := pgx.ConnectConfig(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close(context.Background()) })
		return conn
	}
	lost, kept := from("127.0.2.3"), from("127.0.1.3")
	n, err := s.model.EndSessions(t.Context(), netip.MustParseAddr("127.0.2.3"))
	if err != nil || n != 1 {
		t.Errorf("EndSessions = %d, %v", n, err)
	}
	if _, err := lost.Exec(t.Context(), "SELECT 1"); err == nil {
		t.Error("a session of the lost gateway lives on")
	}
	if _, err := kept.Exec(t.Context(), "SELECT 1"); err != nil {
		t.Errorf("a session of another gateway: %v", err)
	}
}

func TestInstallNeedsTheInclude(t *testing.T) {
	t.Parallel()
	server := serve(t, postgres.Config{Addr: nettest.Address(t)})
	_, err := locality.Install(t.Context(), connect(t, server.URL("postgres")), regions.Default(), "postgres")
	if !errors.Is(err, locality.ErrNotIncluded) {
		t.Errorf("Install = %v", err)
	}
}
