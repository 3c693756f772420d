package app

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/meridian-commerce/meridian/internal/bus"
	"github.com/meridian-commerce/meridian/internal/lease"
	"github.com/meridian-commerce/meridian/internal/lease/leasesql"
	"github.com/meridian-commerce/meridian/internal/order/ordersql"
	"github.com/meridian-commerce/meridian/internal/outbox"
	"github.com/meridian-commerce/meridian/internal/payment"
	"github.com/meridian-commerce/meridian/internal/payment/paymentsql"
	"github.com/meridian-commerce/meridian/internal/payment/providerhttp"
)

// How long background work pauses when there was nothing to do.
const (
	relayEvery   = 150 * time.Millisecond
	paymentEvery = 150 * time.Millisecond
	sweepEvery   = 10 * time.Minute
)

// relayModule publishes the outbox of every region whose lease this instance holds, and sweeps old rows.
func relayModule(_ context.Context, s *stack) error {
	if err := s.config.Require("kafka.brokers"); err != nil {
		return err
	}
	producer, err := bus.NewProducer(s.config.Kafka.Brokers)
	if err != nil {
		return err
	}
	s.closers.addFunc(producer.Close)
	relay := outbox.NewRelay(s.db, producer, s.telemetry.Logger, s.telemetry.Metrics)
	return s.elect("relay",
		lease.Work{Name: "relay", Every: relayEvery, Step: relay.Publish},
		lease.Work{Name: "sweep", Every: sweepEvery, Step: outbox.NewSweeper(s.db).Sweep})
}

// paymentModule starts a payment for each placed order and moves the payments of every region whose lease this
// instance holds.
func paymentModule(_ context.Context, s *stack) error {
	if err := s.config.Require("kafka.brokers", "payment.provider_url"); err != nil {
		return err
	}
	provider, err := providerhttp.New(s.config.Payment.ProviderURL)
	if err != nil {
		return err
	}
	s.closers.addFunc(provider.Close)
	store := paymentsql.New(s.db)
	worker, err := payment.NewWorker(payment.Config{
		Store: store, Orders: ordersql.New(s.db, s.clock), Provider: provider, FulfillAfter: s.config.Order.FulfillAfter,
		Log: s.telemetry.Logger, Metrics: s.telemetry.Metrics,
	})
	if err != nil {
		return err
	}
	consumer, err := bus.NewConsumer(s.config.Kafka.Brokers, payment.ConsumerName, payment.NewConsumer(store, s.catalog).Handle,
		s.telemetry.Logger, s.telemetry.Metrics)
	if err != nil {
		return err
	}
	s.background = append(s.background, consumer.Run)
	return s.elect("payment", lease.Work{Name: "payment", Every: paymentEvery, Step: worker.Step})
}

// elect takes part in the election for the lease of that name in every region.
func (s *stack) elect(name string, work ...lease.Work) error {
	elector, err := lease.New(lease.Config{
		Catalog: s.catalog, Region: s.config.Region, Instance: s.config.Instance, Store: leasesql.New(s.db, name), Work: work,
		Log: s.telemetry.Logger.With("lease", name), Metrics: s.leaseMetrics(name),
	})
	if err != nil {
		return err
	}
	s.background = append(s.background, elector.Run)
	return nil
}

// leaseMetrics tells the metrics of several leases apart.
func (s *stack) leaseMetrics(name string) prometheus.Registerer {
	return prometheus.WrapRegistererWith(prometheus.Labels{"lease": name}, s.telemetry.Metrics)
}
