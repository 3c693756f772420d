// Package kafka carries events over Kafka: topic meridian.orders, keyed by order id, CloudEvents 1.0 in binary mode
// (attributes as ce_ headers, the protobuf payload as the value).
//
// The bus may be down at any time, from the start too: clients connect by themselves once it is there, and only
// Publish fails meanwhile. Delivery is at least once. A record that cannot be handled for a while is given up
// here, because the outbox publishes an event that awaits an effect until the effect is done.
package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
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

// connect makes a client; it does not wait for a broker.
func connect(c Config, opts ...kgo.Opt) (*kgo.Client, *link, error) {
	own, err := c.options()
	if err != nil {
		return nil, nil, err
	}
	l := &link{}
	client, err := kgo.NewClient(append(append(own,
		kgo.ClientID("meridian"),
		kgo.WithHooks(l),
		kgo.DialTimeout(time.Second),
		kgo.RequestTimeoutOverhead(adminTime),
		kgo.RetryTimeout(adminTime),
		kgo.MetadataMinAge(250*time.Millisecond),
		kgo.MetadataMaxAge(3*time.Second),
	), opts...)...)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return client, l, nil
}

// link notes how the last attempt to connect to a broker and sign in ended: what waits for the bus ends with a
// time-out, which says nothing of why. It is safe for concurrent use.
type link struct{ failure atomic.Pointer[error] }

// OnBrokerConnect implements kgo.HookBrokerConnect.
func (l *link) OnBrokerConnect(_ kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if err == nil {
		l.failure.Store(nil)
		return
	}
	l.failure.Store(&err)
}

// explain adds to an error why there is no connection, if there is none.
func (l *link) explain(err error) error {
	if failure := l.failure.Load(); err != nil && failure != nil {
		return fmt.Errorf("%w; the last attempt to connect and sign in: %w", err, *failure)
	}
	return err
}

// topic makes sure that Topic is there. It is safe for concurrent use.
type topic struct {
	client *kgo.Client
	link   *link
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
		return fmt.Errorf("kafka: create topic: %w", t.link.explain(err))
	}
	for _, made := range resp.Topics {
		if err := kerr.ErrorForCode(made.ErrorCode); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
			return fmt.Errorf("kafka: create topic: %w", err)
		}
	}
	t.there.Store(true)
	return nil
}

// gone reports whether err says that the topic or the group is not there, or that the topic is another one by the
// same name, as after the bus lost its data.
func gone(err error) bool {
	for _, lost := range []error{kerr.UnknownTopicOrPartition, kerr.UnknownTopicID, kerr.InconsistentTopicID, kerr.GroupIDNotFound} {
		if errors.Is(err, lost) {
			return true
		}
	}
	return false
}

// forget makes the client take the topic up anew: by itself it sticks to the first one that it saw.
func (t *topic) forget() {
	t.there.Store(false)
	t.client.PurgeTopicsFromClient(Topic)
}

// logged logs a failure that is tried again.
func logged(ctx context.Context, log *slog.Logger, message string, err error) {
	if err != nil && ctx.Err() == nil {
		log.WarnContext(ctx, message, "error", err) //nolint:sloglint // the callers' messages are constants
	}
}
