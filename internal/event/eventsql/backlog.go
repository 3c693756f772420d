package eventsql

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/meridian-commerce/meridian/internal/event"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/regions"
)

// Backlog measures how many of a region's events wait for their publishing or for a consumer, and for how long. It is
// safe for concurrent use.
type Backlog struct {
	db        sqldb.Querier
	consumers []string
	open      *prometheus.GaugeVec
	oldest    *prometheus.GaugeVec
	pending   *prometheus.GaugeVec
}

// NewBacklog returns a Backlog. Its metrics are registered with reg, which may be nil.
func NewBacklog(db sqldb.Querier, consumers []event.Consumer, reg prometheus.Registerer) *Backlog {
	return &Backlog{
		db: db, consumers: names(consumers),
		open: promauto.With(reg).NewGaugeVec(prometheus.GaugeOpts{
			Name: "meridian_outbox_open_events", Help: "Events that are not on the bus yet, or that a consumer has not taken. Reported by the holder of the relay's lease.",
		}, []string{"home"}),
		oldest: promauto.With(reg).NewGaugeVec(prometheus.GaugeOpts{
			Name: "meridian_outbox_oldest_open_seconds", Help: "Age of the oldest of the open events; 0 without one. Reported by the holder of the relay's lease.",
		}, []string{"home"}),
		pending: promauto.With(reg).NewGaugeVec(prometheus.GaugeOpts{
			Name: "meridian_outbox_pending_deliveries", Help: "Published events that a consumer has not taken. Reported by the holder of the relay's lease.",
		}, []string{"consumer", "home"}),
	}
}

// Measure is one step: it reads the backlog of a region. It does no work, and so returns 0.
func (b *Backlog) Measure(ctx context.Context, home regions.Name) (int, error) {
	var open int64
	var seconds float64
	err := b.db.QueryRow(ctx, `SELECT count(*), COALESCE(EXTRACT(epoch FROM now() - min(created_at)), 0)::FLOAT8 FROM (
		SELECT order_id, sequence, CASE WHEN published_at IS NULL THEN created_at ELSE due_at END AS created_at
		FROM outbox WHERE home_region = $1 AND due_at IS NOT NULL -- one that the bus has lost waits since it is due again
		UNION SELECT aggregate_id, sequence, created_at FROM pending_deliveries p WHERE home_region = $1 AND NOT EXISTS (
			SELECT 1 FROM inbox i WHERE i.home_region = $1 AND i.consumer = p.consumer AND i.event_id = p.event_id)) AS open`, string(home)).Scan(&open, &seconds)
	if err != nil {
		return 0, sqldb.Fault(err)
	}
	pending, err := b.pendingOf(ctx, home)
	if err != nil {
		return 0, sqldb.Fault(err)
	}
	b.open.WithLabelValues(string(home)).Set(float64(open))
	b.oldest.WithLabelValues(string(home)).Set(max(seconds, 0))
	for consumer, n := range pending {
		b.pending.WithLabelValues(consumer, string(home)).Set(float64(n))
	}
	return 0, nil
}

// pendingOf counts pending deliveries by consumer: registered ones in any case, and those that are still owed events
// without being registered.
func (b *Backlog) pendingOf(ctx context.Context, home regions.Name) (map[string]int64, error) {
	rows, err := b.db.Query(ctx, `SELECT consumer, count(*) FROM pending_deliveries p WHERE home_region = $1 AND NOT EXISTS (
		SELECT 1 FROM inbox i WHERE i.home_region = $1 AND i.consumer = p.consumer AND i.event_id = p.event_id) GROUP BY consumer`, string(home))
	if err != nil {
		return nil, err
	}
	out := map[string]int64{}
	for _, consumer := range b.consumers {
		out[consumer] = 0
	}
	var consumer string
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&consumer, &n}, func() error {
		out[consumer] = n
		return nil
	})
	return out, err
}

// Forget withdraws a region's figures: another instance reports them from now on.
func (b *Backlog) Forget(home regions.Name) {
	for _, g := range []*prometheus.GaugeVec{b.open, b.oldest, b.pending} {
		g.DeletePartialMatch(prometheus.Labels{"home": string(home)})
	}
}
