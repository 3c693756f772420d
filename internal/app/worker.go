package app

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/meridian-commerce/meridian/internal/event/eventsql"
	"github.com/meridian-commerce/meridian/internal/event/kafka"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/health"
	"github.com/meridian-commerce/meridian/internal/lease"
	"github.com/meridian-commerce/meridian/internal/lease/leasesql"
	"github.com/meridian-commerce/meridian/internal/order/ordersql"
	"github.com/meridian-commerce/meridian/internal/payment"
	"github.com/meridian-commerce/meridian/internal/payment/paymentmetrics"
	"github.com/meridian-commerce/meridian/internal/payment/paymentsql"
	"github.com/meridian-commerce/meridian/internal/payment/providerhttp"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/regions"
)

// How long background work pauses when there was nothing to do.
const (
	relayEvery     = 150 * time.Millisecond
	republishEvery = time.Second
	paymentEvery   = 150 * time.Millisecond
	handOverEvery  = time.Second
	keepEvery      = 2 * time.Second
	sweepEvery     = 10 * time.Minute
	backlogEvery   = 5 * time.Second
	overdueEvery   = time.Minute
)

// relayModule publishes the outbox of every region whose lease this instance holds, and sweeps old rows.
func relayModule(_ context.Context, s *stack) error {
	if err := s.config.Require("kafka.brokers"); err != nil {
		return err
	}
	producer, err := kafka.NewProducer(s.config.Kafka)
	if err != nil {
		return unusable(err)
	}
	s.closers.addFunc(producer.Close)
	consumers := consumersOf(s.registrations())
	relay, err := eventsql.NewRelay(s.db, producer, consumers, s.telemetry.Logger, s.telemetry.Metrics)
	if err != nil {
		return err
	}
	backlog := eventsql.NewBacklog(s.db, consumers, s.telemetry.Metrics)
	s.relay.elector, err = s.elect("relay",
		lease.Work{Name: "backlog", Every: backlogEvery, Step: backlog.Measure, Stopped: backlog.Forget},
		lease.Work{Name: "relay", Every: relayEvery, Step: s.relay.watched(relay.Publish)},
		lease.Work{Name: "republish", Every: republishEvery, Step: relay.Republish},
		lease.Work{Name: "hand-over", Every: handOverEvery, Step: relay.HandOver},
		lease.Work{Name: "keep", Every: keepEvery, Step: eventsql.NewKeeper(s.db, producer, s.config.Region, s.telemetry.Logger).Keep},
		lease.Work{Name: "sweep", Every: sweepEvery, Step: onPostgreSQL(s.db.Engine, eventsql.NewSweeper(s.db, consumers).Sweep)},
		lease.Work{Name: "sweep-keys", Every: sweepEvery, Step: onPostgreSQL(s.db.Engine, ordersql.New(s.db).SweepKeys)})
	return err
}

type step = func(ctx context.Context, home regions.Name) (int, error)

// onPostgreSQL leaves a sweep out on CockroachDB, which deletes the rows itself by row-level TTL: it does so range by
// range, where a statement of ours would read the whole partition to find them.
func onPostgreSQL(engine func(context.Context) (sqldb.Engine, error), sweep step) step {
	return func(ctx context.Context, home regions.Name) (int, error) {
		e, err := engine(ctx)
		if err != nil || e == sqldb.CockroachDB {
			return 0, err
		}
		return sweep(ctx, home)
	}
}

// relayProgress is how far behind this instance's relay is.
type relayProgress struct {
	elector *lease.Elector // nil: the instance relays nothing
	health.Progress
}

// watched notes how a step that publishes a region's events ends.
func (p *relayProgress) watched(publish func(context.Context, regions.Name) (int, error)) func(context.Context, regions.Name) (int, error) {
	return func(ctx context.Context, home regions.Name) (int, error) {
		n, err := publish(ctx, home)
		p.Step(time.Now(), home, err == nil && n < eventsql.Batch)
		return n, err
	}
}

// behind returns the region whose events have been waiting for longest, and for how long.
func (p *relayProgress) behind(now time.Time) (regions.Name, time.Duration) {
	if p.elector == nil {
		return "", 0
	}
	return p.Behind(now, p.elector.Held())
}

// paymentModule moves the payments of every region whose lease this
// instance holds.
func paymentModule(_ context.Context, s *stack) error {
	if err := s.config.Require("payment.provider_url"); err != nil {
		return err
	}
	if s.config.Order.PaymentDeadline < time.Minute {
		return fault.New(fault.Invalid, "CONFIG_INVALID", "order.payment_deadline is a minute or more, not %s", s.config.Order.PaymentDeadline)
	}
	provider, err := providerhttp.New(s.config.Payment.ProviderURL)
	if err != nil {
		return err
	}
	s.closers.addFunc(provider.Close)
	store, orders := paymentsql.New(s.db), ordersql.New(s.db)
	worker, err := payment.NewWorker(payment.Config{
		Store: store, Orders: orders, Provider: provider, FulfillAfter: s.config.Order.FulfillAfter,
		Concurrency: s.config.Payment.Concurrency, Changed: s.orders.Publish, Log: s.telemetry.Logger, Meter: paymentmetrics.NewMeter(s.telemetry.Metrics),
	})
	if err != nil {
		return unusable(err)
	}
	backlog := paymentmetrics.NewBacklog(store, s.telemetry.Metrics)
	_, err = s.elect("payment",
		lease.Work{Name: "backlog", Every: backlogEvery, Step: backlog.Measure, Stopped: backlog.Forget},
		lease.Work{Name: "payment", Every: paymentEvery, Step: worker.Step},
		lease.Work{Name: "refund", Every: paymentEvery, Step: worker.StepRefunds},
		lease.Work{Name: "overdue", Every: overdueEvery, Step: orders.Expire(s.config.Order.PaymentDeadline)})
	return err
}

// elect takes part in the election for the lease of that name in every region.
func (s *stack) elect(name string, work ...lease.Work) (*lease.Elector, error) {
	elector, err := lease.New(lease.Config{
		Regions: s.regions, Region: s.config.Region, Instance: s.config.Instance, Store: leasesql.New(s.db, name), Work: work,
		Log: s.telemetry.Logger.With("lease", name), Metrics: s.leaseMetrics(name),
	})
	if err != nil {
		return nil, err
	}
	s.background = append(s.background, elector.Run)
	return elector, nil
}

// leaseMetrics tells the metrics of several leases apart.
func (s *stack) leaseMetrics(name string) prometheus.Registerer {
	return prometheus.WrapRegistererWith(prometheus.Labels{"lease": name}, s.telemetry.Metrics)
}
