package e2e_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	orderv1 "github.com/meridian-commerce/meridian/api/gen/meridian/order/v1"
	"github.com/meridian-commerce/meridian/internal/audit"
	"github.com/meridian-commerce/meridian/internal/deploy/deploytest"
	"github.com/meridian-commerce/meridian/internal/event"
	"github.com/meridian-commerce/meridian/internal/event/kafka"
	"github.com/meridian-commerce/meridian/internal/sim/check"
	"github.com/meridian-commerce/meridian/internal/sim/cluster"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/regions"
)

const (
	sku    = "APP-01-S-OATMEAL"
	handle = "fishermans-rib-sweater"
)

func TestLoss(t *testing.T) {
	t.Parallel()
	c := start(t, "")
	ada := signUp(t, edgeOf(t, c.Plan(), "eu-west-1"), "IE", "ada")
	if got := ada.account.GetHomeRegion(); got != "eu-west-1" {
		t.Fatalf("a sign-up from Ireland is at home in %s", got)
	}

	t.Run("redis", func(t *testing.T) {
		if _, err := c.Kill(t.Context(), "eu-west-1/redis"); err != nil {
			t.Fatal(err)
		}
		for range 100 {
			if err := ada.product(handle); err != nil {
				t.Errorf("with Redis lost: %v", err)
			}
		}
		if err := ada.setItem(sku, 1); err != nil {
			t.Errorf("with Redis lost: %v", err)
		}
		if _, err := ada.place("with-redis-lost"); err != nil {
			t.Errorf("with Redis lost: %v", err)
		}
		if err := c.Heal(t.Context(), "eu-west-1/redis"); err != nil {
			t.Fatal(err)
		}
	})

	// Orders go on without the bus of their region; what it had, it has again once it is back, and nobody takes it twice.
	t.Run("bus", func(t *testing.T) {
		before := ada.buy(sku)
		ada.await(before.GetId(), orderv1.OrderState_ORDER_STATE_FULFILLED)
		onTheBus(t, c, 3, before.GetId())
		if _, err := c.Kill(t.Context(), "eu-west-1/bus"); err != nil {
			t.Fatal(err)
		}
		during := ada.buy(sku)
		ada.await(during.GetId(), orderv1.OrderState_ORDER_STATE_FULFILLED)
		if err := c.Heal(t.Context(), "eu-west-1/bus"); err != nil {
			t.Fatal(err)
		}
		// Its readers have not found it again yet: who orders now waits for them no longer than for a bus that is away.
		after := ada.buy(sku)
		ada.await(after.GetId(), orderv1.OrderState_ORDER_STATE_FULFILLED)
		onTheBus(t, c, 3, before.GetId(), during.GetId(), after.GetId())
		audited(t, c)
	})

	// One that was told to end, by hand, and is about to, is not well.
	t.Run("a stack that ends", func(t *testing.T) {
		r, _ := c.Plan().Lookup("eu-west-1")
		before := terminate(t, c, "eu-west-1/stack-1")[0]
		for ready := true; ready; {
			res, err := http.Get("http://" + r.Stacks[0].Admin + "/readyz")
			if err != nil {
				break
			}
			_ = res.Body.Close()
			ready = res.StatusCode == http.StatusOK
		}
		if err := c.Heal(t.Context(), "eu-west-1/stack-1"); err != nil {
			t.Fatal(err)
		}
		if after := pids(t, c, "eu-west-1/stack-1")[0]; after == before {
			t.Error("a stack that was about to end was well")
		}
	})

	// Edges that are told to end, all of them, serve on for as long as the product does, and lose nothing that they took.
	t.Run("edges that end", func(t *testing.T) {
		all := []string{"eu-west-1/edge", "us-east-1/edge", "ap-southeast-1/edge"}
		began := time.Now()
		terminate(t, c, all...)
		for {
			err := ada.product(handle)
			if err == nil {
				continue
			}
			// A reset is of a connection that the kernel had, and the edge not yet.
			away := errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET)
			if lasted := time.Since(began); lasted < 2*time.Second || !away {
				t.Errorf("after %v: %v", lasted, err)
			}
			break
		}
		for _, target := range all {
			if err := c.Heal(t.Context(), target); err != nil {
				t.Fatal(err)
			}
		}
	})

	t.Run("region", func(t *testing.T) {
		before := ada.buy(sku) // its payment may be under way when the region dies
		if _, err := c.Kill(t.Context(), "eu-west-1"); err != nil {
			t.Fatal(err)
		}
		ada.edge = edgeOf(t, c.Plan(), "us-east-1")
		if err := ada.product(handle); err != nil {
			t.Errorf("browsing elsewhere: %v", err)
		}
		during := ada.buy(sku)
		ada.await(before.GetId(), orderv1.OrderState_ORDER_STATE_FULFILLED)
		ada.await(during.GetId(), orderv1.OrderState_ORDER_STATE_FULFILLED)
		if err := c.Heal(t.Context(), "eu-west-1"); err != nil {
			t.Fatal(err)
		}
		ada.edge = edgeOf(t, c.Plan(), "eu-west-1")
		after := ada.buy(sku)
		ada.await(after.GetId(), orderv1.OrderState_ORDER_STATE_CONFIRMED)
	})
}

