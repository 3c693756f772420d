// Package locality makes one PostgreSQL server cost what a CockroachDB cluster over several regions would:
// a statement pays the round trip from its gateway to the farthest region whose rows it meets, a COMMIT the
// replication to a quorum, a lost region stalls its rows until their leases move. It is a model for
// simulations; the product never knows of it.
//
// A session names its gateway's region by the connection option -c meridian.gateway=REGION and signs in as a
// role that does not own the tables; the owner pays nothing. What the model guarantees: costs are paid while
// locks are held, as the real ones are; a statement at home takes some 50 µs more than without the model; the
// model reads no table during the product's transactions. Known to be coarse: a statement that meets no row at
// all travels free; readers of regional rows do not wait for another transaction's replication beyond PostgreSQL's own locks; a
// READ COMMITTED statement that has to re-check a row that changed under it pays for the farthest region.
package locality

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/meridian-commerce/meridian/regions"
)

// SettingsFile is the file in PostgreSQL's data directory that the model publishes its figures in. The
// server's postgresql.conf must include it (include_if_exists).
const SettingsFile = "locality.conf"

const (
	versionSetting = "meridian.locality_version"
	reloadTimeout  = 5 * time.Second

	leastStall, mostStall = 4 * time.Second, 7 * time.Second // how long leases take to expire (declared)
	abandonedAfter        = 5 * time.Second
)

// ErrUnknownRegion says that a region is not in the catalog.
var ErrUnknownRegion = errors.New("locality: unknown region")

// ErrNotIncluded says that the server does not read SettingsFile.
var ErrNotIncluded = errors.New("locality: the server does not read " + SettingsFile +
	"; its postgresql.conf needs include_if_exists = '" + SettingsFile + "'")

//go:embed model.sql
var modelSQL string

// Model is the locality model of one server. It is safe for concurrent use.
type Model struct {
	mu      sync.Mutex
	conn    *pgx.Conn
	world   *world
	version int64
	stopped []int // backends of lost gateways, whose locks live on
}

// Install puts the model on every table of the public schema of conn's database: partitioned tables are
// regional, all others GLOBAL. appRole is the role that will pay. conn signs in as a superuser, and belongs
// to the Model from here on.
func Install(ctx context.Context, conn *pgx.Conn, catalog *regions.Set, appRole string) (*Model, error) {
	m := &Model{conn: conn, world: newWorld(catalog)}
	if err := m.publish(ctx, m.world); err != nil {
		return nil, err
	}
	for attempt := 1; ; attempt++ {
		err := install(ctx, conn, catalog, appRole)
		if err == nil {
			return m, nil
		}
		// Autovacuum may hold what the triggers need, and the server then ends one of the two.
		if pg, ok := errors.AsType[*pgconn.PgError](err); !ok || pg.Code != deadlock || attempt == installAttempts {
			return nil, fmt.Errorf("locality: install: %w", err)
		}
	}
}

const (
	deadlock        = "40P01"
	installAttempts = 5
)

func install(ctx context.Context, conn *pgx.Conn, catalog *regions.Set, appRole string) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, modelSQL); err != nil {
			return fmt.Errorf("functions: %w", err)
		}
		_, err := tx.Exec(ctx, `SELECT sim.attach($1, $2)`, catalog.Names(), appRole)
		return err
	})
}

// DrawStall draws how long the leases of a lost region stall: 4 to 7 s.
func DrawStall(r *rand.Rand) time.Duration {
	return leastStall + time.Duration(r.Int64N(int64(mostStall-leastStall)))
}

// LoseRegion takes a region out of the cluster: its leases stall for so long, then are with the nearest live
// region. Rows without a quorum keep statements waiting for a minute after it was lost, and then refuse them. A
// region that is cut off runs on away from the others: its own gateway, which reaches no quorum, waits the same, and
// still reads GLOBAL tables for the lead. It returns when the leases have moved, or will have.
func (m *Model) LoseRegion(ctx context.Context, name regions.Name, stall time.Duration, cutOff bool) (time.Time, error) {
	now := time.Now()
	return now.Add(stall), m.change(ctx, func(w *world) error { return w.lose(name, now, stall, cutOff) })
}

// SlowRegion makes every round trip to and from a region factor times the declared one, until it is healed.
func (m *Model) SlowRegion(ctx context.Context, name regions.Name, factor float64) error {
	return m.change(ctx, func(w *world) error { return w.slow(name, factor) })
}

// HealRegion brings a region back, and its declared distances; its leases return to it without a stall.
func (m *Model) HealRegion(ctx context.Context, name regions.Name) error {
	return m.change(ctx, func(w *world) error { return w.heal(name) })
}

// Publish writes the model's figures anew, over a session of its own: for a server that was restored.
func (m *Model) Publish(ctx context.Context) error {
	return m.change(ctx, func(*world) error { return nil })
}

// State returns every region's state in the catalog's order.
func (m *Model) State() []RegionState {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.world.states)
}

