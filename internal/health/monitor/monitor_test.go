package monitor

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/meridian-commerce/meridian/internal/discovery"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/health"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/internal/telemetry"
	"github.com/meridian-commerce/meridian/regions"
)

var (
	errAway     = fault.New(fault.Unavailable, "DATABASE_UNREACHABLE", "the database cannot be reached")
	errNoQuorum = sqldb.Fault(&pgconn.PgError{Code: "58C00"}) // too many regions are lost
)

// surroundings are what an instance finds around it. The zero value is fine.
type surroundings struct {
	mu         sync.Mutex
	ping, beat error
	stalled    bool // writes wait until their time is over
	apart      bool // so do reads of what is in every region
	behind     time.Duration
	load       float64
	skew       time.Duration // of the machine's clock
}

func (s *surroundings) set(change func(*surroundings)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

func (s *surroundings) probes() Probes {
	return Probes{
		Clock: func() time.Time {
			s.mu.Lock()
			defer s.mu.Unlock()
			return time.Now().Add(s.skew)
		},
		Ping: func(context.Context) (time.Time, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			return time.Now(), s.ping
		},
		Beat: func(ctx context.Context) error {
			s.mu.Lock()
			err, stalled := s.beat, s.stalled
			s.mu.Unlock()
			if stalled {
				<-ctx.Done()
				return fault.Wrap(ctx.Err(), fault.Unavailable, "DATABASE_SLOW", "no answer in time")
			}
			return err
		},
		Read: func(ctx context.Context) error {
			s.mu.Lock()
			apart := s.apart
			s.mu.Unlock()
			if apart {
				<-ctx.Done()
			}
			return ctx.Err()
		},
		Behind: func(time.Time) (regions.Name, time.Duration) {
			s.mu.Lock()
			defer s.mu.Unlock()
			return "eu-west-1", s.behind
		},
		Load: func(time.Time) float64 {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.load
		},
	}
}

// asked is what one side of the instance says of it.
func asked(h http.Handler, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

// TestReadiness runs an instance among surroundings that change, and asks what it says a while later.
func TestReadiness(t *testing.T) {
	t.Parallel()
	const ready, unready = http.StatusOK, http.StatusServiceUnavailable
	tests := []struct {
		name   string
		change func(*surroundings)
		after  time.Duration
		status int
		says   string // of /readyz
	}{
		{"all is well", func(*surroundings) {}, time.Minute, ready, "ready"},
		{"the gateway misses one ping", func(s *surroundings) { s.ping = errAway }, 600 * time.Millisecond, ready, "ready"},
		{"the gateway is away", func(s *surroundings) { s.ping = errAway }, 1100 * time.Millisecond, unready, "unready: database"},
		{"the clock is a little off", func(s *surroundings) { s.skew = 4 * time.Second }, time.Minute, ready, "ready"},
		{"the clock seems off once", func(s *surroundings) { s.skew = time.Hour }, 600 * time.Millisecond, ready, "ready"},
		{"the clock is minutes behind", func(s *surroundings) { s.skew = -10 * time.Minute }, 1100 * time.Millisecond, unready, "unready: clock"},
		{"the clock is days behind", func(s *surroundings) { s.skew = -8 * 24 * time.Hour }, 1100 * time.Millisecond, unready, "unready: clock"},
		{"the clock is days ahead", func(s *surroundings) { s.skew = 8 * 24 * time.Hour }, 1100 * time.Millisecond, unready, "unready: clock"},
		{"cut off, refused once", func(s *surroundings) { s.beat = errNoQuorum }, 1100 * time.Millisecond, ready, "ready"},
		{"cut off", func(s *surroundings) { s.beat = errNoQuorum }, 1300 * time.Millisecond, unready, "unready: quorum"},
		{"leases move", func(s *surroundings) { s.stalled = true }, 7 * time.Second, ready, "ready"},
		{"the primary region is lost", func(s *surroundings) { s.apart = true }, time.Minute, ready, "ready"},
		{"apart from all regions", func(s *surroundings) { s.stalled, s.apart = true, true }, 4100 * time.Millisecond, unready, "unready: quorum"},
		{"writes hang", func(s *surroundings) { s.stalled = true }, 15 * time.Second, unready, "unready: quorum"},
		{"the relay is a little behind", func(s *surroundings) { s.behind = 20 * time.Second }, time.Minute, ready, "ready"},
		{"the relay is far behind", func(s *surroundings) { s.behind = time.Hour }, time.Minute, ready, "degraded: relay"},
		{"full for a moment", func(s *surroundings) { s.load = 1 }, 3 * time.Second, ready, "ready"},
		{"full", func(s *surroundings) { s.load = 2 }, time.Minute, ready, "degraded: load"},
		{"everything at once", func(s *surroundings) { s.load, s.behind, s.beat, s.ping = 2, time.Hour, errNoQuorum, errAway }, time.Minute, unready, "unready: database load quorum relay"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			admin := adminOf(t)
			synctest.Test(t, func(t *testing.T) {
				around := &surroundings{}
				readiness := &telemetry.Readiness{}
				m := New(around.probes(), readiness)
				expect := func(when string, status int, says string) {
					t.Helper()
					synctest.Wait()
					if got := asked(m, discovery.ReadyPath); got.Code != status {
						t.Errorf("%s: edges are told %d, want %d", when, got.Code, status)
					}
					if got := admin(m); got != says {
						t.Errorf("%s: /readyz says %q, want %q", when, got, says)
					}
				}
				expect("before the first check", unready, "unready: clock database quorum")
				ctx, stop := context.WithCancel(t.Context())
				var running sync.WaitGroup
				running.Go(func() { m.Run(ctx) })
				expect("at first", ready, "ready")
				around.set(tt.change)
				time.Sleep(tt.after)
				expect("then", tt.status, tt.says)
				around.set(func(s *surroundings) {
					s.ping, s.beat, s.stalled, s.apart, s.behind, s.load, s.skew = nil, nil, false, false, 0, 0, 0
				})
				time.Sleep(beatTimeout + beatEvery)
				expect("all is well again", ready, "ready")
				readiness.SetDraining()
				if got := asked(m, discovery.ReadyPath).Code; got != unready {
					t.Errorf("draining: edges are told %d", got)
				}
				stop()
				running.Wait()
			})
		})
	}
}

// adminOf returns what /readyz says of a monitor: the status, and which checks failed.
func adminOf(t *testing.T) func(*Monitor) string {
	tel, err := telemetry.Start(t.Context(), telemetry.Config{Service: "test", Log: telemetry.LogConfig{Level: "error"}, Output: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tel.Shutdown(context.Background()) })
	return func(m *Monitor) string {
		var said struct {
			Status string
			Checks map[string]struct{ OK bool }
		}
		if err := json.Unmarshal(asked(tel.AdminHandler(m.Checks()...), "/readyz").Body.Bytes(), &said); err != nil {
			return err.Error()
		}
		var failed []string
		for _, name := range []string{"clock", "database", "load", "quorum", "relay"} {
			if c, there := said.Checks[name]; !there || !c.OK {
				failed = append(failed, name)
			}
		}
		if len(failed) == 0 {
			return said.Status
		}
		return said.Status + ": " + strings.Join(failed, " ")
	}
}

// A beat that hangs must not delay what edges are told of the gateway.
func TestGatewayIsAskedWhileABeatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		around := &surroundings{}
		m := New(around.probes(), &telemetry.Readiness{})
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { m.Run(ctx) })
		synctest.Wait()
		around.set(func(s *surroundings) { s.stalled = true })
		time.Sleep(beatEvery + time.Millisecond)
		around.set(func(s *surroundings) { s.ping = errAway })
		time.Sleep(2 * pingEvery)
		synctest.Wait()
		if err := m.ready(ctx); !errors.Is(err, errAway) {
			t.Errorf("the reason is %v", err)
		}
		stop()
		running.Wait()
	})
}

func TestLoadIsToldWithReadiness(t *testing.T) {
	t.Parallel()
	around := &surroundings{load: 0.8125}
	m := New(around.probes(), &telemetry.Readiness{})
	if got := asked(m, discovery.ReadyPath).Header().Get(discovery.LoadHeader); got != "" {
		t.Errorf("unready, and its load is %s", got)
	}
	m.look(t.Context())
	m.write(t.Context())
	if got := asked(m, discovery.ReadyPath).Header().Get(discovery.LoadHeader); got != "0.813" && got != "0.812" {
		t.Errorf("its load is %q", got)
	}
}

func TestRequests(t *testing.T) {
	t.Parallel()
	meter := health.NewMeter(4, time.Now())
	var during float64
	h := Requests(meter, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { during = meter.Use(time.Now()) }))
	for path, want := range map[string]float64{"/meridian.cart.v1.CartService/GetCart": 0.25, discovery.ReadyPath: 0} {
		if asked(h, path); during != want {
			t.Errorf("%s: %v is in use during it", path, during)
		}
		if now := meter.Use(time.Now()); now != 0 {
			t.Errorf("%s: %v is in use after it", path, now)
		}
	}
}
