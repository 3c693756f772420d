package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/meridian-commerce/meridian/internal/event"
	"github.com/meridian-commerce/meridian/internal/event/kafka"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/nettest"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/regions"
)

var discard = slog.New(slog.DiscardHandler)

func broker(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append(opts, kfake.NumBrokers(1))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func producer(t *testing.T, brokers []string) *kafka.Producer {
	t.Helper()
	p, err := kafka.NewProducer(kafka.Config{Brokers: brokers})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// consume runs a consumer until the test ends.
func consume(t *testing.T, brokers []string, who event.Consumer, h event.Handler) {
	t.Helper()
	// What is not handled in time is for the relay to publish again, and there is none here: no pause of the machine may
	// use that time up.
	consumeFor(t, brokers, time.Hour, who, h)
}

// consumeFor is consume with a bound for the events of a region in a poll.
func consumeFor(t *testing.T, brokers []string, limit time.Duration, who event.Consumer, h event.Handler) {
	t.Helper()
	c, err := kafka.NewConsumer(kafka.Config{Brokers: brokers}, who, h, discard, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.SetHandleLimit(limit)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { c.Run(ctx); close(ended) }()
	t.Cleanup(func() { cancel(); <-ended })
}

// who wants what newEvent makes.
func who(name string) event.Consumer {
	return wanting(name, event.OrderPlaced)
}

// wanting has no effect: the tests here are about handlers.
func wanting(name string, types ...event.Type) event.Consumer {
	return event.Consumer{Name: name, Types: types, Effect: func(context.Context, sqldb.Tx, event.Event) error { return nil }}
}

func newEvent(home regions.Name, order string, sequence int64) event.Event {
	return event.Event{
		ID: fmt.Sprintf("evt-%s-%d", order, sequence), Home: home, AggregateID: order, Sequence: sequence, Type: event.OrderPlaced,
		Payload: []byte{1, 2, 3}, Traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		CreatedAt: time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC),
	}
}

// receive waits for the next event.
func receive(t *testing.T, from <-chan event.Event) event.Event {
	t.Helper()
	select {
	case e := <-from:
		return e
	case <-time.After(5 * time.Minute):
		t.Fatal("no event within five minutes")
		return event.Event{}
	}
}

func TestEventsArriveWholeAndInOrder(t *testing.T) {
	t.Parallel()
	b := broker(t).ListenAddrs()
	got := make(chan event.Event, 100)
	consume(t, b, who("g"), func(_ context.Context, e event.Event) error { got <- e; return nil })
	want := map[string][]event.Event{}
	var all []event.Event
	for sequence := range int64(5) {
		for order := range 4 {
			e := newEvent("eu-west-1", "ord"+strconv.Itoa(order), sequence+1)
			want[e.AggregateID], all = append(want[e.AggregateID], e), append(all, e)
		}
	}
	if err := producer(t, b).Publish(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	arrived := map[string][]event.Event{}
	for range all {
		e := receive(t, got)
		arrived[e.AggregateID] = append(arrived[e.AggregateID], e)
	}
	if diff := cmp.Diff(want, arrived); diff != "" {
		t.Error(diff)
	}
}

func TestRecordIsACloudEvent(t *testing.T) {
	t.Parallel()
	b := broker(t).ListenAddrs()
	if err := producer(t, b).Publish(t.Context(), []event.Event{newEvent("eu-west-1", "ord", 7)}); err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(b...), kgo.ConsumeTopics("meridian.orders"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	records := client.PollFetches(t.Context()).Records()
	if len(records) != 1 {
		t.Fatalf("%d records", len(records))
	}
	got := map[string]string{"key": string(records[0].Key), "value": string(records[0].Value)}
	for _, h := range records[0].Headers {
		got[h.Key] = string(h.Value)
	}
	want := map[string]string{
		"key": "ord", "value": "\x01\x02\x03", "content-type": "application/protobuf", "ce_specversion": "1.0", "ce_id": "evt-ord-7",
		"ce_source": "/meridian/orders/eu-west-1", "ce_type": "meridian.order.placed.v1", "ce_subject": "ord",
		"ce_time": "2026-03-01T12:00:00.123456Z", "ce_partitionkey": "ord", "ce_sequence": "7", "ce_homeregion": "eu-west-1",
		"ce_traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A batch of several kinds of aggregates goes to a topic for each, and a consumer is handed the types that it wants.
func TestEachAggregateHasItsTopic(t *testing.T) {
	t.Parallel()
	const refundMade, refundFailed event.Type = "meridian.refund.made.v1", "meridian.refund.failed.v1"
	b := broker(t).ListenAddrs()
	refunds, both := make(chan event.Event, 10), make(chan event.Event, 10)
	for who, got := range map[string]chan event.Event{"refunds": refunds, "both": both} {
		types := []event.Type{refundMade}
		if who == "both" {
			types = append(types, event.OrderPlaced)
		}
		consume(t, b, wanting(who, types...), func(_ context.Context, e event.Event) error { got <- e; return nil })
	}
	var all []event.Event
	for i, kind := range []event.Type{event.OrderPlaced, refundFailed, refundMade} {
		e := newEvent("eu-west-1", "id", int64(i+1))
		e.Type = kind
		all = append(all, e)
	}
	if err := producer(t, b).Publish(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	if e := receive(t, refunds); e.Type != refundMade {
		t.Errorf("who wants refunds got %s", e.Type)
	}
	got := []string{string(receive(t, both).Type), string(receive(t, both).Type)}
	slices.Sort(got)
	if diff := cmp.Diff([]string{string(event.OrderPlaced), string(refundMade)}, got); diff != "" {
		t.Error(diff)
	}
}

func TestFailedEventIsTriedAgainAndOthersGoOn(t *testing.T) {
	t.Parallel()
	b := broker(t).ListenAddrs()
	got := make(chan event.Event, 10)
	var mu sync.Mutex
	tries := map[string]int{}
	consumeFor(t, b, time.Hour, who("g"), func(_ context.Context, e event.Event) error {
		mu.Lock()
		tries[e.AggregateID]++
		n := tries[e.AggregateID]
		mu.Unlock()
		switch {
		case e.AggregateID == "flaky" && n < 3:
			return errors.New("not now")
		case e.AggregateID == "broken":
			return fault.New(fault.Invalid, "BROKEN", "never")
		}
		got <- e
		return nil
	})
	if err := producer(t, b).Publish(t.Context(), []event.Event{
		newEvent("eu-west-1", "broken", 1), newEvent("eu-west-1", "flaky", 1), newEvent("eu-west-1", "fine", 1),
	}); err != nil {
		t.Fatal(err)
	}
	orders := []string{receive(t, got).AggregateID, receive(t, got).AggregateID}
	slices.Sort(orders)
	if diff := cmp.Diff([]string{"fine", "flaky"}, orders); diff != "" {
		t.Error(diff)
	}
	mu.Lock()
	defer mu.Unlock()
	if tries["flaky"] != 3 || tries["broken"] != 1 {
		t.Errorf("tries: %v", tries)
	}
}

// TestLostRegionHoldsUpNobody: the next poll comes although the events of one home region cannot be handled.
func TestLostRegionHoldsUpNobody(t *testing.T) {
	t.Parallel()
	b := broker(t).ListenAddrs()
	got := make(chan event.Event, 10)
	lost := make(chan struct{}, 1)
	consumeFor(t, b, 100*time.Millisecond, who("g"), func(_ context.Context, e event.Event) error {
		if e.Home == "us-east-1" {
			select {
			case lost <- struct{}{}:
			default:
			}
			return errors.New("that region does not answer")
		}
		got <- e
		return nil
	})
	p := producer(t, b)
	if err := p.Publish(t.Context(), []event.Event{newEvent("us-east-1", "lost", 1)}); err != nil {
		t.Fatal(err)
	}
	<-lost
	if err := p.Publish(t.Context(), []event.Event{newEvent("eu-west-1", "later", 1)}); err != nil {
		t.Fatal(err)
	}
	if e := receive(t, got); e.AggregateID != "later" {
		t.Errorf("got %s", e.AggregateID)
	}
}

func TestHandledEventsAreNotReadAgainByTheGroup(t *testing.T) {
	t.Parallel()
	b := broker(t).ListenAddrs()
	p := producer(t, b)
	seen := make(chan event.Event, 10)
	run := func() (stop func()) {
		c, err := kafka.NewConsumer(kafka.Config{Brokers: b}, who("g"), func(_ context.Context, e event.Event) error { seen <- e; return nil }, discard, nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { c.Run(ctx); close(ended) }()
		return func() { cancel(); <-ended }
	}
	publish := func(order string) {
		if err := p.Publish(t.Context(), []event.Event{newEvent("eu-west-1", order, 1)}); err != nil {
			t.Fatal(err)
		}
	}
	stop := run()
	publish("a")
	receive(t, seen)
	publish("a2") // its arrival in a later poll proves that the first one was committed
	receive(t, seen)
	stop()
	stop = run()
	defer stop()
	publish("b")
	for {
		e := receive(t, seen)
		if e.AggregateID == "a" {
			t.Error("the first event was handled again")
		}
		if e.AggregateID == "b" {
			return
		}
	}
}

// The bus is not there at first, then it is, then it comes back without its data: clients need no restart.
func TestBusComesAndLosesItsData(t *testing.T) {
	t.Parallel()
	at := netip.MustParseAddrPort(nettest.Address(t))
	b := []string{at.String()}
	p := producer(t, b)
	got := make(chan event.Event, 1000)
	consume(t, b, who("g"), func(_ context.Context, e event.Event) error { got <- e; return nil })
	if err := p.Publish(t.Context(), []event.Event{newEvent("eu-west-1", "none", 1)}); err == nil {
		t.Fatal("published without a broker")
	}
	for life := range 2 {
		c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(int(at.Port())))
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for i := 0; ; i++ { // as the relay does, until the effect is there
			name := fmt.Sprintf("life%d-%d", life, i)
			err := p.Publish(t.Context(), []event.Event{newEvent("eu-west-1", name, 1)})
			if err == nil && arrives(got, fmt.Sprintf("life%d", life)) {
				t.Logf("life %d: %v, after %d tries", life, time.Since(began), i)
				break
			}
			t.Logf("life %d, try %d: %v", life, i, err)
		}
		c.Close()
	}
}

func arrives(from <-chan event.Event, prefix string) bool {
	for timeout := time.After(time.Second); ; {
		select {
		case e := <-from:
			if len(e.AggregateID) > len(prefix) && e.AggregateID[:len(prefix)] == prefix {
				return true
			}
		case <-timeout:
			return false
		}
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	if _, err := kafka.NewProducer(kafka.Config{}); !errors.Is(err, kafka.ErrConfig) {
		t.Errorf("no brokers: %v", err)
	}
	if _, err := kafka.NewConsumer(kafka.Config{Brokers: []string{"127.0.0.1:1"}}, who(""), nil, discard, nil); !errors.Is(err, kafka.ErrConfig) {
		t.Errorf("no group: %v", err)
	}
}
