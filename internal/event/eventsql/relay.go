package eventsql

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/meridian-commerce/meridian/internal/event"
	"github.com/meridian-commerce/meridian/internal/plant"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/regions"
)

// Batch is how many events one step of a Relay publishes at most: after fewer, nothing is left to do.
const Batch = 100

const (
	endBatch     = 500              // deliveries that one step finds taken, at most
	visibility   = 15 * time.Second // until an event is published again that a consumer did not take, or whose publishing was not noted
	retryAfter   = time.Second      // until an event that could not be published is due again
	refusedAfter = time.Minute      // and one that the bus refused: many of them must not take the others' turns
)

// Relay publishes new events, and again those that a registered consumer has not taken. It is safe for concurrent use;
// several relays of one region cost duplicates at worst.
type Relay struct {
	db        *sqldb.DB
	publisher event.Publisher
	consumers []string
	handlers  map[string]event.Handler // by consumer
	wants     [2][]string              // consumers and types: who wants what, pair by pair
	floor     sqldb.Floor
	log       *slog.Logger
	handed    *prometheus.CounterVec
	published *prometheus.CounterVec
	lag       *prometheus.HistogramVec
}

// NewRelay returns a Relay. consumers is everyone who is owed events, wherever they run; errors wrap
// event.ErrConsumer. Its metrics are registered with reg, which may be nil.
func NewRelay(db *sqldb.DB, p event.Publisher, consumers []event.Consumer, log *slog.Logger, reg prometheus.Registerer) (*Relay, error) {
	r := &Relay{db: db, publisher: p, consumers: names(consumers), handlers: map[string]event.Handler{}, log: log}
	for i, c := range consumers {
		if err := c.Validate(); err != nil {
			return nil, err
		}
		// Two of one name would share an inbox, and each would miss what the other took.
		if slices.Contains(r.consumers[:i], c.Name) {
			return nil, fmt.Errorf("%w: %q is registered twice", event.ErrConsumer, c.Name)
		}
		r.handlers[c.Name] = Once(db, c)
		for _, t := range c.Types {
			r.wants[0] = append(r.wants[0], c.Name)
			r.wants[1] = append(r.wants[1], string(t))
		}
	}
	r.published = promauto.With(reg).NewCounterVec(prometheus.CounterOpts{
		Name: "meridian_outbox_published_total", Help: "Events put on the bus, repetitions included.",
	}, []string{"home", "type"})
	r.handed = promauto.With(reg).NewCounterVec(prometheus.CounterOpts{
		Name: "meridian_outbox_handed_over_total", Help: "Events that consumers were handed without the bus, because it did not bring them in time.",
	}, []string{"consumer", "home", "type"})
	r.lag = promauto.With(reg).NewHistogramVec(prometheus.HistogramOpts{
		Name: "meridian_outbox_publish_lag_seconds", Help: "From an event's creation until it was on the bus, repetitions included.",
		Buckets: []float64{.05, .1, .2, .4, .8, 1.6, 3.2, 6.4, 15, 60},
	}, []string{"home"})
	return r, nil
}

func names(consumers []event.Consumer) []string {
	out := make([]string, len(consumers)) // not nil, which would be NULL and equal to nothing
	for i, c := range consumers {
		out[i] = c.Name
	}
	return out
}

// Publish is one step: it publishes a batch of the region's new events and returns how many. An idle step is one
// read. Before they are published, events are pushed into the future, so no lock is held while the bus works; a crash
// in between publishes them again.
func (r *Relay) Publish(ctx context.Context, home regions.Name) (int, error) {
	from, due, err := r.floor.Look(ctx, r.db, `SELECT now(), EXISTS (SELECT 1 FROM outbox WHERE home_region = $1 AND due_at BETWEEN $2 AND now())`, home)
	if err != nil || !due {
		return 0, err
	}
	events, err := r.claim(ctx, home, claimNew, r.wants[0], r.wants[1], from)
	if err != nil || len(events) == 0 {
		return 0, err
	}
	if plant.Bites(plant.PublishedEarly, 1) {
		_ = r.done(ctx, home, events) // the bug is all that matters
	}
	there, err := r.publish(ctx, home, rescheduleNew, events)
	if err != nil || len(there) == 0 {
		return 0, err
	}
	// An error here costs a repetition only: the events are on the bus, and consumers take each once.
	return len(there), r.done(ctx, home, there)
}

