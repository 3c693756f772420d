package paymentmetrics

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/meridian-commerce/meridian/internal/payment"
	"github.com/meridian-commerce/meridian/regions"
)

// Backlog tells how many of a region's payments are open. It is safe for concurrent use.
type Backlog struct {
	opens  payment.Opens
	open   *prometheus.GaugeVec
	oldest *prometheus.GaugeVec
}

// NewBacklog returns a Backlog. Its metrics are registered with reg, which may be nil.
func NewBacklog(o payment.Opens, reg prometheus.Registerer) *Backlog {
	return &Backlog{
		opens: o,
		open: promauto.With(reg).NewGaugeVec(prometheus.GaugeOpts{
			Name: "meridian_payment_open", Help: "Payments of which something is owed, by state; authorized ones wait for their order's fulfillment, and refunding ones are pending refunds. Told by the holder of the payment lease.",
		}, []string{"home", "state"}),
		oldest: promauto.With(reg).NewGaugeVec(prometheus.GaugeOpts{
			Name: "meridian_payment_oldest_open_seconds", Help: "For how long the payment that came first into a state has been in it, of those of which something is owed; 0 without one. Told by the holder of the payment lease.",
		}, []string{"home", "state"}),
	}
}

// owed is the states in which something is owed.
var owed = []payment.State{payment.Created, payment.Authorizing, payment.Authorized, payment.Capturing, payment.Voiding, payment.Refunding}

// Measure is one step: it reads the backlog of a region. It does no work, and so returns 0.
func (b *Backlog) Measure(ctx context.Context, home regions.Name) (int, error) {
	found, err := b.opens.Open(ctx, home)
	if err != nil {
		return 0, err
	}
	byState := make(map[payment.State]payment.Open, len(found))
	for _, o := range found {
		byState[o.State] = o
	}
	for _, s := range owed {
		b.open.WithLabelValues(string(home), string(s)).Set(float64(byState[s].Count))
		b.oldest.WithLabelValues(string(home), string(s)).Set(byState[s].Oldest.Seconds())
	}
	return 0, nil
}

// Forget takes a region's figures back: another instance tells them from now on.
func (b *Backlog) Forget(home regions.Name) {
	b.open.DeletePartialMatch(prometheus.Labels{"home": string(home)})
	b.oldest.DeletePartialMatch(prometheus.Labels{"home": string(home)})
}
