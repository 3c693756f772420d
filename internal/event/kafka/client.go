// Package kafka is the event bus: a topic for each kind of aggregate, keyed by the aggregate's id, CloudEvents 1.0 in
// binary mode (attributes as ce_ headers, the protobuf payload as the value).
//
// The bus may be down at any time, from the start too: clients connect by themselves once it is there, and only
// Publish fails meanwhile. Delivery is at least once. A record that cannot be handled for a while is given up
// here, because the relay publishes an event again until each of its consumers has taken it.
package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	publishTime = 2 * time.Second // until a batch must be on the bus
	adminTime   = 2 * time.Second // of one request about topics or an offset
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
	l.failure.Store(&err)
}

// explain adds to an error why there is no connection, if there is none.
func (l *link) explain(err error) error {
	if failure := l.failure.Load(); err != nil && failure != nil && *failure != nil {
		return fmt.Errorf("%w; the last attempt to connect and sign in: %w", err, *failure)
	}
	return err
}

// logged logs a failure that is tried again.
func logged(ctx context.Context, log *slog.Logger, message string, err error) {
	if err != nil && ctx.Err() == nil {
		log.WarnContext(ctx, message, "error", err) //nolint:sloglint // the callers' messages are constants
	}
}
