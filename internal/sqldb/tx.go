package sqldb

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/fault"
)

const (
	maxAttempts   = 20
	commitTimeout = 10 * time.Second
)

var serializable = pgx.TxOptions{IsoLevel: pgx.Serializable}

// Tx is a transaction that InTx began. Only InTx ends it: to a domain it is a value to hand on to the stores that
// take part. It is not safe for concurrent use.
type Tx struct{ tx pgx.Tx }

var _ Querier = Tx{}

// Batch is statements that are sent in one round trip.
type Batch = pgx.Batch

// QueueNow has a batch read the database's time, in UTC: in a transaction that of its beginning.
func QueueNow(batch *Batch, at *time.Time) {
	batch.Queue(`SELECT now()`).QueryRow(func(row pgx.Row) error {
		err := row.Scan(at)
		*at = at.UTC() // the server's zone is nobody's business
		return err
	})
}

// Exec runs one statement and returns how many rows it affected. Errors are the database's own, so that InTx can
// tell which of them to run again.
func (t Tx) Exec(ctx context.Context, sql string, args ...any) (int64, error) {
	tag, err := t.tx.Exec(ctx, sql, args...)
	return tag.RowsAffected(), err
}

// Query runs one statement that returns rows.
func (t Tx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return t.tx.Query(ctx, sql, args...)
}

// QueryRow runs one statement that returns at most one row.
func (t Tx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return t.tx.QueryRow(ctx, sql, args...)
}

// Send runs the statements of a batch; the first that fails ends it.
func (t Tx) Send(ctx context.Context, batch *Batch) error {
	return t.tx.SendBatch(ctx, batch).Close()
}

// InTx runs fn in a SERIALIZABLE transaction and commits it, in the same way on both engines: COMMIT needs no savepoint
// before it, because 40001 says that nothing happened and 40003 that nobody knows. When the database aborts the
// transaction (40001, 40P01), or the connection is lost before COMMIT was sent, all of fn runs again, so fn must have
// no effect outside of tx. Errors: what fn returned; fault.Unavailable when nothing was changed; fault.Ambiguous
// (reason COMMIT_AMBIGUOUS) when the outcome of COMMIT is unknown: read back by an idempotency key, do not repeat.
//
// A caller that goes away does not interrupt a COMMIT that was sent.
func (d *DB) InTx(ctx context.Context, fn func(tx Tx) error) error {
	reconnected := false
	refreshed := false
	for attempt := 1; ; attempt++ {
		err := d.attempt(ctx, fn)
		switch {
		// An ambiguous commit is never run again: it may have happened.
		case err == nil, fault.Is(err, fault.Ambiguous):
			d.counts.end(err)
			return err
		case retryable(err) && attempt < maxAttempts:
		case outdated(err) && !refreshed:
			refreshed = true
			d.pool.Reset() // the statements that a session prepared end with it
		// Once only: a server that is lost twice is likely away, and the caller should learn that.
		case lostBeforeCommit(err) && !reconnected && ctx.Err() == nil:
			reconnected = true
		default:
			d.counts.end(err)
			return Fault(err)
		}
		d.counts.retried.Add(1)
		trace.SpanFromContext(ctx).AddEvent("sql.retry", trace.WithAttributes(attribute.String("db.response.status_code", sqlState(err))))
		if err := clock.Sleep(ctx, backoff(attempt)); err != nil {
			return Fault(err)
		}
	}
}

func (d *DB) attempt(ctx context.Context, fn func(tx Tx) error) error {
	tx, err := d.pool.BeginTx(ctx, serializable)
	if err != nil {
		return err
	}
	if err := fn(Tx{tx}); err != nil {
		// The caller may be gone, and an open transaction would hold its locks until the server notices.
		rollback, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = tx.Rollback(rollback) // fn's error is the one that matters; a failed rollback closes the connection
		return err
	}
	// The last moment at which giving up is certain to change nothing.
	if err := ctx.Err(); err != nil {
		_ = tx.Rollback(context.WithoutCancel(ctx))
		return err
	}
	// Interrupting a COMMIT would make its outcome unknown, so it gets its own time.
	commit, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	closed := tx.Conn().IsClosed()
	if err := tx.Commit(commit); !closed {
		return classifyCommit(err)
	}
	return pgconn.ErrConnClosed // not one byte of COMMIT was sent
}

// classifyCommit keeps the errors after which the transaction certainly did not commit and turns all others
// into fault.Ambiguous. A server that is short of something, or that is going down, may have committed before. What pgx says
// is safe to retry is not: of a session that ends without a word after COMMIT was sent, it says that it was closed before.
func classifyCommit(err error) error {
	switch code := sqlState(err); {
	case err == nil, errors.Is(err, pgx.ErrTxCommitRollback):
		return err
	case code == "", code == "40003", unreachable(code), troubled(code):
		return errAmbiguous(err)
	}
	return err
}

func errAmbiguous(err error) error {
	return fault.Wrap(err, fault.Ambiguous, "COMMIT_AMBIGUOUS",
		"it is not known whether the change was committed; retry with the same idempotency key to learn the outcome")
}

func sqlState(err error) string {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code
	}
	return ""
}

// unreachable reports whether a SQLSTATE means that the session ended: connection exceptions, server shutdown.
func unreachable(code string) bool {
	return strings.HasPrefix(code, "08") || strings.HasPrefix(code, "57P") || code == "53300"
}

// troubled reports whether a SQLSTATE is about the server's own condition rather than about the statement: it is short
// of something (53), was told to stop (57), its system failed (58, with CockroachDB's 58C00 and 58C01), or it cannot
// say what failed (XXUUU). What is asked of another server, or later, may succeed.
func troubled(code string) bool {
	return strings.HasPrefix(code, "53") || strings.HasPrefix(code, "57") || strings.HasPrefix(code, "58") || code == "XXUUU"
}

// outdated reports whether a prepared statement compares values of an enum in the version of before a change of the
// regions with those of after it; prepared anew, it works. CockroachDB has no SQLSTATE for it.
func outdated(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && strings.Contains(pg.Message, "comparison of two different versions of enum")
}

func retryable(err error) bool {
	code := sqlState(err)
	return code == "40001" || code == "40P01" || errors.Is(err, pgx.ErrTxCommitRollback)
}

// lostBeforeCommit reports whether the session ended although COMMIT was not sent: attempt turns every loss
// during COMMIT into fault.Ambiguous. Errors of other rooms pass through fn and are not the database's.
func lostBeforeCommit(err error) bool {
	var known *fault.Error
	if errors.As(err, &known) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	return lost(err)
}

// lost reports whether an error means that there is no session with the server, or none any more.
func lost(err error) bool {
	var connect *pgconn.ConnectError
	var network net.Error
	return unreachable(sqlState(err)) || pgconn.SafeToRetry(err) || errors.Is(err, pgconn.ErrConnClosed) || errors.As(err, &connect) || errors.As(err, &network) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, puddle.ErrClosedPool)
}

// backoff is full jitter: a random share of 2 ms · 2^attempt, at most 250 ms.
func backoff(attempt int) time.Duration {
	ceiling := min(2*time.Millisecond<<min(attempt, 10), 250*time.Millisecond)
	return time.Duration(rand.Int64N(int64(ceiling))) // jitter needs no seed: no result depends on it
}
