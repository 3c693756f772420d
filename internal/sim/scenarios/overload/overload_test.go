package overload

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/load/shoptest"
	"github.com/meridian-commerce/meridian/internal/sim/scenario"
	"github.com/meridian-commerce/meridian/internal/sim/scenario/scenariotest"
	"github.com/meridian-commerce/meridian/internal/sim/scenarios/overload/brake"
)

// fake is an edge before stacks that serve so many requests at a time. It lets in a few more than that, carts and
// orders always, unless it is naive.
type fake struct {
	naive  bool // it refuses nothing
	shop   http.RoundTripper
	slots  chan struct{}
	let    chan struct{}
	orders chan struct{}
}

func newFake(t *testing.T, naive bool) *fake {
	t.Helper()
	rt, err := (&shoptest.Shop{}).Caller("Dublin", netip.Addr{})
	if err != nil {
		t.Fatal(err)
	}
	return &fake{naive: naive, shop: rt, slots: make(chan struct{}, 4), let: make(chan struct{}, 6), orders: make(chan struct{}, 100)}
}

// RoundTrip implements http.RoundTripper.
func (f *fake) RoundTrip(r *http.Request) (*http.Response, error) {
	room := f.let
	switch {
	case strings.HasSuffix(r.URL.Path, "/ListProducts"), strings.HasSuffix(r.URL.Path, "/SignUp"):
		return f.shop.RoundTrip(r)
	case r.Method == http.MethodPost: // browsing gets
		room = f.orders
	}
	if !f.naive {
		select {
		case room <- struct{}{}:
			defer func() { <-room }()
		default:
			time.Sleep(time.Millisecond)
			return &http.Response{
				StatusCode: http.StatusServiceUnavailable, Header: http.Header{"Content-Type": {"application/json"}}, Request: r,
				Body: io.NopCloser(strings.NewReader(`{"code": "unavailable"}`)),
			}, nil
		}
	}
	select {
	case f.slots <- struct{}{}:
		defer func() { <-f.slots }()
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	time.Sleep(100 * time.Millisecond)
	return f.shop.RoundTrip(r)
}

func measured(t *testing.T, naive bool) scenariotest.Result {
	t.Helper()
	d := &drill{open: func(context.Context, string, brake.Config) (*brake.Brake, error) {
		return new(brake.Brake), nil // the fake is one; a listener would hold up simulated time
	}}
	world := func(*scenario.Run) scenario.World {
		d.transport = newFake(t, naive) // here, because its channels belong to simulated time
		return scenario.World{}
	}
	return scenariotest.Play(t, d.scenario(), world, "--concurrency=2", "--duration=20s")
}

func TestARegionThatRefuses(t *testing.T) {
	t.Parallel()
	r := measured(t, false)
	var f Figures
	r.Figures(t, &f)
	if r.Err != nil || len(r.Missed())+len(r.Violations) > 0 || f.Capacity < 39 || f.Capacity > 41 || f.RefusalP99 < 0.9 || f.RefusalP99 > 1.1 {
		t.Errorf("%v: %s", r.Err, r.JSON)
	}
	for _, want := range []string{"REQUESTS DURING THE OVERLOAD", "goodput", "--stacks 2", "no violation"} {
		if !strings.Contains(r.Printed, want) {
			t.Errorf("it does not say %q:\n%s", want, r.Printed)
		}
	}
}

func TestARegionThatRefusesNothing(t *testing.T) {
	t.Parallel()
	r := measured(t, true)
	if diff := cmp.Diff([]string{"goodput", "checkouts_served", "recovered"}, r.Missed()); diff != "" {
		t.Errorf("missed (-want +got):\n%s", diff)
	}
	if !slices.Contains(r.Invariants(), RefusedSome) || !errors.Is(r.Err, scenario.ErrFailed) {
		t.Errorf("%v: %v", r.Err, r.Violations)
	}
}

func TestRecovered(t *testing.T) {
	t.Parallel()
	from := time.UnixMilli(0)
	tests := []struct {
		name     string
		outcomes string // one every 500 ms; x fails
		want     time.Duration
		ok       bool
	}{
		{"at once", "..........", 0, true},
		{"after a while", "xxxx......", 1500 * time.Millisecond, true},
		{"a later failure is another matter", "x.....x...", 0, true},
		{"not yet", "xxxxxxxxx.", 4 * time.Second, false},
	}
	for _, tt := range tests {
		p := phase{from: from, to: from.Add(5 * time.Second)}
		for i, c := range tt.outcomes {
			start := from.Add(time.Duration(i) * 500 * time.Millisecond)
			op := history.Op{Invoked: start, Returned: start, Outcome: history.OK}
			if c == 'x' {
				op.Outcome = history.Info
			}
			p.answers = append(p.answers, op)
		}
		if got, ok := recovered(p); got != tt.want || ok != tt.ok {
			t.Errorf("%s: %v, %v", tt.name, got, ok)
		}
	}
}

func TestAnOverloadThatIsNone(t *testing.T) {
	t.Parallel()
	for _, flag := range []string{"--times=1", "--duration=1s"} {
		if r := scenariotest.Play(t, Scenario(), nil, flag); r.Err == nil || errors.Is(r.Err, scenario.ErrFailed) {
			t.Errorf("%s is accepted: %v", flag, r.Err)
		}
	}
}
