package kafka

import (
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/meridian-commerce/meridian/internal/event"
	"github.com/meridian-commerce/meridian/internal/telemetry"
)

// Producer implements event.Publisher. It is safe for concurrent use.
type Producer struct {
	client *kgo.Client
	topics *topics
}

// NewProducer returns a Producer at once, whether a broker answers or not. Errors wrap ErrConfig.
func NewProducer(c Config) (*Producer, error) {
	client, l, err := connect(c,
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.DisableIdempotentWrite(), // duplicates are harmless, and a batch can be given up in time
		kgo.ProduceRequestTimeout(publishTime),
		kgo.RecordDeliveryTimeout(publishTime),
		kgo.UnknownTopicRetries(1),
		kgo.ProducerLinger(0),
	)
	if err != nil {
		return nil, err
	}
	return &Producer{client: client, topics: newTopics(client, l)}, nil
}

// Close gives up what is being published and closes the connections.
func (p *Producer) Close() { p.client.Close() }

// Publish implements event.Publisher. It takes at most about two seconds.
func (p *Producer) Publish(ctx context.Context, events []event.Event) error {
	ctx, cancel := context.WithTimeout(ctx, publishTime)
	defer cancel()
	names := topicsOf(events)
	// Topics are made on demand, so that a broker that lost its data is filled again without an operator.
	if err := p.topics.ensure(ctx, names); err != nil {
		return err
	}
	records, spans := prepare(ctx, events)
	err := p.client.ProduceSync(ctx, records...).FirstErr()
	for _, span := range spans {
		if err != nil {
			span.SetStatus(codes.Error, err.Error())
		}
		span.End()
	}
	// A topic that was deleted is made again at the next try.
	if gone(err) {
		p.topics.forget(names)
	}
	if err != nil {
		return fmt.Errorf("kafka: publish %d events: %w", len(events), p.topics.link.explain(err))
	}
	return nil
}

// topicsOf returns the topics of events, each once.
func topicsOf(events []event.Event) []string {
	var names []string
	for _, e := range events {
		if name := e.Type.Aggregate().Topic(); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// prepare makes the records, each with a span of its own that continues its event's trace; the caller ends them.
func prepare(ctx context.Context, events []event.Event) ([]*kgo.Record, []trace.Span) {
	records := make([]*kgo.Record, len(events))
	spans := make([]trace.Span, len(events))
	for i, e := range events {
		inner, span := otel.Tracer("meridian/event").Start(telemetry.Extract(ctx, e.Traceparent), "publish "+string(e.Type),
			trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(attribute.String("cloudevents.event_id", e.ID)))
		records[i] = encode(e, telemetry.Inject(inner))
		spans[i] = span
	}
	return records, spans
}
