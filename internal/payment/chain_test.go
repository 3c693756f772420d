package payment_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/meridian-commerce/meridian/internal/audit"
	"github.com/meridian-commerce/meridian/internal/event"
	"github.com/meridian-commerce/meridian/internal/event/eventsql"
	"github.com/meridian-commerce/meridian/internal/event/kafka"
	"github.com/meridian-commerce/meridian/internal/lease"
	"github.com/meridian-commerce/meridian/internal/lease/leasesql"
	"github.com/meridian-commerce/meridian/internal/nettest"
	"github.com/meridian-commerce/meridian/internal/payment/providerhttp"
	"github.com/meridian-commerce/meridian/internal/payment/sandbox"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/regions"
)

// The whole way from a placed order to the captured payment: relay, bus, consumer, worker, provider. Two
// instances do all of it at the same time, without a lease between them; the provider loses answers; everything
// that is under way is made due again all the time; and the bus loses its data in the middle. In the end it has every event
// again, also those that it had before and that nobody is owed.
func TestChain(t *testing.T) {
	t.Parallel()
	s := open(t)
	at := netip.MustParseAddrPort(nettest.Address(t))
	brokers := []string{at.String()}
	cluster := startBroker(t, at)
	provider, err := sandbox.New(sandbox.Options{Seed: 1, Latency: 5 * time.Millisecond, DeclinePercent: 10, LostPercent: 30})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(provider.Handler())
	t.Cleanup(server.Close)
	for i := range 2 {
		s.instance(brokers, server.URL, i)
	}
	const orders = 30
	var ids []string
	for i := range orders {
		if i == orders/2 {
			cluster.Close()
		}
		ids = append(ids, s.place().AggregateID)
		if i == 2*orders/3 {
			cluster = startBroker(t, at)
		}
		s.again()
	}
	final := 0
	for deadline := time.Now().Add(5 * time.Minute); final < orders; final = s.count(`SELECT count(*) FROM orders WHERE home_region = $1 AND state IN ('fulfilled', 'canceled')`, home) {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d orders are final after five minutes", final, orders)
		}
		time.Sleep(500 * time.Millisecond) // between looks at what other goroutines do
		s.again()
	}
	s.agrees(provider, ids)
	s.complete(brokers)
	violations, err := audit.Run(t.Context(), s.db.Pool(), regions.Default(), time.Minute)
	if err != nil || len(violations) > 0 {
		t.Errorf("audit: %+v, %v", violations, err)
	}
	s.lint()
}

// again makes every payment and event that is under way due, as after time-outs.
func (s *shop) again() {
	s.t.Helper()
	s.hurry()
	// What others are working on is left out: to wait for it, row by row, could be each waiting for the other.
	s.exec(`UPDATE outbox SET due_at = now() WHERE home_region = $1 AND (order_id, sequence) IN (
		SELECT order_id, sequence FROM outbox WHERE home_region = $1 AND due_at IS NOT NULL FOR UPDATE SKIP LOCKED)`, home)
	s.exec(`UPDATE pending_deliveries SET due_at = now() WHERE home_region = $1 AND (consumer, event_id) IN (
		SELECT consumer, event_id FROM pending_deliveries WHERE home_region = $1 FOR UPDATE SKIP LOCKED)`, home)
}