// Republish is one step: it publishes a batch of those events again that a registered consumer is owed and has not
// taken in time, and returns how many. An idle step is one read.
func (r *Relay) Republish(ctx context.Context, home regions.Name) (int, error) {
	var due bool
	err := r.db.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM pending_deliveries WHERE home_region = $1 AND consumer = ANY($2) AND due_at <= now())`,
		string(home), r.consumers).Scan(&due)
	if err != nil || !due {
		return 0, sqldb.Fault(err)
	}
	// Consumers never touch these rows: whether one has taken an event is asked of its inbox.
	ended, err := r.db.Exec(ctx, endTaken, string(home), endBatch, r.consumers)
	if err != nil {
		return 0, sqldb.Fault(err)
	}
	events, err := r.claim(ctx, home, claimPending, r.consumers)
	if err != nil {
		return 0, err
	}
	there, err := r.publish(ctx, home, reschedulePending, events)
	return int(ended) + len(there), err
}

// publish puts events on the bus, each kind of aggregate by itself, as one's topic must not keep the others from theirs. It
// returns what is there; the rest it reschedules. The error says that the bus took nothing, and not because of what it was.
func (r *Relay) publish(ctx context.Context, home regions.Name, reschedule string, events []event.Event) (there []event.Event, err error) {
	kinds := map[event.Aggregate][]event.Event{}
	for _, e := range events {
		kinds[e.Type.Aggregate()] = append(kinds[e.Type.Aggregate()], e)
	}
	for kind, events := range kinds {
		taken, left, failed := r.publishKind(ctx, events)
		there = append(there, taken...)
		if failed == nil {
			continue
		}
		// Otherwise a short outage of the bus would delay these events by the whole visibility time-out.
		after := retryAfter
		if errors.Is(failed, event.ErrRefused) {
			after = refusedAfter
		} else {
			err = failed
		}
		r.log.WarnContext(ctx, "events are not on the bus; they are tried again", "home", home, "aggregate", kind, "events", len(left), "first", left[0].ID, "after", after, "error", failed)
		r.reschedule(ctx, home, reschedule, after, left)
	}
	for _, e := range there {
		r.published.WithLabelValues(string(home), string(e.Type)).Inc()
		r.lag.WithLabelValues(string(home)).Observe(time.Since(e.CreatedAt).Seconds())
	}
	if len(there) > 0 {
		err = nil // a failed step would be followed by a pause
	}
	return there, err
}

// publishKind puts events of one kind of aggregate on the bus, in the order of their sequence. Where the bus refuses some of
// them, it is asked for each; what follows a refused one of the same aggregate is left too.
func (r *Relay) publishKind(ctx context.Context, events []event.Event) (there, left []event.Event, err error) {
	// RETURNING has no order, and consumers see an aggregate's events in the order of publishing.
	slices.SortFunc(events, func(a, b event.Event) int {
		return cmp.Or(cmp.Compare(a.AggregateID, b.AggregateID), cmp.Compare(a.Sequence, b.Sequence))
	})
	switch err = r.publisher.Publish(ctx, events); {
	case err == nil:
		return events, nil, nil
	case !errors.Is(err, event.ErrRefused):
		return nil, events, err
	}
	err = nil
	for i, e := range events {
		if len(left) > 0 && left[len(left)-1].AggregateID == e.AggregateID {
			left = append(left, e)
			continue
		}
		switch alone := r.publisher.Publish(ctx, events[i:i+1]); {
		case alone == nil:
			there = append(there, e)
		case errors.Is(alone, event.ErrRefused):
			left, err = append(left, e), alone
		default: // a bus that is away now would be so for all the others
			return there, append(left, events[i:]...), alone
		}
	}
	return there, left, err
}

// claimNew notes who is owed the events before they are on the bus, so that a crash in between owes too much rather
// than too little. It leaves an event whose predecessor is due later, because that one was refused or is being published.
const claimNew = `WITH due AS MATERIALIZED (
		SELECT order_id, sequence FROM outbox o WHERE home_region = $1 AND due_at BETWEEN $6 AND now() AND NOT EXISTS (
			SELECT 1 FROM outbox p WHERE p.home_region = $1 AND p.order_id = o.order_id AND p.sequence < o.sequence AND p.due_at > o.due_at)
		ORDER BY due_at, order_id, sequence LIMIT $2 FOR UPDATE SKIP LOCKED),
	claimed AS (
		UPDATE outbox o SET due_at = now() + $3::interval FROM due
		WHERE o.home_region = $1 AND o.order_id = due.order_id AND o.sequence = due.sequence
		RETURNING o.id, o.order_id, o.sequence, o.type, o.payload, o.traceparent, o.created_at),
	owed AS (
		INSERT INTO pending_deliveries (home_region, consumer, event_id, aggregate_id, sequence, due_at, created_at)
		SELECT $1, w.consumer, c.id, c.order_id, c.sequence, now() + $3::interval, c.created_at
		FROM claimed c JOIN unnest($4::text[], $5::text[]) AS w (consumer, type) ON w.type = c.type
		ON CONFLICT (home_region, consumer, event_id) DO NOTHING)
	SELECT id, order_id, sequence, type, payload, traceparent, created_at FROM claimed`

const endTaken = `DELETE FROM pending_deliveries WHERE home_region = $1 AND (consumer, event_id) IN (
		SELECT p.consumer, p.event_id FROM pending_deliveries p
		JOIN inbox i ON i.home_region = $1 AND i.consumer = p.consumer AND i.event_id = p.event_id
		WHERE p.home_region = $1 AND p.consumer = ANY($3) AND p.due_at <= now() LIMIT $2)`

// claimPending returns an event once, however many consumers are owed it.
const claimPending = `WITH due AS MATERIALIZED (
		SELECT consumer, event_id FROM pending_deliveries p
		WHERE home_region = $1 AND consumer = ANY($4) AND due_at <= now() AND NOT EXISTS (
			SELECT 1 FROM inbox i WHERE i.home_region = $1 AND i.consumer = p.consumer AND i.event_id = p.event_id)
		ORDER BY due_at, event_id LIMIT $2 FOR UPDATE SKIP LOCKED),
	claimed AS (
		UPDATE pending_deliveries p SET due_at = now() + $3::interval FROM due
		WHERE p.home_region = $1 AND p.consumer = due.consumer AND p.event_id = due.event_id
		RETURNING p.aggregate_id, p.sequence)
	SELECT id, order_id, sequence, type, payload, traceparent, created_at FROM outbox
	WHERE home_region = $1 AND (order_id, sequence) IN (SELECT aggregate_id, sequence FROM claimed)`

func (r *Relay) claim(ctx context.Context, home regions.Name, sql string, args ...any) ([]event.Event, error) {
	rows, err := r.db.Query(ctx, sql, append([]any{string(home), Batch, visibility}, args...)...)
	if err != nil {
		return nil, sqldb.Fault(err)
	}
	events, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (event.Event, error) {
		e := event.Event{Home: home}
		err := row.Scan(&e.ID, &e.AggregateID, &e.Sequence, &e.Type, &e.Payload, &e.Traceparent, &e.CreatedAt)
		return e, err
	})
	return events, sqldb.Fault(err)
}

// done notes what was published; from now on only its pending deliveries publish it again.
func (r *Relay) done(ctx context.Context, home regions.Name, events []event.Event) error {
	aggregates, ids := keys(events)
	_, err := r.db.Exec(ctx, `UPDATE outbox SET published_at = now(), due_at = NULL
		WHERE home_region = $1 AND order_id = ANY($2) AND id = ANY($3)`, string(home), aggregates, ids)
	return sqldb.Fault(err)
}

const (
	// A new event that is not on the bus is owed to nobody yet: else it would be published twice once the bus is back.
	rescheduleNew = `WITH later AS (
			UPDATE outbox SET due_at = now() + $3::interval
			WHERE home_region = $1 AND order_id = ANY($4) AND id = ANY($2) AND due_at IS NOT NULL RETURNING id)
		DELETE FROM pending_deliveries p USING later WHERE p.home_region = $1 AND p.consumer = ANY($5) AND p.event_id = later.id`
	reschedulePending = `UPDATE pending_deliveries SET due_at = now() + $3::interval
		WHERE home_region = $1 AND consumer = ANY($5) AND event_id = ANY($2) AND aggregate_id = ANY($4)`
)

// reschedule makes events due anew that could not be published; without it they are due after their visibility
// time-out.
func (r *Relay) reschedule(ctx context.Context, home regions.Name, sql string, after time.Duration, events []event.Event) {
	aggregates, ids := keys(events)
	if _, err := r.db.Exec(ctx, sql, string(home), ids, after, aggregates, r.consumers); err != nil {
		r.log.WarnContext(ctx, "events that could not be published wait for their visibility time-out", "home", home, "events", len(events), "error", err)
	}
}

func keys(events []event.Event) (aggregates, ids []string) {
	for _, e := range events {
		aggregates = append(aggregates, e.AggregateID)
		ids = append(ids, e.ID)
	}
	return aggregates, ids
}
