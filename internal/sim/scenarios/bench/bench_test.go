package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/capacity"
	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/load/shoptest"
	"github.com/meridian-commerce/meridian/internal/sim/shopper"
)

// fake is a system in which each request costs a known amount, and each second something beside.
type fake struct {
	used  capacity.Cost
	begun time.Time
	each  map[capacity.Request]capacity.Cost
	fails capacity.Request
}

func (f *fake) usage(context.Context) (capacity.Cost, error) {
	second := capacity.Cost{StackMicros: 10_000, EdgeMicros: 1000, Transactions: 20}
	return plus(f.used, second, time.Since(f.begun).Seconds()), nil
}

func (f *fake) flush(ctx context.Context) error { return clock.Sleep(ctx, flushAfter) }

func (f *fake) ask(_ context.Context, kind capacity.Request, _ int, _ *rand.Rand) error {
	if kind == f.fails {
		return errors.New("refused")
	}
	time.Sleep(time.Millisecond)
	f.used = plus(f.used, f.each[kind], 1)
	return nil
}

func measuring(f *fake) *measurement {
	return &measurement{
		cfg:    Config{Seed: 1, People: 20, Requests: 400, Workers: 1, Idle: 10 * time.Second, Rate: 10, Mixed: time.Second},
		system: f, ask: f.ask, settle: func(context.Context) error { return nil }, say: func(string, ...any) {},
	}
}

func TestWhatIdleUseIsTakenOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		set := capacity.Cost{EdgeMicros: 300, StackMicros: 500, Transactions: 2, Writing: 1, RowsWritten: 1, Bytes: 700}
		place := capacity.Cost{EdgeMicros: 750, StackMicros: 3000, RedisMicros: 50, Transactions: 9, Writing: 6.5, RowsWritten: 28, Bytes: 2050}
		f := &fake{begun: time.Now(), each: map[capacity.Request]capacity.Cost{capacity.SetItem: set, capacity.PlaceOrder: place}}
		m := measuring(f)
		if err := m.watchIdle(t.Context()); err != nil {
			t.Fatal(err)
		}
		if m.idle.StackMicros != 10_000 || m.idle.EdgeMicros != 1000 || m.idle.Transactions != 20 {
			t.Errorf("idle: %+v", m.idle)
		}
		costs := map[capacity.Request]capacity.Cost{}
		for _, kind := range []capacity.Request{capacity.SetItem, capacity.PlaceOrder} {
			var besides map[capacity.Request]float64
			if kind == capacity.PlaceOrder {
				besides = map[capacity.Request]float64{capacity.SetItem: 1.5}
			}
			c, err := m.measure(t.Context(), kind, besides, costs)
			if err != nil {
				t.Fatal(err)
			}
			costs[kind] = c
		}
		want := map[capacity.Request]capacity.Cost{
			capacity.SetItem:    {Measured: 100, EdgeMicros: 300, StackMicros: 500, Transactions: 2, Writing: 1, RowsWritten: 1, Bytes: 700},
			capacity.PlaceOrder: {Measured: 100, EdgeMicros: 300, StackMicros: 2250, RedisMicros: 50, Transactions: 6, Writing: 5, RowsWritten: 26.5, Bytes: 1000},
		}
		if diff := cmp.Diff(want, costs); diff != "" {
			t.Errorf("costs (-want +got):\n%s", diff)
		}
	})
}

func TestMeasurementsThatProveNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fake{begun: time.Now(), fails: capacity.GetCart}
		m := measuring(f)
		if err := m.watchIdle(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := m.measure(t.Context(), capacity.GetCart, nil, nil); err == nil || !strings.Contains(err.Error(), "get_cart: refused") {
			t.Errorf("requests that fail: %v", err)
		}
		if _, err := m.measure(t.Context(), capacity.GetOrder, nil, nil); err == nil || !strings.Contains(err.Error(), "too few requests") {
			t.Errorf("requests that cost nothing: %v", err)
		}
	})
	for _, cfg := range []Config{{}, {People: 3, Requests: 100, Workers: 4, Idle: time.Second}, {People: 20, Requests: 100, Workers: 4}} {
		if err := cfg.validate(); err == nil {
			t.Errorf("%+v is accepted", cfg)
		}
	}
}

func TestEveryKindIsAskedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rt, err := (&shoptest.Shop{}).Caller("Dublin", netip.Addr{})
		if err != nil {
			t.Fatal(err)
		}
		c := newCallers(shopper.Origin)
		c.rt = rt
		c.anybody = c.somebody()
		if err := c.look(t.Context()); err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(1, 1))
		for _, kind := range capacity.Requests() {
			for n := range 3 {
				if err := c.ask(t.Context(), kind, n, rng); err != nil {
					t.Error(err)
				}
			}
			if (Config{People: 20, Requests: 40}).count(kind) < 10 {
				t.Errorf("%s is asked for too seldom", kind)
			}
		}
		if err := c.empty(t.Context()); err != nil || len(c.orders) != 3 {
			t.Errorf("%d orders, %v", len(c.orders), err)
		}
		if err := c.ask(t.Context(), "nothing", 0, rng); err == nil {
			t.Error("what there is not is asked for")
		}
	})
}

func TestJourneysAreTheLoadGenerators(t *testing.T) {
	t.Parallel()
	weight, orders := 0.0, 0.0
	for _, j := range journeys() {
		if len(j.Requests) == 0 {
			t.Errorf("%s asks for nothing", j.Name)
		}
		weight, orders = weight+j.Weight, orders+j.Weight*j.Requests[capacity.PlaceOrder]
	}
	if weight != 100 || orders != 20 {
		t.Errorf("the weights add up to %v, of which orders %v", weight, orders)
	}
}

func TestRequestOfAnOperation(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		op   history.Op
		want capacity.Request
		ok   bool
	}{
		{history.Op{Kind: history.List, Outcome: history.OK}, capacity.ListProducts, true},
		{history.Op{Kind: history.PlaceOrder, Outcome: history.OK}, capacity.PlaceOrder, true},
		{history.Op{Kind: history.PlaceOrder, Outcome: history.OK, Replay: true}, capacity.GetOrder, true},
		{history.Op{Kind: history.PlaceOrder, Outcome: history.Fail}, capacity.GetOrder, true},
		{history.Op{Kind: history.WatchMessage}, "", false},
	} {
		if got, ok := requestOf(c.op); got != c.want || ok != c.ok {
			t.Errorf("%+v is %s, %t; want %s, %t", c.op, got, ok, c.want, c.ok)
		}
	}
}

func TestProcess(t *testing.T) {
	t.Parallel()
	for { // being busy counts, until it is some of the kernel's ticks
		ran, peak, err := process(os.Getpid())
		if err != nil || peak < 1<<20 {
			t.Fatalf("this process had %d bytes (%v)", peak, err)
		}
		if ran > 0 {
			break
		}
	}
}

func TestProfileIsWritten(t *testing.T) {
	t.Parallel()
	p := capacity.DefaultProfile()
	file := filepath.Join(t.TempDir(), "profile.json")
	var out bytes.Buffer
	if err := errors.Join(write(p, file, nil), write(p, "", &out)); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(text, out.Bytes()) {
		t.Fatalf("%v; the file and the output differ", err)
	}
	again, err := capacity.ReadProfile(&out)
	if diff := cmp.Diff(p, again); err != nil || diff != "" {
		t.Errorf("%v, %s", err, diff)
	}
	p.Requests = nil
	if err := write(p, file, nil); err == nil {
		t.Error("an invalid profile is written")
	}
}

func TestMachine(t *testing.T) {
	t.Parallel()
	if m := machine(); m.CPUs < 1 || m.Go == "" || m.System == "" {
		t.Errorf("%+v", m)
	}
	var raw map[string]any
	text, _ := json.Marshal(capacity.DefaultProfile())
	if err := json.Unmarshal(text, &raw); err != nil || raw["schema_version"] != capacity.ProfileVersion {
		t.Errorf("%v, %v", raw["schema_version"], err)
	}
}
