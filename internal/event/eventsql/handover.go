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
	// comeBack is how long readers may take to find a bus that is back: to one that lost its groups and topics, 50 s.
	comeBack = time.Minute
)

// HandOver is one step: while the bus takes nothing or has lost what it took, and for a minute after, it has the effects itself
// of a batch of events that consumers have not taken, and returns of how many. The events stay due, so the bus has them once it is back, and by their inboxes
// consumers know that they took them.
func (r *Relay) HandOver(ctx context.Context, home regions.Name) (int, error) {
	if at := r.away.Load(); at == nil || time.Since(*at) > comeBack {
		return 0, nil
	}
	ctx, cancel := context.WithTimeout(ctx, handOverLimit)
	defer cancel()
	rows, err := r.db.Query(ctx, open, string(home), Batch, r.wants[0], r.wants[1])
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

// open is what registered consumers have not taken, of what is not on the bus and of what they are owed. The newest come
// first: those that a consumer can never take must not keep the others from it, and callers wait for the newest.
const open = `WITH owed AS (
		SELECT w.consumer, o.id, o.order_id, o.sequence FROM outbox o JOIN unnest($3::text[], $4::text[]) AS w (consumer, type) ON w.type = o.type
		WHERE o.home_region = $1 AND o.due_at IS NOT NULL
		UNION SELECT consumer, event_id, aggregate_id, sequence FROM pending_deliveries WHERE home_region = $1 AND consumer = ANY($3))
	SELECT d.consumer, o.id, o.order_id, o.sequence, o.type, o.payload, o.traceparent, o.created_at
	FROM owed d JOIN outbox o ON o.home_region = $1 AND o.order_id = d.order_id AND o.sequence = d.sequence
	WHERE NOT EXISTS (SELECT 1 FROM inbox i WHERE i.home_region = $1 AND i.consumer = d.consumer AND i.event_id = d.id)
	ORDER BY o.created_at DESC, o.sequence DESC LIMIT $2`
