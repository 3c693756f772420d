package payment

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/meridian-commerce/meridian/internal/telemetry"
	"github.com/meridian-commerce/meridian/regions"
)

const (
	visibility = 15 * time.Second // of a claim: longer than asking the provider twice and settling
	maxBackoff = 30 * time.Second
)

// ErrConfig is wrapped by errors about a Worker's configuration.
var ErrConfig = errors.New("payment: bad configuration")

// Config makes a Worker.
type Config struct {
	Store        Store
	Orders       Orders
	Provider     Provider
	FulfillAfter time.Duration                             // from an order's confirmation to its fulfillment; 0: when a merchant says so
	Concurrency  int                                       // payments worked on at the same time; a step claims twice as many
	Changed      func(ctx context.Context, orderID string) // called after the commit of an order's change; may be nil
	Log          *slog.Logger
	Meter        Meter // may be nil
}

// Meter counts what becomes of payments. It is safe for concurrent use.
type Meter interface {
	// Settled counts a payment that reached its state.
	Settled(p Payment)
	// Unsettled counts a payment whose step is still open after a try.
	Unsettled(p Payment)
}

// unmeasured is the Meter of those who want none.
type unmeasured struct{}

func (unmeasured) Settled(Payment)   {}
func (unmeasured) Unsettled(Payment) {}

// Worker moves due payments on. It is safe for concurrent use, and so are several workers of one region.
type Worker struct {
	Config
}

// NewWorker returns a Worker. Errors wrap ErrConfig.
func NewWorker(c Config) (*Worker, error) {
	if c.Store == nil || c.Orders == nil || c.Provider == nil || c.Log == nil || c.FulfillAfter < 0 || c.Concurrency < 1 {
		return nil, fmt.Errorf("%w: a store, orders, a provider and a logger are needed, a delay that is not negative, and a concurrency of 1 or more", ErrConfig)
	}
	if c.Meter == nil {
		c.Meter = unmeasured{}
	}
	return &Worker{Config: c}, nil
}

// Step claims a batch of the region's due payments, moves each on, and returns how many it claimed. A payment
// that cannot be moved on is due again later; that is not an error of the step.
func (w *Worker) Step(ctx context.Context, home regions.Name) (int, error) {
	claims, err := w.Store.Claim(ctx, home, 2*w.Concurrency, visibility)
	if err != nil {
		return 0, err
	}
	together(w, claims, func(c Claim) { w.work(ctx, c) })
	return len(claims), nil
}

// together does all that a worker has claimed, as much of it at a time as it may.
func together[T any](w *Worker, claims []T, do func(T)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, w.Concurrency)
	for _, c := range claims {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			do(c)
		})
	}
	wg.Wait()
}

// work moves one payment on, or makes it due again.
func (w *Worker) work(ctx context.Context, c Claim) {
	ctx, span := otel.Tracer("meridian/payment").Start(telemetry.Extract(ctx, c.Traceparent), "payment "+string(c.State),
		trace.WithAttributes(attribute.String("payment.id", c.ID), attribute.String("order.id", c.OrderID), attribute.Int("payment.attempt", c.Attempts)))
	defer span.End()
	err := w.advance(ctx, c)
	if err == nil {
		return
	}
	span.SetStatus(codes.Error, err.Error())
	w.Meter.Unsettled(c.Payment)
	after := backoff(c.Attempts)
	w.Log.WarnContext(ctx, "payment step is open; it is tried again", "payment", c.ID, "order", c.OrderID, "state", c.State, "attempt", c.Attempts, "after", after, "error", err)
	// A failed postponement is logged only: the payment is due again after its visibility time-out.
	if err := w.Store.Postpone(ctx, c.Payment, after); err != nil && ctx.Err() == nil {
		w.Log.WarnContext(ctx, "payment waits for its visibility time-out", "payment", c.ID, "error", err)
	}
}

func (w *Worker) advance(ctx context.Context, c Claim) error {
	switch c.State {
	case Authorizing:
		return w.authorize(ctx, c)
	case Capturing:
		return w.capture(ctx, c)
	case Voiding:
		return w.void(ctx, c)
	case Created, Authorized, Captured, Declined, Voided, Disputed:
	}
	return fmt.Errorf("payment: %s was due in state %s, in which nothing is owed", c.ID, c.State)
}

// find asks what became of a step that was begun before; a fresh one is unknown to the provider's next step.
func (w *Worker) find(ctx context.Context, c Claim) (Finding, error) {
	if c.Fresh {
		return Finding{}, nil
	}
	f, err := w.Provider.Find(ctx, c.ID)
	if err != nil {
		return f, fmt.Errorf("payment: ask the provider what became of it: %w", err)
	}
	return f, nil
}

// backoff doubles from half a second to 30 s; a random half of it spreads what failed together.
func backoff(attempts int) time.Duration {
	d := min(250*time.Millisecond<<min(max(attempts, 1), 10), maxBackoff)
	return d/2 + rand.N(d/2) // jitter needs no seed: no result depends on it
}
