package edge

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"
)

// hedging is a site whose edge hedges reads, and knows that they take no time.
func hedging(t *testing.T) *site {
	t.Helper()
	s := newSite(t)
	s.edge.hedges.percent = 5
	p := new(pace)
	for range hedgeKnown {
		p.observe(time.Microsecond)
	}
	s.edge.hedges.paces[product] = p
	return s
}

// waits answers nothing until its caller leaves, and says so.
func waits(left chan<- struct{}) http.HandlerFunc {
	return func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
		left <- struct{}{}
	}
}

// quiet waits until no instance has a request under way.
func (s *site) quiet(t *testing.T) {
	t.Helper()
	eventually(t, "no request is under way", func() bool {
		for _, one := range s.stacks {
			if one.InFlight() != 0 {
				return false
			}
		}
		return s.edge.hedges.under.Load() == 0
	})
}

// TestHedge: a read that takes longer than usual is answered by another instance, at home or else in the next
// region, and the first one is told to stop.
func TestHedge(t *testing.T) {
	t.Parallel()
	for _, other := range []string{"eu-west-1", "us-east-1"} {
		t.Run(other, func(t *testing.T) {
			t.Parallel()
			s, left := hedging(t), make(chan struct{}, 1)
			s.add(t, eu, "slow", waits(left))
			if other == string(eu) {
				s.add(t, eu, "quick", echo).Acquire() // so that the slow one is asked first
				defer s.stacks[1].Release()
			} else {
				s.add(t, us, "quick", echo)
			}
			got := s.send(t, http.MethodPost, product, "{}")
			if got.status != http.StatusOK || got.body != "{}" || got.Get("Stack") != "quick" || got.Get("Meridian-Served-Region") != other {
				t.Errorf("got %d %q by %s", got.status, got.body, got.Get("Stack"))
			}
			<-left
			if n := s.count(t, "meridian_edge_hedges_total", "won"); n != 1 {
				t.Errorf("%v hedges are counted as won", n)
			}
			eventually(t, "the slow one has nothing under way", func() bool { return s.stacks[0].InFlight() == 0 })
			if len(s.reported) != 0 || len(s.outcomes) != 1 || s.outcomes[0] != "quick true" {
				t.Errorf("the view was told %v %v", s.reported, s.outcomes)
			}
		})
	}
}

// TestHedgeLoses: the first instance's answer counts where it comes first, or where the second one's is none.
func TestHedgeLoses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		second func(left chan<- struct{}) http.HandlerFunc
		leaves bool
	}{
		"it is later": {waits, true},
		"it fails":    {func(chan<- struct{}) http.HandlerFunc { return answers(http.StatusBadGateway, "text/plain", "no") }, false},
		"it is refused": {func(chan<- struct{}) http.HandlerFunc {
			return answers(http.StatusServiceUnavailable, "application/json", appError)
		}, false},
		"it breaks": {func(chan<- struct{}) http.HandlerFunc { return reset }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, left, asked := hedging(t), make(chan struct{}, 1), make(chan struct{})
			s.add(t, eu, "first", func(w http.ResponseWriter, r *http.Request) {
				<-asked
				echo(w, r)
			})
			second := tc.second(left)
			s.add(t, us, "second", func(w http.ResponseWriter, r *http.Request) {
				close(asked)
				second(w, r)
			})
			if got := s.send(t, http.MethodPost, product, "{}"); got.status != http.StatusOK || got.Get("Stack") != "first" || got.Get("Meridian-Served-Region") != string(eu) {
				t.Errorf("got %d by %s: %s", got.status, got.Get("Stack"), got.body)
			}
			if tc.leaves {
				<-left
			}
			if n := s.count(t, "meridian_edge_hedges_total", "lost"); n != 1 {
				t.Errorf("%v hedges are counted as lost", n)
			}
			s.quiet(t)
		})
	}
}

// TestHedgeIsTheRepetition: what was asked twice is not asked a third time.
func TestHedgeIsTheRepetition(t *testing.T) {
	t.Parallel()
	s, asked := hedging(t), make(chan struct{})
	first := s.add(t, eu, "first", func(w http.ResponseWriter, r *http.Request) {
		<-asked
		reset(w, r)
	})
	second := s.add(t, us, "second", func(w http.ResponseWriter, r *http.Request) {
		close(asked)
		reset(w, r)
	})
	third := s.add(t, ap, "third", echo)
	if got := s.send(t, http.MethodPost, product, "{}"); got.status != http.StatusBadGateway {
		t.Errorf("got %d", got.status)
	}
	if first.calls.Load() != 1 || second.calls.Load() != 1 || third.calls.Load() != 0 {
		t.Errorf("asked %d, %d and %d times", first.calls.Load(), second.calls.Load(), third.calls.Load())
	}
	s.quiet(t)
}

