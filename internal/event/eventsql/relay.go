package eventsql

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/meridian-commerce/meridian/internal/event"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/regions"
)

// Batch is how many events one step of a Relay publishes at most: after fewer, nothing is left to do.
const Batch = 100

const (
	visibility = 15 * time.Second // until an event is published again unless its effect was done, or its publishing noted
	retryAfter = time.Second      // until an event that could not be published is due again
)

// Relay publishes due events. It is safe for concurrent use; several relays of one region cost duplicates at
// worst.
type Relay struct {
	db        sqldb.Querier
	publisher event.Publisher
	log       *slog.Logger
	published *prometheus.CounterVec
	lag       *prometheus.HistogramVec
}

// NewRelay returns a Relay. Its metrics are registered with reg, which may be nil.
func NewRelay(db sqldb.Querier, p event.Publisher, log *slog.Logger, reg prometheus.Registerer) *Relay {
	return &Relay{
		db: db, publisher: p, log: log,
		published: promauto.With(reg).NewCounterVec(prometheus.CounterOpts{
			Name: "meridian_outbox_published_total", Help: "Events put on the bus, repetitions included.",
		}, []string{"home", "type"}),
		lag: promauto.With(reg).NewHistogramVec(prometheus.HistogramOpts{
			Name: "meridian_outbox_publish_lag_seconds", Help: "From an event's creation until it was on the bus, repetitions included.",
			Buckets: []float64{.05, .1, .2, .4, .8, 1.6, 3.2, 6.4, 15, 60},
		}, []string{"home"}),
	}
}

// Publish is one step: it publishes a batch of the region's due events and returns how many. An idle step is one
// read. Before they are published, events are pushed into the future, so no lock is held while the bus works and
// an effect can be done at once; a crash in between publishes them again.
func (r *Relay) Publish(ctx context.Context, home regions.Name) (int, error) {
	due, err := r.due(ctx, home)
	if err != nil || !due {
		return 0, err
	}
	events, err := r.claim(ctx, home)
	if err != nil || len(events) == 0 {
		return 0, err
	}
	if err := r.publisher.Publish(ctx, events); err != nil {
		r.reschedule(ctx, home, events)
		return 0, err
	}
	for _, e := range events {
		r.published.WithLabelValues(string(home), string(e.Type)).Inc()
		r.lag.WithLabelValues(string(home)).Observe(time.Since(e.CreatedAt).Seconds())
	}
	return len(events), r.done(ctx, home, events)
}

func (r *Relay) due(ctx context.Context, home regions.Name) (bool, error) {
	var due bool
	err := r.db.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM outbox WHERE home_region = $1 AND due_at <= now())`, string(home)).Scan(&due)
	return due, sqldb.Fault(err)
}

const claimSQL = `WITH due AS MATERIALIZED (
		SELECT order_id, sequence FROM outbox WHERE home_region = $1 AND due_at <= now()
		ORDER BY due_at, order_id, sequence LIMIT $2 FOR UPDATE SKIP LOCKED)
	UPDATE outbox o SET due_at = now() + $3::interval FROM due
	WHERE o.home_region = $1 AND o.order_id = due.order_id AND o.sequence = due.sequence
	RETURNING o.id, o.order_id, o.sequence, o.type, o.payload, o.traceparent, o.created_at, o.awaits_effect`

func (r *Relay) claim(ctx context.Context, home regions.Name) ([]event.Event, error) {
	rows, err := r.db.Query(ctx, claimSQL, string(home), Batch, visibility)
	if err != nil {
		return nil, sqldb.Fault(err)
	}
	events, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (event.Event, error) {
		e := event.Event{Home: home}
		err := row.Scan(&e.ID, &e.AggregateID, &e.Sequence, &e.Type, &e.Payload, &e.Traceparent, &e.CreatedAt, &e.AwaitsEffect)
		return e, err
	})
	slices.SortFunc(events, func(a, b event.Event) int {
		return cmp.Or(cmp.Compare(a.AggregateID, b.AggregateID), cmp.Compare(a.Sequence, b.Sequence))
	})
	return events, sqldb.Fault(err)
}

// done notes what was published and awaits nothing; the others are noted by their effect.
func (r *Relay) done(ctx context.Context, home regions.Name, events []event.Event) error {
	orders, ids := keys(events, func(e event.Event) bool { return !e.AwaitsEffect })
	if len(ids) == 0 {
		return nil
	}
	_, err := r.db.Exec(ctx, `UPDATE outbox SET published_at = now(), due_at = NULL
		WHERE home_region = $1 AND order_id = ANY($2) AND id = ANY($3)`, string(home), orders, ids)
	return sqldb.Fault(err)
}

// reschedule makes events due soon that could not be published; without it they are due after their visibility
// time-out.
func (r *Relay) reschedule(ctx context.Context, home regions.Name, events []event.Event) {
	orders, ids := keys(events, func(event.Event) bool { return true })
	if _, err := r.db.Exec(ctx, `UPDATE outbox SET due_at = now() + $4::interval
		WHERE home_region = $1 AND order_id = ANY($2) AND id = ANY($3) AND due_at IS NOT NULL`, string(home), orders, ids, retryAfter); err != nil {
		r.log.WarnContext(ctx, "events that could not be published wait for their visibility time-out", "home", home, "events", len(events), "error", err)
	}
}

func keys(events []event.Event, want func(event.Event) bool) (orders, ids []string) {
	for _, e := range events {
		if want(e) {
			orders, ids = append(orders, e.AggregateID), append(ids, e.ID)
		}
	}
	return orders, ids
}
