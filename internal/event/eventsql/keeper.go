package eventsql

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/meridian-commerce/meridian/internal/event"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/regions"
)

const (
	keepBatch = 500 // aggregates whose events one step makes due again
	// keepFor is less than Retention by what the publishing may take: a consumer's inbox must still know what it took.
	keepFor = Retention - 24*time.Hour
)

// Keeper publishes again what a bus has lost: it remembers how far the bus had come, and makes all events due once it
// fell behind that. It is safe for concurrent use.
type Keeper struct {
	db  sqldb.Querier
	bus event.Positioner
	at  regions.Name
	log *slog.Logger
}

// NewKeeper returns a Keeper of the bus of a region, to which its relay publishes.
func NewKeeper(db sqldb.Querier, bus event.Positioner, at regions.Name, log *slog.Logger) *Keeper {
	return &Keeper{db, bus, at, log}
}

// Keep is one step: it looks at the bus, and returns how many of the home's events it has made due again. They are those
// of a batch of aggregates, and only while none of the last batch are due and the relay keeps up, so that new ones never
// wait for many old ones.
func (k *Keeper) Keep(ctx context.Context, home regions.Name) (int, error) {
	var known event.Position
	var lostAt *time.Time
	err := k.db.QueryRow(ctx, `SELECT position, lost_at FROM bus_positions WHERE home_region = $1 AND bus = $2`, string(home), string(k.at)).Scan(&known, &lostAt)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return 0, sqldb.Fault(err)
	}
	now, err := k.bus.Position(ctx)
	if err != nil {
		return 0, err
	}
	next, lost := known.Advance(now)
	if lost {
		k.log.WarnContext(ctx, "the bus has lost events; those of the last days are published again", "home", home, "bus", k.at, "was", known, "is", now)
	}
	if lost || !reflect.DeepEqual(known, next) { // an idle region should not pay for a write and its quorum
		if _, err := k.db.Exec(ctx, note, string(home), string(k.at), next, lost); err != nil {
			return 0, sqldb.Fault(err)
		}
	}
	if !lost && lostAt == nil {
		return 0, nil
	}
	var n int
	err = k.db.QueryRow(ctx, again, string(home), string(k.at), keepBatch, keepFor).Scan(&n)
	return n, sqldb.Fault(err)
}

const note = `INSERT INTO bus_positions (home_region, bus, position, lost_at, due_up_to) VALUES ($1, $2, $3, CASE WHEN $4 THEN now() END, '')
	ON CONFLICT (home_region, bus) DO UPDATE SET position = excluded.position, lost_at = coalesce(excluded.lost_at, bus_positions.lost_at),
		due_up_to = CASE WHEN $4 THEN '' ELSE bus_positions.due_up_to END`

// again walks once through the primary key, which holds a whole aggregate together, so that its events are due at one time
// and are published in their order. Some are on the new bus already, which costs a repetition.
const again = `WITH lost AS (
		SELECT lost_at, due_up_to FROM bus_positions WHERE home_region = $1 AND bus = $2 AND lost_at IS NOT NULL
		AND NOT EXISTS (SELECT 1 FROM outbox WHERE home_region = $1 AND due_at <= now()
			AND (published_at IS NOT NULL OR due_at <= now() - INTERVAL '2 seconds'))),
	next AS MATERIALIZED (
		SELECT DISTINCT order_id FROM outbox WHERE home_region = $1 AND order_id > (SELECT due_up_to FROM lost) ORDER BY order_id LIMIT $3),
	made_due AS (
		UPDATE outbox o SET due_at = now() FROM next WHERE o.home_region = $1 AND o.order_id = next.order_id AND o.due_at IS NULL
		AND o.created_at > now() - $4::interval RETURNING o.id),
	walked AS (
		UPDATE bus_positions b SET due_up_to = coalesce((SELECT max(order_id) FROM next), ''),
			lost_at = CASE WHEN EXISTS (SELECT 1 FROM next) THEN b.lost_at END
		FROM lost WHERE b.home_region = $1 AND b.bus = $2 RETURNING b.bus)
	SELECT count(*) FROM made_due`
