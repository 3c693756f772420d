package load_test

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/internet"
	"github.com/meridian-commerce/meridian/internal/sim/load"
	"github.com/meridian-commerce/meridian/internal/sim/load/shoptest"
)

func TestScheduleIsDrawnFromTheSeed(t *testing.T) {
	t.Parallel()
	draw := func(seed uint64) []load.Arrival {
		s, err := load.Schedule(seed, internet.Cities(), 12, 20, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	one := draw(1)
	if diff := cmp.Diff(one, draw(1)); diff != "" {
		t.Errorf("seed 1 twice: %s", diff)
	}
	if cmp.Equal(one, draw(2)) {
		t.Error("seeds 1 and 2 give the same schedule")
	}
}

func TestScheduleIsAPoissonProcess(t *testing.T) {
	t.Parallel()
	const rate, length = 50.0, 1000 * time.Second
	s, err := load.Schedule(7, internet.Cities(), 12, rate, length)
	if err != nil {
		t.Fatal(err)
	}
	perSecond := make([]float64, int(length.Seconds()))
	for i, a := range s {
		if i > 0 && a.After < s[i-1].After {
			t.Fatalf("arrival %d comes before the one before it", i)
		}
		perSecond[int(a.After.Seconds())]++
	}
	mean, variance := 0.0, 0.0
	for _, n := range perSecond {
		mean += n / float64(len(perSecond))
	}
	for _, n := range perSecond {
		variance += (n - mean) * (n - mean) / float64(len(perSecond))
	}
	if math.Abs(mean-rate) > 2 || variance/mean < 0.85 || variance/mean > 1.15 {
		t.Errorf("arrivals per second: mean %v, variance %v; of a Poisson process both are %v", mean, variance, rate)
	}
}

// run plays a load on a shop, in simulated time if called in a synctest bubble.
func run(t *testing.T, shop *shoptest.Shop, length time.Duration) (*history.History, load.Result) {
	t.Helper()
	h := &history.History{}
	l, err := load.New(t.Context(), load.Config{
		Seed: 1, Rate: 20, Duration: length, Shoppers: 60, Hour: 12, Cities: internet.Cities(), Access: shop, History: h,
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := l.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r.Dropped != 0 || r.Arrivals < 10 {
		t.Errorf("%d arrivals, %d dropped", r.Arrivals, r.Dropped)
	}
	return h, r
}

func TestEveryJourneyIsMade(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, _ := run(t, &shoptest.Shop{Token: 20 * time.Second}, time.Minute)
		kinds, replays, abroad := map[history.Kind]int{}, 0, 0
		for _, op := range h.Ops() {
			kinds[op.Kind]++
			if !op.Succeeded() {
				t.Errorf("%s: %s %s %s", op.Kind, op.Outcome, op.Code, op.Message)
			}
			if op.Replay {
				replays++
			}
			if op.Home != op.Nearest {
				abroad++
			}
		}
		for _, kind := range []history.Kind{
			history.SignUp, history.SignIn, history.List, history.Product, history.Search, history.GetCart,
			history.SetItem, history.PlaceOrder, history.GetOrder, history.Watch, history.WatchMessage,
		} {
			if kinds[kind] == 0 {
				t.Errorf("no %s", kind)
			}
		}
		if replays == 0 || abroad == 0 {
			t.Errorf("%d replays, %d requests from abroad", replays, abroad)
		}
	})
}

func TestAStallShowsInEveryLatencyThatItTouches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var stallEnds atomic.Int64
		shop := &shoptest.Shop{Before: func(context.Context, *http.Request) error {
			time.Sleep(time.Until(time.Unix(0, stallEnds.Load())))
			return nil
		}}
		const stall = 5 * time.Second
		var from time.Time
		time.AfterFunc(40*time.Second, func() { from = time.Now(); stallEnds.Store(from.Add(stall).UnixNano()) })
		h, r := run(t, shop, time.Minute)
		arrivals, waited := 0, time.Duration(0)
		for _, op := range h.Ops() {
			into := op.Intended.Sub(from)
			if !op.Kind.Catalog() || into < 0 || into >= stall {
				continue
			}
			arrivals++
			waited += op.Latency()
			if want := stall - into; op.Latency() < want {
				t.Errorf("a request %v into the stall has a latency of %v, want at least %v", into, op.Latency(), want)
			}
		}
		if mean := waited / time.Duration(max(arrivals, 1)); arrivals < 30 || mean < stall/3 {
			t.Errorf("%d arrivals during the stall with a mean latency of %v: the load waited for the system", arrivals, mean)
		}
		if r.MaxStartDelay > time.Second {
			t.Errorf("the generator was late by %v", r.MaxStartDelay)
		}
	})
}

func TestShoppersTryAgainUnderTheSameKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var seen atomic.Int64
		shop := &shoptest.Shop{Before: func(_ context.Context, r *http.Request) error {
			if strings.HasSuffix(r.URL.Path, "/PlaceOrder") && seen.Add(1)%2 == 1 {
				return errors.New("connection reset")
			}
			return nil
		}}
		h, _ := run(t, shop, 30*time.Second)
		attempts := map[string][]history.Op{}
		for _, op := range h.Ops() {
			if op.Kind == history.PlaceOrder && !op.Replay {
				own := op.User + " " + op.Key
				attempts[own] = append(attempts[own], op)
			}
		}
		retried := 0
		for key, ops := range attempts {
			last := ops[len(ops)-1]
			if last.Outcome != history.OK {
				t.Errorf("the order %s was given up after %d attempts: %s", key, len(ops), last.Message)
			}
			if len(ops) > 1 {
				retried++
				if ops[0].Outcome != history.Info {
					t.Errorf("a lost connection counts as %s", ops[0].Outcome)
				}
			}
		}
		if retried == 0 {
			t.Error("nobody tried again")
		}
	})
}
