package kafka

import (
	"context"
	"errors"
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

// maxPayload is what fits into a record beside the attributes of an event, by the brokers' and the client's default.
const maxPayload = 1_000_000 - 4096

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
	names := make([]string, len(events))
	for i, e := range events {
		names[i] = e.Type.Aggregate().Topic()
		// The client would find out too, and publish what follows in the same aggregate all the same.
		if len(e.Payload) > maxPayload {
			return fmt.Errorf("%w: event %s has %d bytes; at most %d fit", event.ErrRefused, e.ID, len(e.Payload), maxPayload)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	// Topics are made on demand, so that a broker that lost its data is filled again without an operator.
	err := p.topics.ensure(ctx, names)
	if errors.Is(err, event.ErrRefused) {
		p.topics.forget(names) // so that they are asked for again
	}
	if err != nil {
		return err
	}
	records, spans := prepare(ctx, events)
	err = p.client.ProduceSync(ctx, records...).FirstErr()
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
		return fmt.Errorf("kafka: publish %d events: %w", len(events), p.topics.link.explain(refusal(err)))
	}
	return nil
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
