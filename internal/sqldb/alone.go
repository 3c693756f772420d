package sqldb

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/meridian-commerce/meridian/internal/clock"
)

// How long a process that migrates is waited for although nothing is heard of it, and how often it is heard of.
const (
	aloneFor   = 30 * time.Second
	aloneRenew = 5 * time.Second
	aloneAsk   = 250 * time.Millisecond
)

var errMigrationTaken = errors.New("sqldb: migrate: another process took over, because this one was not heard of for too long")

// claimMigration takes or renews the row, or affects none. Its times are the database's: whose clock is wrong does not
// matter. It is no advisory lock, which CockroachDB does not have, and no lock of an open transaction, which would hold
// on to the very descriptors whose change the migrations wait for there.
const claimMigration = `INSERT INTO migration_lock (id, holder, expires_at) VALUES (1, $1, now() + $2::interval)
	ON CONFLICT (id) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
	WHERE migration_lock.holder = excluded.holder OR migration_lock.expires_at < now()`

// alone runs work while no other process does: those that come meanwhile wait until it has ended, or has not been heard
// of for aloneFor. The context of work ends when that happens to this process.
func alone(ctx context.Context, config *pgx.ConnConfig, log *slog.Logger, work func(ctx context.Context) error) error {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return Fault(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // nothing is pending on it
	if err := makeLock(ctx, conn); err != nil {
		return fmt.Errorf("sqldb: migrate: make the lock: %w", err)
	}
	holder := rand.Text()
	for waiting := false; ; waiting = true {
		held, err := claim(ctx, conn, holder)
		if err != nil {
			return fmt.Errorf("sqldb: migrate: lock: %w", err)
		}
		if held {
			break
		}
		// Said once, and not at each of the looks.
		if !waiting {
			log.InfoContext(ctx, "waiting for another process that migrates")
		}
		if err := clock.Sleep(ctx, aloneAsk); err != nil {
			return err
		}
	}
	return hold(ctx, conn, holder, work)
}

// hold runs work, and renews the lock until it has ended.
func hold(ctx context.Context, conn *pgx.Conn, holder string, work func(ctx context.Context) error) error {
	working, lost := context.WithCancelCause(ctx)
	renewed := make(chan struct{})
	go func() {
		defer close(renewed)
		for clock.Sleep(working, aloneRenew) == nil {
			// An error is no verdict: while this process cannot reach the row, no other may find it expired for a while.
			if held, err := claim(working, conn, holder); err == nil && !held {
				lost(errMigrationTaken)
			}
		}
	}()
	err := work(working)
	if cause := context.Cause(working); cause != nil && err != nil {
		err = errors.Join(cause, err)
	}
	lost(nil)
	<-renewed // the connection is for one goroutine at a time
	// Releasing has its own time, because ctx may have ended the work.
	release, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_, _ = conn.Exec(release, "UPDATE migration_lock SET expires_at = now() - INTERVAL '1 s' WHERE id = 1 AND holder = $1", holder) // else it expires
	return err
}

func claim(ctx context.Context, conn *pgx.Conn, holder string) (bool, error) {
	for attempt := 1; ; attempt++ {
		tag, err := conn.Exec(ctx, claimMigration, holder, aloneFor)
		// Several processes that start at once contend for this row, which the database resolves by aborting some.
		if err == nil || !retryable(err) || attempt == maxAttempts {
			return tag.RowsAffected() == 1, Fault(err)
		}
		if err := clock.Sleep(ctx, backoff(attempt)); err != nil {
			return false, err
		}
	}
}

// makeLock makes the table of the lock. IF NOT EXISTS does not keep two that create at once from each other: the later
// one is told that the table, or its type, is there.
func makeLock(ctx context.Context, conn *pgx.Conn) error {
	for attempt := 1; ; attempt++ {
		_, err := conn.Exec(ctx, "CREATE TABLE IF NOT EXISTS migration_lock (id INT8 PRIMARY KEY, holder TEXT NOT NULL, expires_at TIMESTAMPTZ NOT NULL)")
		lostRace := retryable(err) || slices.Contains([]string{"23505", "42P07", "42710"}, sqlState(err))
		if err == nil || !lostRace || attempt == maxAttempts {
			return Fault(err)
		}
		if err := clock.Sleep(ctx, backoff(attempt)); err != nil {
			return err
		}
	}
}
