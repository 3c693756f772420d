package attack

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/sim/load/shoptest"
	"github.com/meridian-commerce/meridian/internal/sim/scenario"
	"github.com/meridian-commerce/meridian/internal/sim/scenario/scenariotest"
)

// edge answers whatever is sent over a connection by 400, and a flood by 503.
type edge struct{ asked, flooded atomic.Int64 }

func (e *edge) dial(context.Context, string) (net.Conn, error) {
	here, there := net.Pipe()
	go func() {
		e.asked.Add(1)
		in := bufio.NewReader(there)
		for line := "x"; line != "" && line != "\r\n"; {
			line, _ = in.ReadString('\n')
			if strings.HasPrefix(line, "PRI ") { // the preface of HTTP/2: answered by a GOAWAY
				go func() { _, _ = io.Copy(io.Discard, in) }()
				_, _ = there.Write([]byte{0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1})
				return
			}
		}
		go func() { _, _ = io.Copy(io.Discard, in) }()
		_, _ = io.WriteString(there, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
	}()
	return here, nil
}

// RoundTrip implements http.RoundTripper.
func (e *edge) RoundTrip(r *http.Request) (*http.Response, error) {
	e.flooded.Add(1)
	return &http.Response{StatusCode: http.StatusServiceUnavailable, Body: http.NoBody, Request: r}, nil
}

func played(t *testing.T, d *drill, flags ...string) (scenariotest.Result, *edge) {
	t.Helper()
	e := new(edge)
	d.dial = e.dial
	d.flooding = e
	world := func(*scenario.Run) scenario.World {
		f := scenariotest.New("")
		return f.World(f)
	}
	return scenariotest.Play(t, d.scenario(), world, append([]string{"--flood=10s", "--flood-rate=500", "--connections=8"}, flags...)...), e
}

func well(context.Context, *scenario.Run) ([]string, error) { return nil, nil }

func TestNothingLeavesService(t *testing.T) {
	t.Parallel()
	r, e := played(t, &drill{standing: well})
	if r.Err != nil || len(r.Missed())+len(r.Violations) > 0 {
		t.Fatalf("%v: %s", r.Err, r.JSON)
	}
	var f Figures
	r.Figures(t, &f)
	if f.Strange < 1400 || int64(f.Strange) != e.asked.Load() || f.Garbage < 480 || f.Garbage > 501 || !strings.Contains(f.StrangeFate, "reset: ") {
		t.Errorf("%+v; %d and %d came", f, e.asked.Load(), e.flooded.Load())
	}
	if f.CalmOrders < 180 || f.CalmOrders > f.AttackOrders+6 || f.Flooded.Served != f.Flooded.Tried || f.Flooded.Tried == 0 {
		t.Errorf("%+v", f)
	}
}

func TestWhatLeavesIsFound(t *testing.T) {
	t.Parallel()
	for what, standing := range map[string]func(context.Context, *scenario.Run) ([]string, error){
		"an instance of us-east-1": func(context.Context, *scenario.Run) ([]string, error) {
			return []string{"an instance of us-east-1"}, nil
		},
		"no answer": func(context.Context, *scenario.Run) ([]string, error) { return nil, errors.New("no answer") },
	} {
		r, _ := played(t, &drill{standing: standing}, "--pairs=3")
		if !slices.Equal(r.Invariants(), []string{NothingLeft}) || !strings.Contains(r.Violations[0].Detail, what) {
			t.Errorf("%s: %v", what, r.Violations)
		}
	}
}

// TestShoppersWhoNotice: slower orders, or reads that are refused, miss the objectives; too few prove nothing.
func TestShoppersWhoNotice(t *testing.T) {
	t.Parallel()
	e := new(edge)
	d := &drill{standing: well, dial: e.dial, flooding: e}
	world := func(*scenario.Run) scenario.World {
		f := scenariotest.New(shoptest.Bug(""))
		f.Shop.Before = func(_ context.Context, r *http.Request) error {
			if e.flooded.Load() > 0 && strings.Contains(r.URL.Path, "GetCart") {
				return errors.New("refused")
			}
			return nil
		}
		return f.World(f)
	}
	r := scenariotest.Play(t, d.scenario(), world, "--flood=10s", "--pairs=1", "--stretch=2s", "--strange-rate=1")
	if diff := cmp.Diff([]string{"flood_served"}, r.Missed()); diff != "" {
		t.Errorf("missed (-want +got):\n%s", diff)
	}
	if !slices.Contains(r.Invariants(), TriedEnough) {
		t.Errorf("%v", r.Violations)
	}
}

func TestAnAttackThatIsNone(t *testing.T) {
	t.Parallel()
	for _, flag := range []string{"--pairs=0", "--stretch=1ms", "--flood-rate=0"} {
		if r := scenariotest.Play(t, Scenario(), nil, flag); r.Err == nil || errors.Is(r.Err, scenario.ErrFailed) {
			t.Errorf("%s is accepted: %v", flag, r.Err)
		}
	}
}
