package sqldb

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/meridian-commerce/meridian/internal/fault"
)

// ErrConfig is wrapped by errors about a database configuration.
var ErrConfig = errors.New("sqldb: bad configuration")

// Config says how to reach the database. The tags of its fields are configuration keys, below database.
type Config struct {
	URL string `koanf:"url" help:"postgres:// URL of this region's database gateway"`
	// The sum over all processes should stay under 4 times the database's vCPU. 0 means 16.
	MaxConns int32 `koanf:"max_conns" default:"16" help:"most connections of this process"`
	// The server enforces both; 0 means 3 s and 2 s.
	StatementTimeout time.Duration   `koanf:"statement_timeout" default:"3s" help:"most time for one SQL statement, COMMIT included"`
	LockTimeout      time.Duration   `koanf:"lock_timeout" default:"2s" help:"most time to wait for one row lock"`
	AppRole          string          `koanf:"app_role" help:"migrate: role that is granted to read and write rows; empty: none"`
	Tracer           pgx.QueryTracer `koanf:"-"`
}

// counts are what happened to the transactions of a process.
type counts struct{ committed, retried, exhausted, ambiguous atomic.Int64 }

// Querier runs statements, in a transaction or outside of one. It is safe for concurrent use only where it is a DB.
type Querier interface {
	Exec(ctx context.Context, sql string, args ...any) (int64, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	Send(ctx context.Context, batch *Batch) error
}

// DB is a pool of connections to one gateway. It is safe for concurrent use.
type DB struct {
	pool   *pgxpool.Pool
	engine atomic.Value // Engine, once the server told
	counts counts
	shows  atomic.Pointer[x509.Certificate] // the client's certificate, nil where there is none
}

// Open connects lazily: it fails on a bad configuration, not on an absent server. The engine is asked of the
// server when it is first needed for a transaction.
func Open(ctx context.Context, c Config) (*DB, error) {
	pc, err := pgxpool.ParseConfig(c.URL)
	if err != nil {
		return nil, fmt.Errorf("%w: database.url: %w", ErrConfig, err)
	}
	pc.MaxConns = or(c.MaxConns, 16)
	pc.MinIdleConns = 2
	pc.MaxConnLifetime = 30 * time.Minute
	pc.MaxConnLifetimeJitter = 5 * time.Minute
	pc.HealthCheckPeriod = 5 * time.Second
	pc.ConnConfig.ConnectTimeout = 2 * time.Second
	pc.ConnConfig.Tracer = c.Tracer
	set := pc.ConnConfig.RuntimeParams
	set["statement_timeout"] = millis(or(c.StatementTimeout, 3*time.Second))
	set["lock_timeout"] = millis(or(c.LockTimeout, 2*time.Second))
	set["idle_in_transaction_session_timeout"] = millis(10 * time.Second)
	set["timezone"] = "UTC"
	d := &DB{}
	d.noteCertificate(pc.ConnConfig)
	pc.BeforeConnect = func(_ context.Context, next *pgx.ConnConfig) error {
		// The files may have been renewed. Such as cannot be read now are being written: the ones before serve until then.
		if fresh, err := pgx.ParseConfig(c.URL); err == nil {
			next.TLSConfig = fresh.TLSConfig
			next.Fallbacks = fresh.Fallbacks
			d.noteCertificate(fresh)
		}
		return nil
	}
	if d.pool, err = pgxpool.NewWithConfig(ctx, pc); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return d, nil
}

// Certificate returns the client's certificate, as the next connection shows it; nil where there is none.
func (d *DB) Certificate() *x509.Certificate { return d.shows.Load() }

func (d *DB) noteCertificate(c *pgx.ConnConfig) {
	if c.TLSConfig != nil && len(c.TLSConfig.Certificates) > 0 && c.TLSConfig.Certificates[0].Leaf != nil {
		d.shows.Store(c.TLSConfig.Certificates[0].Leaf)
	}
}

// Close waits for running statements and closes every connection.
func (d *DB) Close() { d.pool.Close() }

// Pool is the pool itself, for what runs outside of requests: migrations, checks, statistics.
func (d *DB) Pool() *pgxpool.Pool { return d.pool }

// Ping reports whether the gateway answers. Errors are fault.Unavailable.
func (d *DB) Ping(ctx context.Context) error {
	if err := d.pool.Ping(ctx); err != nil {
		return Fault(err)
	}
	return nil
}

// Exec runs one statement and returns how many rows it affected. Use it outside of a transaction only for a
// statement that may be repeated.
func (d *DB) Exec(ctx context.Context, sql string, args ...any) (int64, error) {
	tag, err := d.pool.Exec(ctx, sql, args...)
	return tag.RowsAffected(), err
}

// Query runs one reading statement.
func (d *DB) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return d.pool.Query(ctx, sql, args...)
}