func TestFourRegions(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "regions.yaml")
	if err := os.WriteFile(file, deploytest.FourRegions(t), 0o600); err != nil {
		t.Fatal(err)
	}
	c := start(t, file)
	eva := signUp(t, edgeOf(t, c.Plan(), "sa-east-1"), "UY", "eva")
	if got := eva.account.GetHomeRegion(); got != "sa-east-1" {
		t.Fatalf("a sign-up from Uruguay is at home in %s", got)
	}
	placed := eva.buy(sku)
	eva.await(placed.GetId(), orderv1.OrderState_ORDER_STATE_CONFIRMED)
}

// pids returns the ids of running processes, by the names of their parts.
func pids(t *testing.T, c *cluster.Cluster, names ...string) []int {
	t.Helper()
	all := map[string]int{}
	for _, r := range c.Status(t.Context()).Regions {
		for _, p := range r.Processes {
			if p.Running {
				all[p.Name] = p.PID
			}
		}
	}
	out := make([]int, len(names))
	for i, name := range names {
		if out[i] = all[name]; out[i] == 0 {
			t.Fatalf("%s does not run", name)
		}
	}
	return out
}

// terminate sends SIGTERM to parts, as somebody at a terminal would, and returns their process ids.
func terminate(t *testing.T, c *cluster.Cluster, names ...string) []int {
	t.Helper()
	ids := pids(t, c, names...)
	for _, pid := range ids {
		if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	return ids
}

// onTheBus waits until a reader who comes now finds so many events of each order on the bus of Ireland.
func onTheBus(t *testing.T, c *cluster.Cluster, events int, orders ...string) {
	t.Helper()
	r, _ := c.Plan().Lookup("eu-west-1")
	late := event.Consumer{
		Name: "late-" + orders[len(orders)-1], Types: []event.Type{event.OrderPlaced, event.OrderConfirmed, event.OrderFulfilled},
		Effect: func(context.Context, sqldb.Tx, event.Event) error { return nil },
	}
	got := make(chan event.Event, 1000)
	reader, err := kafka.NewConsumer(kafka.Config{Brokers: []string{r.Bus}}, late, func(_ context.Context, e event.Event) error { got <- e; return nil },
		slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	var running sync.WaitGroup
	running.Go(func() { reader.Run(ctx) })
	defer func() { cancel(); running.Wait() }()
	found := map[string]map[string]bool{}
	for _, id := range orders {
		found[id] = map[string]bool{}
	}
	for slices.ContainsFunc(orders, func(id string) bool { return len(found[id]) < events }) {
		select {
		case e := <-got:
			if of := found[e.AggregateID]; of != nil {
				of[e.ID] = true
			}
		case <-ctx.Done():
			t.Fatalf("the bus has %v", found)
		}
	}
}

// audited waits until nothing is under way, and runs the audit.
func audited(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), c.DatabaseURL())
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	left, err := check.Settle(t.Context(), func(ctx context.Context) (check.Unfinished, error) { return check.Pending(ctx, pool) }, 0, io.Discard)
	if err != nil || !left.None() {
		t.Errorf("unfinished: %+v, %v", left, err)
	}
	found, err := audit.Run(t.Context(), pool, regions.Default(), 0)
	if err != nil || len(found) > 0 {
		t.Errorf("audit: %+v, %v", found, err)
	}
}
