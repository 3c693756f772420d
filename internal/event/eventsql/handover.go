package eventsql

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/meridian-commerce/meridian/internal/event"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/regions"
)

const (
	handOverLimit = 5 * time.Second // of one step
	handOverSlots = 8               // events that are handed over at the same time; each takes a connection of the pool
	// late is when a consumer should have taken an event: the bus brings one within a second, and takes two to say that it
	// does not.
	late = 2 * time.Second
	// lateUntil is how long after it was published one is left to its next publishing. What cannot be taken is not tried on and on.
	lateUntil = 5 * time.Second
)

// HandOver is one step: it has the effects itself of a batch of events that consumers should have taken by now, and returns
// of how many. Whether the bus is away or refuses them, or has lost what it took, or is back and its readers have not found it
// again, is all one to who waits. The events stay due, so the bus has them once it can, and by their inboxes consumers know that
// they took them. An idle step is one read.
func (r *Relay) HandOver(ctx context.Context, home regions.Name) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, handOverLimit)
	defer cancel()
	rows, err := r.db.Query(ctx, open, string(home), Batch, r.wants[0], r.wants[1], late, visibility-lateUntil)
	if err != nil {
		return 0, sqldb.Fault(err)
	}
	type delivery struct {
		consumer string
		event.Event
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (delivery, error) {
		d := delivery{Event: event.Event{Home: home}}
		err := row.Scan(&d.consumer, &d.ID, &d.AggregateID, &d.Sequence, &d.Type, &d.Payload, &d.Traceparent, &d.CreatedAt)
		return d, err
	})
	if err != nil {
		return 0, sqldb.Fault(err)
	}
	slices.SortFunc(found, func(a, b delivery) int {
		return cmp.Or(cmp.Compare(a.AggregateID, b.AggregateID), cmp.Compare(a.Sequence, b.Sequence))
	})
	var done atomic.Int64
	var running sync.WaitGroup
	slots := make(chan struct{}, handOverSlots)
	for len(found) > 0 {
		n := 1
		for n < len(found) && found[n].AggregateID == found[0].AggregateID {
			n++
		}
		// Those of one aggregate one after the other, as from the bus.
		of := found[:n]
		found = found[n:]
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			for _, d := range of {
				if err := r.handlers[d.consumer](ctx, d.Event); err != nil {
					r.log.WarnContext(ctx, "event was not handed over; it is tried again", "event", d.ID, "type", d.Type, "consumer", d.consumer, "error", err)
					continue
				}
				done.Add(1)
				r.handed.WithLabelValues(d.consumer, string(home), string(d.Type)).Inc()
			}
		})
	}
	running.Wait()
	return int(done.Load()), nil
}

// open is what registered consumers have not taken and should have, of what is not on the bus and of what they are owed since it
// was put there a little while ago. The newest come first: those that a consumer can never take must not keep the others from it, and callers
// wait for the newest.
const open = `WITH owed AS (
		SELECT w.consumer, o.id, o.order_id, o.sequence FROM outbox o JOIN unnest($3::text[], $4::text[]) AS w (consumer, type) ON w.type = o.type
		WHERE o.home_region = $1 AND o.due_at IS NOT NULL AND o.created_at <= now() - $5::interval
		UNION SELECT consumer, event_id, aggregate_id, sequence FROM pending_deliveries
		WHERE home_region = $1 AND consumer = ANY($3) AND due_at >= now() + $6::interval AND created_at <= now() - $5::interval)
	SELECT d.consumer, o.id, o.order_id, o.sequence, o.type, o.payload, o.traceparent, o.created_at
	FROM owed d JOIN outbox o ON o.home_region = $1 AND o.order_id = d.order_id AND o.sequence = d.sequence
	WHERE NOT EXISTS (SELECT 1 FROM inbox i WHERE i.home_region = $1 AND i.consumer = d.consumer AND i.event_id = d.id)
	ORDER BY o.created_at DESC, o.sequence DESC LIMIT $2`