// QueryRow runs one reading statement that returns at most one row.
func (d *DB) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return d.pool.QueryRow(ctx, sql, args...)
}

// Send runs the statements of a batch in one round trip, each by itself. Use it for reading.
func (d *DB) Send(ctx context.Context, batch *Batch) error {
	return d.pool.SendBatch(ctx, batch).Close()
}

// Engine tells which engine the server is; it asks once.
func (d *DB) Engine(ctx context.Context) (Engine, error) {
	if known, ok := d.engine.Load().(Engine); ok {
		return known, nil
	}
	engine, err := EngineOf(ctx, d.pool)
	if err == nil {
		d.engine.Store(engine)
	}
	return engine, err
}

// EngineOf asks a server, by a pool or a connection, which engine it is.
func EngineOf(ctx context.Context, q interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}) (Engine, error) {
	var version string
	if err := q.QueryRow(ctx, "SELECT version()").Scan(&version); err != nil {
		return "", Fault(err)
	}
	if strings.HasPrefix(version, "CockroachDB") {
		return CockroachDB, nil
	}
	return PostgreSQL, nil
}

// Fault turns an error of the database about a single statement, or a transaction that did not reach COMMIT, into
// a *fault.Error: nothing was changed, unless it is fault.Ambiguous, which a statement that commits by itself can be
// on CockroachDB (40003). Errors that are not the database's pass through, as does pgx.ErrNoRows.
func Fault(err error) error {
	var known *fault.Error
	switch {
	case err == nil || errors.Is(err, pgx.ErrNoRows) || errors.As(err, &known):
		return err
	case errors.Is(err, context.Canceled):
		return fault.Wrap(err, fault.Unavailable, "CANCELED", "the caller went away before the database answered")
	}
	switch code := sqlState(err); {
	case code == "57014" || errors.Is(err, context.DeadlineExceeded):
		return fault.Wrap(err, fault.Unavailable, "DATABASE_SLOW",
			"the database did not answer in time; nothing was changed, please retry").After(time.Second)
	case code == "55P03":
		return fault.Wrap(err, fault.Unavailable, "DATABASE_CONTENDED",
			"too many requests want the same rows; nothing was changed, please retry").After(time.Second)
	case code == "58C00":
		return fault.Wrap(err, fault.Unavailable, "NO_QUORUM",
			"too many regions are lost to write safely; nothing was changed").After(5 * time.Second)
	case code == "XXC02":
		return fault.Wrap(err, fault.Unavailable, "DATABASE_UNLICENSED",
			"the database's license does not allow this any more; nothing was changed").After(time.Minute)
	case code == "40003":
		return errAmbiguous(err)
	case outdated(err):
		return fault.Wrap(err, fault.Unavailable, "REGIONS_CHANGED",
			"the database's regions have just changed; nothing was changed, please retry").After(time.Second)
	case code == "40001" || code == "40P01":
		return fault.Wrap(err, fault.Unavailable, "DATABASE_CONTENDED",
			"the transaction lost against others too often; nothing was changed, please retry").After(time.Second)
	case code == "22021" || code == "22P05":
		return fault.Wrap(err, fault.Invalid, "TEXT_INVALID", "a text holds a character that cannot be kept, such as NUL")
	case code == "54000":
		return fault.Wrap(err, fault.Invalid, "VALUE_TOO_LARGE", "a value is larger than the database keeps, or finds by")
	case lost(err):
		return fault.Wrap(err, fault.Unavailable, "DATABASE_UNREACHABLE",
			"the database cannot be reached; nothing was changed, please retry").After(time.Second)
	case troubled(code):
		return fault.Wrap(err, fault.Unavailable, "DATABASE_IN_TROUBLE",
			"the database cannot do this now; nothing was changed, please retry").After(time.Second)
	case code != "":
		return fault.Wrap(err, fault.Internal, "DATABASE_ERROR", "the database refused a statement")
	}
	return err
}

// Refuses reports whether an error, also one that Fault made, is the database's definite word that it takes no write:
// too many regions are lost (58C00), it is read-only (25006), or what is asked for is not there or not allowed (42).
// Everything else may pass by itself.
func Refuses(err error) bool {
	code := sqlState(err)
	return code == "58C00" || code == "25006" || strings.HasPrefix(code, "42")
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

func millis(d time.Duration) string { return fmt.Sprint(d.Milliseconds()) }
