package kafka

import (
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/meridian-commerce/meridian/internal/event"
	"github.com/meridian-commerce/meridian/regions"
)

// encode makes a record of an event. traceparent is that of its publishing.
func encode(e event.Event, traceparent string) *kgo.Record {
	aggregate := e.Type.Aggregate()
	r := &kgo.Record{Topic: aggregate.Topic(), Key: []byte(e.AggregateID), Value: e.Payload}
	for _, h := range [...][2]string{
		{"content-type", "application/protobuf"},
		{"ce_specversion", "1.0"},
		{"ce_id", e.ID},
		{"ce_source", aggregate.Source(e.Home)},
		{"ce_type", string(e.Type)},
		{"ce_subject", e.AggregateID},
		{"ce_time", e.CreatedAt.UTC().Format(time.RFC3339Nano)},
		{"ce_partitionkey", e.AggregateID},
		{"ce_sequence", strconv.FormatInt(e.Sequence, 10)},
		{"ce_homeregion", string(e.Home)},
		{"ce_traceparent", traceparent},
	} {
		if h[1] != "" {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: h[0], Value: []byte(h[1])})
		}
	}
	return r
}

// decode reads an event from a record.
func decode(r *kgo.Record) (event.Event, error) {
	attributes := make(map[string]string, len(r.Headers))
	for _, h := range r.Headers {
		attributes[h.Key] = string(h.Value)
	}
	if v := attributes["ce_specversion"]; v != "1.0" {
		return event.Event{}, fmt.Errorf("kafka: record %s: CloudEvents version %.20q is not 1.0", at(r), v)
	}
	e := event.Event{
		ID: attributes["ce_id"], Home: regions.Name(attributes["ce_homeregion"]), AggregateID: string(r.Key),
		Type: event.Type(attributes["ce_type"]), Payload: r.Value, Traceparent: attributes["ce_traceparent"],
	}
	var err error
	if e.Sequence, err = strconv.ParseInt(attributes["ce_sequence"], 10, 64); err != nil {
		return e, fmt.Errorf("kafka: record %s: sequence: %w", at(r), err)
	}
	if e.CreatedAt, err = time.Parse(time.RFC3339Nano, attributes["ce_time"]); err != nil {
		return e, fmt.Errorf("kafka: record %s: time: %w", at(r), err)
	}
	if e.ID == "" || e.Home == "" || e.AggregateID == "" || e.Type == "" {
		return e, fmt.Errorf("kafka: record %s: it lacks an id, a type, a home region or a key", at(r))
	}
	return e, nil
}

func at(r *kgo.Record) string { return fmt.Sprintf("%s/%d@%d", r.Topic, r.Partition, r.Offset) }