// instance runs an elector with all the background work, and another worker and relay beside it that hold no
// lease, until the test ends.
func (s *shop) instance(brokers []string, provider string, n int) {
	s.t.Helper()
	client, err := providerhttp.New(provider)
	if err != nil {
		s.t.Fatal(err)
	}
	producer, err := kafka.NewProducer(kafka.Config{Brokers: brokers})
	if err != nil {
		s.t.Fatal(err)
	}
	consumer, err := kafka.NewConsumer(kafka.Config{Brokers: brokers}, s.consumer, eventsql.Once(s.db, s.consumer), discard, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	consumers := []event.Consumer{s.consumer}
	relay, err := eventsql.NewRelay(s.db, producer, consumers, discard, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	work := []lease.Work{
		{Name: "relay", Every: 20 * time.Millisecond, Step: relay.Publish},
		{Name: "republish", Every: 20 * time.Millisecond, Step: relay.Republish},
		{Name: "hand-over", Every: 20 * time.Millisecond, Step: relay.HandOver},
		{Name: "keep", Every: 20 * time.Millisecond, Step: eventsql.NewKeeper(s.db, producer, home, discard).Keep},
		{Name: "payment", Every: 20 * time.Millisecond, Step: s.worker(client, time.Millisecond).Step},
		{Name: "sweeper", Every: time.Second, Step: eventsql.NewSweeper(s.db, consumers).Sweep},
	}
	// Each instance is its own election: both believe that they hold the lease, as at a change of holders.
	elector, err := lease.New(lease.Config{
		Regions: regions.Default(), Region: home, Instance: "i", Store: leasesql.New(s.db, fmt.Sprint("background", n)), Work: work, Log: discard,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(s.t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { elector.Run(ctx) })
	wg.Go(func() { consumer.Run(ctx) })
	s.t.Cleanup(func() { cancel(); wg.Wait(); producer.Close(); client.Close() })
}

// agrees checks that provider and database tell the same story, with one capture for each fulfilled order.
func (s *shop) agrees(provider *sandbox.Sandbox, orders []string) {
	s.t.Helper()
	at := map[string]sandbox.Payment{}
	for _, p := range provider.Payments() {
		if _, twice := at[p.OrderID]; twice {
			s.t.Errorf("order %s has two payments at the provider", p.OrderID)
		}
		at[p.OrderID] = p
	}
	tally := map[string]int{}
	for _, o := range orders {
		p := at[o]
		got := fmt.Sprintf("%s at the provider %s with %d captures", s.states(o), p.State, len(p.Captures))
		switch got {
		case "fulfilled/captured at the provider captured with 1 captures", "canceled/declined at the provider declined with 0 captures":
			tally[p.State]++
		default:
			s.t.Errorf("order %s: %s", o, got)
		}
	}
	if tally["captured"] < len(orders)/2 || tally["declined"] == 0 {
		s.t.Errorf("the seed gave %v", tally)
	}
	if n := s.count(`SELECT count(*) FROM ledger_entries WHERE home_region = $1`, home); n != 2*tally["captured"] {
		s.t.Errorf("%d ledger entries for %d captures", n, tally["captured"])
	}
	if n := s.count(`SELECT sold FROM stock WHERE home_region = $1 AND sku = 'A'`, home); n != tally["captured"] {
		s.t.Errorf("%d units are sold", n)
	}
}

// complete waits until a reader who comes late finds every event of the outbox on the bus.
func (s *shop) complete(brokers []string) {
	s.t.Helper()
	var mu sync.Mutex
	got := map[string]bool{}
	late := event.Consumer{
		Name: "late", Types: []event.Type{event.OrderPlaced, event.OrderConfirmed, event.OrderFulfilled, event.OrderCanceled},
		Effect: func(context.Context, sqldb.Tx, event.Event) error { return nil },
	}
	reader, err := kafka.NewConsumer(kafka.Config{Brokers: brokers}, late, func(_ context.Context, e event.Event) error {
		mu.Lock()
		defer mu.Unlock()
		got[e.ID] = true
		return nil
	}, discard, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(s.t.Context())
	var running sync.WaitGroup
	running.Go(func() { reader.Run(ctx) })
	defer func() { cancel(); running.Wait() }()
	events := s.count(`SELECT count(*) FROM outbox WHERE home_region = $1`, home)
	found := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(got)
	}
	for deadline := time.Now().Add(5 * time.Minute); found() < events; time.Sleep(100 * time.Millisecond) { // between looks at what other goroutines do
		if time.Now().After(deadline) {
			s.t.Fatalf("the bus has %d of %d events after five minutes", found(), events)
		}
	}
}

func startBroker(t *testing.T, at netip.AddrPort) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(int(at.Port())))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}
