package payment

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/meridian-commerce/meridian/regions"
)

// Open is how many payments are in a state in which something is owed, and for how long the oldest one exists.
type Open struct {
	State  State
	Count  int
	Oldest time.Duration
}

// Opens tells what is open. It is safe for concurrent use; errors are *fault.Error.
type Opens interface {
	// Open returns an entry for each state of a region's payments that a worker is to look at now or later.
	Open(ctx context.Context, home regions.Name) ([]Open, error)
}

// Backlog tells how many of a region's payments are open. It is safe for concurrent use.
type Backlog struct {
	opens   Opens
	open    *prometheus.GaugeVec
	pending *prometheus.GaugeVec
}

// NewBacklog returns a Backlog. Its metrics are registered with reg, which may be nil.
func NewBacklog(o Opens, reg prometheus.Registerer) *Backlog {
	return &Backlog{
		opens: o,
		open: promauto.With(reg).NewGaugeVec(prometheus.GaugeOpts{
			Name: "meridian_payment_open", Help: "Payments of which something is owed, by state; authorized ones wait for their order's fulfillment. Told by the holder of the payment lease.",
		}, []string{"home", "state"}),
		pending: promauto.With(reg).NewGaugeVec(prometheus.GaugeOpts{
			Name: "meridian_payment_oldest_pending_seconds", Help: "Age of the oldest payment that the provider has neither authorized nor declined; 0 without one. Told by the holder of the payment lease.",
		}, []string{"home"}),
	}
}

// owed is the states in which something is owed.
var owed = []State{Created, Authorizing, Authorized, Capturing, Voiding}

// Measure is one step: it reads the backlog of a region. It does no work, and so returns 0.
func (b *Backlog) Measure(ctx context.Context, home regions.Name) (int, error) {
	found, err := b.opens.Open(ctx, home)
	if err != nil {
		return 0, err
	}
	byState := make(map[State]Open, len(found))
	for _, o := range found {
		byState[o.State] = o
	}
	for _, s := range owed {
		b.open.WithLabelValues(string(home), string(s)).Set(float64(byState[s].Count))
	}
	b.pending.WithLabelValues(string(home)).Set(max(byState[Created].Oldest, byState[Authorizing].Oldest).Seconds())
	return 0, nil
}

// Forget takes a region's figures back: another instance tells them from now on.
func (b *Backlog) Forget(home regions.Name) {
	b.open.DeletePartialMatch(prometheus.Labels{"home": string(home)})
	b.pending.DeleteLabelValues(string(home))
}
