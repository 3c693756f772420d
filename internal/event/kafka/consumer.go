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

// Handler has the effect of an event. An error means that it should be handled again; fault.Invalid that this
// would be in vain.
type Handler func(ctx context.Context, e event.Event) error

// Consumer reads events as a member of a group.
type Consumer struct {
	client  *kgo.Client
	topic   topic
	handler Handler
	log     *slog.Logger
	handled *prometheus.CounterVec
}

// NewConsumer returns a Consumer at once, whether a broker answers or not; it does nothing until Run. Errors wrap
// ErrConfig. Its metrics are registered with reg, which may be nil.
func NewConsumer(c Config, group string, h Handler, log *slog.Logger, reg prometheus.Registerer) (*Consumer, error) {
	if group == "" || h == nil || log == nil {
		return nil, fmt.Errorf("%w: a consumer needs a group, a handler and a logger", ErrConfig)
	}
	client, l, err := connect(c,
		kgo.ConsumerGroup(group),
		kgo.ConsumeTopics(Topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), // a bus that lost its data starts anew
		kgo.DisableAutoCommit(),
		kgo.SessionTimeout(10*time.Second),
		kgo.HeartbeatInterval(time.Second),
		kgo.FetchMaxWait(time.Second),
	)
	if err != nil {
		return nil, err
	}
	return &Consumer{
		client: client, topic: topic{client: client, link: l}, handler: h, log: log,
		handled: promauto.With(reg).NewCounterVec(prometheus.CounterOpts{
			Name: "meridian_bus_events_total", Help: "Events taken from the bus, by outcome: done, invalid, or left to be published again.",
		}, []string{"home", "type", "outcome"}),
	}, nil
}

// Run handles events until ctx ends; then it leaves the group and closes the connections. Events of one order are
// handled one after the other, those of different orders at the same time. Offsets are committed after the
// handling, so after a crash some events are handled again.
func (c *Consumer) Run(ctx context.Context) {
	defer c.client.Close()
	for pause := firstPause; ctx.Err() == nil; {
		if err := c.topic.ensure(ctx); err != nil {
			logged(ctx, c.log, "bus not reachable; trying again", err)
			sleep(ctx, pause)
			pause = min(2*pause, maxPause)
			continue
		}
		pause = firstPause
		fetches := c.client.PollRecords(ctx, pollBatch)
		c.consider(ctx, fetches)
		records := fetches.Records()
		c.handleAll(ctx, records)
		if len(records) > 0 && ctx.Err() == nil {
			limited, cancel := context.WithTimeout(ctx, adminTime)
			logged(ctx, c.log, "offsets not committed; some events will be handled again", c.client.CommitRecords(limited, records...))
			cancel()
		}
	}
}

// consider looks at the errors of a poll. Most pass by themselves; a topic that was lost has to be taken up anew.
func (c *Consumer) consider(ctx context.Context, fetches kgo.Fetches) {
	var worst error
	fetches.EachError(func(_ string, _ int32, err error) {
		if !gone(worst) {
			worst = err
		}
	})
	if worst == nil || ctx.Err() != nil {
		return
	}
	logged(ctx, c.log, "bus not readable; trying again", c.topic.link.explain(worst))
	if gone(worst) {
		c.topic.forget()
		c.client.AddConsumeTopics(Topic)
	}
	sleep(ctx, firstPause)
}

// handleAll handles the records of a poll: each region's for a bounded time, so that one region whose database
// does not answer delays the others by no more than that.
func (c *Consumer) handleAll(ctx context.Context, records []*kgo.Record) {
	lanes := map[regions.Name]map[string][]event.Event{}
	for _, r := range records {
		e, err := decode(r)
		if err != nil {
			logged(ctx, c.log, "record on the bus is no event of ours; it is skipped", err)
			continue
		}
		if lanes[e.Home] == nil {
			lanes[e.Home] = map[string][]event.Event{}
		}
		lanes[e.Home][e.OrderID] = append(lanes[e.Home][e.OrderID], e)
	}
	var wg sync.WaitGroup
	for _, orders := range lanes {
		wg.Go(func() {
			limited, cancel := context.WithTimeout(ctx, handleLimit)
			defer cancel()
			c.handleLane(limited, orders)
		})
	}
	wg.Wait()
}

func (c *Consumer) handleLane(ctx context.Context, orders map[string][]event.Event) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, perRegion)
	for _, events := range orders {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			for _, e := range events {
				c.handle(ctx, e)
			}
		})
	}
	wg.Wait()
}

// handle has the effect of one event, if that succeeds in time.
func (c *Consumer) handle(ctx context.Context, e event.Event) {
	ctx, span := otel.Tracer("meridian/event").Start(telemetry.Extract(ctx, e.Traceparent), "process "+e.Type,
		trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(attribute.String("cloudevents.event_id", e.ID)))
	defer span.End()
	e.Traceparent = telemetry.Inject(ctx)
	outcome := "done"
	if err := c.try(ctx, e); err != nil {
		if outcome = "left"; fault.Is(err, fault.Invalid) {
			outcome = "invalid"
		}
		span.SetStatus(codes.Error, err.Error())
		c.log.WarnContext(ctx, "event was not handled", "event", e.ID, "type", e.Type, "order", e.OrderID, "home", e.Home, "outcome", outcome, "error", err)
	}
	c.handled.WithLabelValues(string(e.Home), e.Type, outcome).Inc()
}

// try calls the handler until it succeeds, says that it never will, or ctx ends.
func (c *Consumer) try(ctx context.Context, e event.Event) error {
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		err := c.handler(ctx, e)
		if err == nil || fault.Is(err, fault.Invalid) {
			return err
		}
		sleep(ctx, pause/2+rand.N(pause/2)) // jitter needs no seed: no result depends on it
		if ctx.Err() != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
