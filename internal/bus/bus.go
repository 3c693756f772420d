// Package bus carries events over Kafka: topic meridian.orders, keyed by order id, CloudEvents 1.0 in binary mode
// (attributes as ce_ headers, the protobuf payload as the value).
//
// The bus may be down at any time, from the start too: clients connect by themselves once it is there, and only
// Publish fails meanwhile. Delivery is at least once. A record that cannot be handled for a while is given up
// here, because the outbox publishes an event that awaits an effect until the effect is done.
package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Topic is where the events of orders are.
const Topic = "meridian.orders"

const (
	partitions  = 12
	publishTime = 2 * time.Second // until a batch must be on the bus
	adminTime   = 2 * time.Second // of one request about the topic or an offset
)

// ErrConfig is wrapped by errors about a bus configuration.
var ErrConfig = errors.New("bus: bad configuration")

// connect makes a client; it does not wait for a broker.
func connect(brokers []string, opts ...kgo.Opt) (*kgo.Client, error) {
	if len(brokers) == 0 {
		return nil, fmt.Errorf("%w: kafka.brokers is empty", ErrConfig)
	}
	client, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(brokers...),
		kgo.ClientID("meridian"),
		kgo.DialTimeout(time.Second),
		kgo.RequestTimeoutOverhead(adminTime),
		kgo.RetryTimeout(adminTime),
		kgo.MetadataMinAge(250 * time.Millisecond),
		kgo.MetadataMaxAge(10 * time.Second),
	}, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return client, nil
}

// topic makes sure that Topic is there. It is safe for concurrent use.
type topic struct {
	client *kgo.Client
	there  atomic.Bool
}

// ensure creates the topic unless it was seen before.
func (t *topic) ensure(ctx context.Context) error {
	if t.there.Load() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, adminTime)
	defer cancel()
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = int32(adminTime.Milliseconds())
	one := kmsg.NewCreateTopicsRequestTopic()
	one.Topic, one.NumPartitions, one.ReplicationFactor = Topic, partitions, -1 // the brokers' default
	req.Topics = append(req.Topics, one)
	resp, err := req.RequestWith(ctx, t.client)
	if err != nil {
		return fmt.Errorf("bus: create topic: %w", err)
	}
	for _, made := range resp.Topics {
		if err := kerr.ErrorForCode(made.ErrorCode); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
			return fmt.Errorf("bus: create topic: %w", err)
		}
	}
	t.there.Store(true)
	return nil
}

// lost notices an error that says that the topic is gone, or is another one by the same name, as after the bus
// lost its data, and makes the client forget it, since a client sticks to the first topic that it saw. It reports
// whether it was such an error.
func (t *topic) lost(err error) bool {
	if !errors.Is(err, kerr.UnknownTopicOrPartition) && !errors.Is(err, kerr.UnknownTopicID) && !errors.Is(err, kerr.InconsistentTopicID) {
		return false
	}
	t.there.Store(false)
	t.client.PurgeTopicsFromClient(Topic)
	return true
}

// logged logs a failure that is tried again.
func logged(ctx context.Context, log *slog.Logger, message string, err error) {
	if err != nil && ctx.Err() == nil {
		log.WarnContext(ctx, message, "error", err) //nolint:sloglint // the callers' messages are constants
	}
}
