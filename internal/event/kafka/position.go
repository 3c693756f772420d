package kafka

import (
	"context"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/meridian-commerce/meridian/internal/event"
)

// Position implements event.Positioner.
func (p *Producer) Position(ctx context.Context) (event.Position, error) {
	ctx, cancel := context.WithTimeout(ctx, adminTime)
	defer cancel()
	admin := kadm.NewClient(p.client)
	found, err := admin.ListTopics(ctx)
	if err != nil {
		return nil, fmt.Errorf("kafka: list topics: %w", p.topics.link.explain(err))
	}
	var names []string
	out := event.Position{}
	for _, t := range found {
		// Others' topics, and one whose brokers do not know it yet.
		if t.Err == nil && strings.HasPrefix(t.Topic, event.TopicPrefix) {
			names = append(names, t.Topic)
			out[t.Topic] = event.Log{ID: t.ID.String(), Ends: map[int32]int64{}}
		}
	}
	if len(names) == 0 {
		return out, nil // for no topic the brokers list the ends of all
	}
	ends, err := admin.ListEndOffsets(ctx, names...)
	if err != nil {
		return nil, fmt.Errorf("kafka: list offsets: %w", p.topics.link.explain(err))
	}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Err == nil {
			out[o.Topic].Ends[o.Partition] = o.Offset
		}
	})
	return out, nil
}