// TestCallerLeavesARace: both instances are told.
func TestCallerLeavesARace(t *testing.T) {
	t.Parallel()
	s, left := hedging(t), make(chan struct{}, 2)
	s.add(t, eu, "first", waits(left))
	second := s.add(t, us, "second", waits(left))
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+product, nil)
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	wait.Go(func() {
		if res, err := s.client.Do(req); err == nil {
			_ = res.Body.Close()
		}
	})
	eventually(t, "both are asked", func() bool { return second.calls.Load() == 1 })
	leave()
	wait.Wait()
	<-left
	<-left
	s.quiet(t)
}

// TestNotHedged: what is no GLOBAL read, goes on for long, must stay where it is, or of which too little is known.
func TestNotHedged(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		path    string
		headers []string
		change  func(*site)
	}{
		"it is off":        {product, nil, func(s *site) { s.edge.hedges.percent = 0 }},
		"rows of a user":   {"/meridian.cart.v1.CartService/GetCart", nil, nil},
		"a write":          {place, []string{"Idempotency-Key", "k"}, nil},
		"a stream":         {product, []string{"Accept", "text/event-stream"}, nil},
		"gRPC":             {product, []string{"Content-Type", "application/grpc"}, nil},
		"a pin":            {product, []string{"Meridian-Region", "eu-west-1"}, nil},
		"an unknown route": {product, nil, func(s *site) { s.edge.hedges.paces[product] = new(pace) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := hedging(t)
			if tc.change != nil {
				tc.change(s)
			}
			s.add(t, eu, "slow", func(http.ResponseWriter, *http.Request) { time.Sleep(4 * hedgeLeast) })
			other := s.add(t, us, "other", echo)
			if got := s.send(t, http.MethodPost, tc.path, "{}", tc.headers...); got.Get("Stack") != "slow" || other.calls.Load() != 0 {
				t.Errorf("answered by %q, the other was asked %d times", got.Get("Stack"), other.calls.Load())
			}
		})
	}
}

// TestHedgesKeepToTheBudget: where every instance is slow, nearly nothing is asked twice.
func TestHedgesKeepToTheBudget(t *testing.T) {
	t.Parallel()
	const callers = 60 // of which 5 percent are 3
	s, release := hedging(t), make(chan struct{})
	slow := func(w http.ResponseWriter, r *http.Request) {
		<-release
		echo(w, r)
	}
	var stacks []*stack
	for i := range 3 {
		stacks = append(stacks, s.add(t, eu, fmt.Sprint(i), slow))
	}
	calls := func() (n int32) {
		for _, one := range stacks {
			n += one.calls.Load()
		}
		return n
	}
	var wait sync.WaitGroup
	for range callers {
		wait.Go(func() {
			if got := s.send(t, http.MethodPost, product, "{}"); got.status != http.StatusOK {
				t.Errorf("got %d", got.status)
			}
		})
	}
	decided := func() float64 { return s.count(t, "meridian_edge_hedges_total", "over_budget") }
	eventually(t, "every caller waits, hedged or not", func() bool {
		return decided() >= callers-3 && calls() >= callers
	})
	if n := calls(); n > callers+3 {
		t.Errorf("%d requests of %d callers", n, callers)
	}
	if under := s.edge.hedges.under.Load(); under < 1 || under > 3 {
		t.Errorf("%d hedges under way", under)
	}
	close(release)
	wait.Wait()
	s.quiet(t)
}

// TestPace: the estimate comes to rest where about five of a hundred answers take longer, and follows a change.
func TestPace(t *testing.T) {
	t.Parallel()
	var p pace
	random := rand.New(rand.NewPCG(1, 2))
	for _, scale := range []time.Duration{time.Millisecond * 10, time.Millisecond * 80, time.Millisecond * 20} {
		draw := func() time.Duration { return scale/2 + time.Duration(random.ExpFloat64()*float64(scale)) }
		for range 20_000 {
			p.observe(draw())
		}
		level, known := p.usual()
		longer := 0
		for range 10_000 {
			if draw() > level {
				longer++
			}
		}
		if !known || longer < 200 || longer > 1000 {
			t.Errorf("at a scale of %v, %d of 10000 answers are longer than %v", scale, longer, level)
		}
	}
	quick := new(pace)
	for i := range hedgeKnown {
		if _, known := quick.usual(); known {
			t.Errorf("%d answers are enough", i)
		}
		quick.observe(time.Microsecond)
	}
	if level, known := quick.usual(); !known || level != hedgeLeast {
		t.Errorf("quick answers: %v, %v", level, known)
	}
}
