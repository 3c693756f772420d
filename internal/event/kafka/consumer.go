package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/event"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/telemetry"
	"github.com/meridian-commerce/meridian/regions"
)

const (
	pollBatch   = 128             // records of one poll
	perRegion   = 16              // events of one home region that are handled at the same time
	handleLimit = 5 * time.Second // for all events of one region in a poll
	firstPause  = 100 * time.Millisecond
	maxPause    = time.Second
)

// Consumer reads the events that somebody wants, as a member of the group of that name.
type Consumer struct {
	client  *kgo.Client
	topics  *topics
	who     event.Consumer
	handler event.Handler
	log     *slog.Logger
	handled *prometheus.CounterVec
	limit   time.Duration // handleLimit
}

// NewConsumer returns a Consumer at once, whether a broker answers or not; it does nothing until Run. Errors wrap
// ErrConfig. Its metrics are registered with reg, which may be nil.
func NewConsumer(c Config, who event.Consumer, h event.Handler, log *slog.Logger, reg prometheus.Registerer) (*Consumer, error) {
	if h == nil || log == nil {
		return nil, fmt.Errorf("%w: a consumer needs a handler and a logger", ErrConfig)
	}
	if err := who.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	client, l, err := connect(c,
		kgo.ConsumerGroup(who.Name),
		kgo.ConsumeTopics(who.Topics()...),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), // a bus that lost its data starts anew
		kgo.DisableAutoCommit(),
		kgo.SessionTimeout(10*time.Second),
		// Longer than a poll is handled. The others wait as long for a member that dies while they share the work anew.
		kgo.RebalanceTimeout(10*time.Second),
		kgo.HeartbeatInterval(time.Second),
		kgo.FetchMaxWait(time.Second),
	)
	if err != nil {
		return nil, err
	}
	return &Consumer{
		client: client, topics: newTopics(client, l), who: who, handler: h, limit: handleLimit, log: log.With("consumer", who.Name),
		handled: promauto.With(reg).NewCounterVec(prometheus.CounterOpts{
			Name: "meridian_bus_events_total", Help: "Events taken from the bus, by outcome: done, invalid, or left to be published again.",
			ConstLabels: prometheus.Labels{"consumer": who.Name}, // several consumers of a process share its registry
		}, []string{"home", "type", "outcome"}),
	}, nil
}

// Run handles events until ctx ends; then it leaves the group and closes the connections. Events of one aggregate
// are handled one after the other, those of different ones at the same time. Offsets are committed after the
// handling, so after a crash some events are handled again.
func (c *Consumer) Run(ctx context.Context) {
	defer c.client.Close()
	for pause := firstPause; ctx.Err() == nil; {
		if err := c.topics.ensure(ctx, c.who.Topics()); err != nil {
			logged(ctx, c.log, "topics not ready; trying again, but for those that the bus refuses", err)
			_ = clock.Sleep(ctx, pause)
			pause = min(2*pause, maxPause)
			continue
		}
		pause = firstPause
		fetches := c.client.PollRecords(ctx, pollBatch)
		c.reportErrors(ctx, fetches)
		records := fetches.Records()
		// Errors of single events do not hold back the offset: the relay publishes again what is not in the inbox.
		c.handleAll(ctx, records)
		if len(records) > 0 && ctx.Err() == nil {
			// A commit that hangs must not stop the reading; at worst some events are handled again.
			limited, cancel := context.WithTimeout(ctx, adminTime)
			logged(ctx, c.log, "offsets not committed; some events will be handled again", c.client.CommitRecords(limited, records...))
			cancel()
		}
	}
}

// reportErrors looks at the errors of a poll. Most pass by themselves; a topic that was lost has to be taken up anew.
func (c *Consumer) reportErrors(ctx context.Context, fetches kgo.Fetches) {
	var worst error
	fetches.EachError(func(_ string, _ int32, err error) {
		// Of several errors the one that needs an action is kept.
		if !gone(worst) {
			worst = err
		}
	})
	if worst == nil || ctx.Err() != nil {
		return
	}
	logged(ctx, c.log, "bus not readable; trying again", c.topics.link.explain(worst))
	if gone(worst) {
		c.topics.forget(c.who.Topics())
		c.client.AddConsumeTopics(c.who.Topics()...)
	}
	_ = clock.Sleep(ctx, firstPause)
}

// handleAll handles the records of a poll: each region's for a bounded time, so that one region whose database
// does not answer delays the others by no more than that.
func (c *Consumer) handleAll(ctx context.Context, records []*kgo.Record) {
	byRegion := map[regions.Name]map[string][]event.Event{} // and by aggregate within it
	for _, r := range records {
		e, err := decode(r)
		if err != nil {
			// Stopping at it would block the partition for ever, since it will not get better.
			logged(ctx, c.log, "record on the bus is no event of ours; it is skipped", err)
			continue
		}
		// A topic carries all events of its aggregates, and this consumer wants some.
		if !c.who.Wants(e.Type) {
			continue
		}
		if byRegion[e.Home] == nil {
			byRegion[e.Home] = map[string][]event.Event{}
		}
		byRegion[e.Home][e.AggregateID] = append(byRegion[e.Home][e.AggregateID], e)
	}
	var wg sync.WaitGroup
	for _, aggregates := range byRegion {
		wg.Go(func() {
			limited, cancel := context.WithTimeout(ctx, c.limit)
			defer cancel()
			c.handleRegion(limited, aggregates)
		})
	}
	wg.Wait()
}

func (c *Consumer) handleRegion(ctx context.Context, aggregates map[string][]event.Event) {
	var wg sync.WaitGroup
	// Bounded, because each handler takes a connection of the database's pool.
	slots := make(chan struct{}, perRegion)
	for _, events := range aggregates {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			// One after the other: the sequence of an aggregate is the order of its changes.
			for _, e := range events {
				c.handle(ctx, e)
			}
		})
	}
	wg.Wait()
}

// handle has the effect of one event, if that succeeds in time.
func (c *Consumer) handle(ctx context.Context, e event.Event) {
	ctx, span := otel.Tracer("meridian/event").Start(telemetry.Extract(ctx, e.Traceparent), "process "+string(e.Type),
		trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(attribute.String("cloudevents.event_id", e.ID)))
	defer span.End()
	e.Traceparent = telemetry.Inject(ctx)
	outcome := "done"
	if err := c.try(ctx, e); err != nil {
		if outcome = "left"; fault.Is(err, fault.Invalid) {
			outcome = "invalid"
		}
		span.SetStatus(codes.Error, err.Error())
		c.log.WarnContext(ctx, "event was not handled", "event", e.ID, "type", e.Type, "aggregate", e.AggregateID, "home", e.Home, "outcome", outcome, "error", err)
	}
	c.handled.WithLabelValues(string(e.Home), string(e.Type), outcome).Inc()
}

// try calls the handler until it succeeds, says that it never will, or ctx ends.
func (c *Consumer) try(ctx context.Context, e event.Event) error {
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		err := c.handler(ctx, e)
		// An invalid event stays invalid however often it is tried.
		if err == nil || fault.Is(err, fault.Invalid) {
			return err
		}
		if clock.Sleep(ctx, pause/2+rand.N(pause/2)) != nil { // jitter needs no seed: no result depends on it
			return err
		}
	}
}
