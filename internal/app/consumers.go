package app

import (
	"slices"

	"github.com/meridian-commerce/meridian/internal/event"
	"github.com/meridian-commerce/meridian/internal/event/eventsql"
	"github.com/meridian-commerce/meridian/internal/event/kafka"
	"github.com/meridian-commerce/meridian/internal/payment"
	"github.com/meridian-commerce/meridian/internal/payment/paymentsql"
)

// registration is a consumer of events and the module that it runs with.
type registration struct {
	module   string
	consumer event.Consumer
}

// registrations is everyone who reacts to events: another one is another line. Every relay owes each of them what it
// wants, whether it runs in the same process or not.
func (s *stack) registrations() []registration {
	return []registration{
		{"payment", payment.NewConsumer(paymentsql.New(s.db), s.regions)},
	}
}

func consumersOf(registered []registration) []event.Consumer {
	out := make([]event.Consumer, len(registered))
	for i, r := range registered {
		out[i] = r.consumer
	}
	return out
}

// consume runs the consumers of the modules that this instance runs.
func (s *stack) consume(modules []string) error {
	for _, r := range s.registrations() {
		if !slices.Contains(modules, r.module) {
			continue
		}
		if err := s.config.Require("kafka.brokers"); err != nil {
			return err
		}
		c, err := kafka.NewConsumer(s.config.Kafka, r.consumer, eventsql.Once(s.db, r.consumer), s.telemetry.Logger, s.telemetry.Metrics)
		if err != nil {
			return unusable(err)
		}
		s.background = append(s.background, c.Run)
	}
	return nil
}