// Abandon has what a gateway's sessions wrote and did not commit stand in others' way for a while after it is lost, as
// intents do until their transaction counts as abandoned (CockroachDB, "Transaction Layer", heartbeats: five of a second
// each). It comes before the gateway's end, when its sessions would let go.
func (m *Model) Abandon(ctx context.Context, gateway netip.Addr) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.reconnect(ctx); err != nil {
		return err
	}
	// Only such as wait for their client or sleep for the model, because they hold nothing that the server needs to go on.
	rows, _ := m.conn.Query(ctx, `SELECT pid FROM pg_stat_activity WHERE client_addr = $1 AND backend_xid IS NOT NULL
		AND (state = 'idle in transaction' OR wait_event = 'PgSleep')`, gateway)
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		return fmt.Errorf("locality: sessions of %s: %w", gateway, err)
	}
	for _, pid := range pids {
		if syscall.Kill(pid, syscall.SIGSTOP) == nil { // else it has just ended
			m.stopped = append(m.stopped, pid)
		}
	}
	time.AfterFunc(abandonedAfter, m.release)
	return nil
}

// release lets stopped backends go on to their end.
func (m *Model) release() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, pid := range m.stopped {
		_ = syscall.Kill(pid, syscall.SIGCONT) // it may have been killed with the server
	}
	m.stopped = nil
}

// EndSessions ends every session that came from an address, as the loss of that gateway would, and returns
// how many there were.
func (m *Model) EndSessions(ctx context.Context, gateway netip.Addr) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.reconnect(ctx); err != nil {
		return 0, err
	}
	var n int
	err := m.conn.QueryRow(ctx, `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
		WHERE client_addr = $1 AND pid <> pg_backend_pid()`, gateway).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("locality: end sessions of %s: %w", gateway, err)
	}
	return n, nil
}

// Close ends the model's own session; the model stays installed.
func (m *Model) Close(ctx context.Context) error {
	m.release()
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.conn.Close(ctx)
}

func (m *Model) change(ctx context.Context, edit func(*world) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := m.world.clone()
	if err := edit(next); err != nil {
		return err
	}
	if err := m.publish(ctx, next); err != nil {
		return err
	}
	m.world = next
	return nil
}

// reconnect replaces a session that a canceled call has closed, or that ended with a server which was started anew.
func (m *Model) reconnect(ctx context.Context) error {
	if m.conn.Ping(ctx) == nil {
		return nil
	}
	_ = m.conn.Close(ctx) // it is of no use any more
	conn, err := pgx.ConnectConfig(ctx, m.conn.Config())
	if err != nil {
		return fmt.Errorf("locality: reconnect: %w", err)
	}
	m.conn = conn
	return nil
}

// publish writes the settings file, has the server read it, and waits until this session sees it.
func (m *Model) publish(ctx context.Context, w *world) error {
	ctx, cancel := context.WithTimeout(ctx, reloadTimeout)
	defer cancel()
	if err := m.reconnect(ctx); err != nil {
		return err
	}
	m.version++
	var file string
	if err := m.conn.QueryRow(ctx, `SELECT current_setting('data_directory') || '/' || $1`, SettingsFile).Scan(&file); err != nil {
		return fmt.Errorf("locality: publish: %w", err)
	}
	if err := m.write(ctx, file, w.settings(m.version)); err != nil {
		return fmt.Errorf("locality: publish: %w", err)
	}
	var included bool
	if err := m.conn.QueryRow(ctx, `SELECT exists(SELECT FROM pg_file_settings WHERE sourcefile = $1)`, file).Scan(&included); err != nil {
		return fmt.Errorf("locality: publish: %w", err)
	}
	if !included {
		return ErrNotIncluded
	}
	return m.reload(ctx)
}

// reload has the server read its configuration, and returns when every session will see the new one with its next statement.
func (m *Model) reload(ctx context.Context) error {
	if _, err := m.conn.Exec(ctx, `SELECT pg_reload_conf()`); err != nil {
		return fmt.Errorf("locality: reload: %w", err)
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		var seen string
		err := m.conn.QueryRow(ctx, `SELECT coalesce(current_setting($1, true), '')`, versionSetting).Scan(&seen)
		switch {
		case err == nil && seen == fmt.Sprint(m.version):
			return m.reloaded(ctx)
		case err != nil && ctx.Err() == nil:
			return fmt.Errorf("locality: reload: %w", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("locality: the server did not take up its new settings: %w", ctx.Err())
		}
	}
}

// reloaded returns once every session has been told of a reload of which this one knows. The server's first process tells them
// one by one, and takes no new session before it has told all.
func (m *Model) reloaded(ctx context.Context) error {
	conn, err := pgx.ConnectConfig(ctx, m.conn.Config())
	if err != nil {
		return fmt.Errorf("locality: reload: %w", err)
	}
	return conn.Close(ctx)
}

// write has the server write its own file: the simulator may run as another user. COPY takes no parameters,
// so the lines travel as one quoted literal.
func (m *Model) write(ctx context.Context, file string, lines []string) error {
	_, err := m.conn.Exec(ctx, fmt.Sprintf(`COPY (SELECT string_to_table(%s, chr(10))) TO %s`, quote(strings.Join(lines, "\n")), quote(file)))
	return err
}

// quote renders a SQL string literal; standard_conforming_strings is on.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
