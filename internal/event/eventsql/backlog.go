package eventsql

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/regions"
)

// Backlog tells how many of a region's events wait for their publishing or for their effect, and for how long. It is
// safe for concurrent use.
type Backlog struct {
	db     sqldb.Querier
	open   *prometheus.GaugeVec
	oldest *prometheus.GaugeVec
}

// NewBacklog returns a Backlog. Its metrics are registered with reg, which may be nil.
func NewBacklog(db sqldb.Querier, reg prometheus.Registerer) *Backlog {
	return &Backlog{
		db: db,
		open: promauto.With(reg).NewGaugeVec(prometheus.GaugeOpts{
			Name: "meridian_outbox_open_events", Help: "Events that are not on the bus yet, or whose effect is not done. Told by the holder of the relay's lease.",
		}, []string{"home"}),
		oldest: promauto.With(reg).NewGaugeVec(prometheus.GaugeOpts{
			Name: "meridian_outbox_oldest_open_seconds", Help: "Age of the oldest of the open events; 0 without one. Told by the holder of the relay's lease.",
		}, []string{"home"}),
	}
}

// Measure is one step: it reads the backlog of a region. It does no work, and so returns 0.
func (b *Backlog) Measure(ctx context.Context, home regions.Name) (int, error) {
	var open int64
	var seconds float64
	err := b.db.QueryRow(ctx, `SELECT count(*), COALESCE(EXTRACT(epoch FROM now() - min(created_at)), 0)::FLOAT8 FROM outbox
		WHERE home_region = $1 AND due_at IS NOT NULL`, string(home)).Scan(&open, &seconds)
	if err != nil {
		return 0, sqldb.Fault(err)
	}
	b.open.WithLabelValues(string(home)).Set(float64(open))
	b.oldest.WithLabelValues(string(home)).Set(max(seconds, 0))
	return 0, nil
}

// Forget takes a region's figures back: another instance tells them from now on.
func (b *Backlog) Forget(home regions.Name) {
	b.open.DeleteLabelValues(string(home))
	b.oldest.DeleteLabelValues(string(home))
}
