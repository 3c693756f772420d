// Package paymentmetrics counts what becomes of payments, and what is owed of them.
package paymentmetrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/meridian-commerce/meridian/internal/payment"
)

// Meter counts payments by the states that they reach. It is safe for concurrent use.
type Meter struct {
	settled   *prometheus.CounterVec
	unsettled *prometheus.CounterVec
	captured  *prometheus.CounterVec
}

var _ payment.Meter = (*Meter)(nil)

// NewMeter returns a Meter. Its metrics are registered with reg, which may be nil.
func NewMeter(reg prometheus.Registerer) *Meter {
	return &Meter{
		settled: promauto.With(reg).NewCounterVec(prometheus.CounterOpts{
			Name: "meridian_payment_settled_total", Help: "Payments that reached a state, by state.",
		}, []string{"home", "state"}),
		unsettled: promauto.With(reg).NewCounterVec(prometheus.CounterOpts{
			Name: "meridian_payment_unsettled_total", Help: "Tries after which a payment's step is still open, by the state it is in.",
		}, []string{"home", "state"}),
		captured: promauto.With(reg).NewCounterVec(prometheus.CounterOpts{
			Name: "meridian_payment_captured_minor_units_total", Help: "Money captured, in the minor units of its currency.",
		}, []string{"home", "currency"}),
	}
}

// Settled implements payment.Meter.
func (m *Meter) Settled(p payment.Payment) {
	m.settled.WithLabelValues(string(p.Home), string(p.State)).Inc()
	if p.State == payment.Captured {
		m.captured.WithLabelValues(string(p.Home), string(p.Amount.Currency)).Add(float64(p.Amount.Minor))
	}
}

// Unsettled implements payment.Meter.
func (m *Meter) Unsettled(p payment.Payment) {
	m.unsettled.WithLabelValues(string(p.Home), string(p.State)).Inc()
}
