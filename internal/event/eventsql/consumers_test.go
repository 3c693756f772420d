package eventsql_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/event"
	"github.com/meridian-commerce/meridian/internal/event/eventsql"
	"github.com/meridian-commerce/meridian/internal/event/kafka"
	"github.com/meridian-commerce/meridian/internal/sqldb"
)

// A second consumer, registered by one line, has its own inbox and its own end of publishing again: it was away when
// the first took the events, and comes back to a bus that has lost them all.
func TestASecondConsumer(t *testing.T) {
	t.Parallel()
	f := open(t)
	var away atomic.Bool
	away.Store(true)
	second := f.consumer("second")
	effect := second.Effect
	second.Effect = func(ctx context.Context, tx sqldb.Tx, e event.Event) error {
		if away.Load() {
			return errors.New("away")
		}
		return effect(ctx, tx, e)
	}
	registered := []event.Consumer{
		f.consumer("first"),
		second,
	}
	lost := f.bus(registered)
	placed := []event.Event{newEvent("a", 1), newEvent("b", 1), newEvent("c", 1)}
	f.append(placed...)
	f.await("the first has taken all", func() bool { return f.taken("first") == 3 && len(f.pending()) == 3 })
	lost()
	defer f.bus(registered)()
	away.Store(false)
	f.await("nothing is pending", func() bool {
		f.exec(timePasses, home)
		return len(f.pending()) == 0
	})
	want := []string{"evt_a_1", "evt_b_1", "evt_c_1"}
	for _, who := range []string{"first", "second"} {
		f.mu.Lock()
		got := slices.Sorted(slices.Values(f.effects[who]))
		f.mu.Unlock()
		if !slices.Equal(got, want) {
			t.Errorf("the %s had the effects of %v", who, got)
		}
	}
	if n := f.count(`SELECT count(*) FROM inbox WHERE home_region = $1`, home); n != 6 {
		t.Errorf("the inboxes have %d rows, want 3 each", n)
	}
	f.lint()
}

// bus starts an empty bus with a relay and consumers, and returns what ends them all.
func (f *fixture) bus(registered []event.Consumer) (stop func()) {
	f.t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		f.t.Fatal(err)
	}
	config := kafka.Config{Brokers: cluster.ListenAddrs()}
	producer, err := kafka.NewProducer(config)
	if err != nil {
		f.t.Fatal(err)
	}
	relay, err := eventsql.NewRelay(f.db, producer, registered, discard, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	work := []func(context.Context){func(ctx context.Context) {
		for ctx.Err() == nil {
			_, published := relay.Publish(ctx, home)
			_, again := relay.Republish(ctx, home)
			if err := errors.Join(published, again); err != nil && ctx.Err() == nil {
				f.t.Error(err)
			}
			_ = clock.Sleep(ctx, 20*time.Millisecond) // its error is the context's
		}
	}}
	for _, c := range registered {
		consumer, err := kafka.NewConsumer(config, c, eventsql.Once(f.db, c), discard, nil)
		if err != nil {
			f.t.Fatal(err)
		}
		work = append(work, consumer.Run)
	}
	ctx, cancel := context.WithCancel(f.t.Context())
	ended := make(chan struct{})
	for _, run := range work {
		go func() {
			run(ctx)
			ended <- struct{}{}
		}()
	}
	return func() {
		cancel()
		for range work {
			<-ended
		}
		producer.Close()
		cluster.Close()
	}
}

func (f *fixture) taken(consumer string) int {
	f.t.Helper()
	return f.count(`SELECT count(*) FROM inbox WHERE home_region = $1 AND consumer = $2`, home, consumer)
}

// await looks until it is so; the deadline is for a test that fails.
func (f *fixture) await(what string, so func() bool) {
	f.t.Helper()
	for deadline := time.Now().Add(time.Minute); !so(); {
		if time.Now().After(deadline) {
			f.t.Fatalf("not so within a minute: %s", what)
		}
		if err := clock.Sleep(f.t.Context(), 20*time.Millisecond); err != nil {
			f.t.Fatal(err)
		}
	}
}
