package edge

import (
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/discovery"
	"github.com/meridian-commerce/meridian/internal/id"
	"github.com/meridian-commerce/meridian/regions"
)

func TestRoutes(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, n := range []regions.Name{us, eu, ap} {
		s.add(t, n, string(n), echo)
	}
	for name, tc := range map[string]struct {
		path    string
		headers []string
		region  regions.Name
		route   string
	}{
		"global":                   {product, nil, eu, "nearest"},
		"global with a token":      {product, []string{"Authorization", "Bearer home:ap-southeast-1"}, eu, "nearest"},
		"home":                     {place, []string{"Authorization", "bearer home:us-east-1"}, us, "home"},
		"home, a forged token":     {place, []string{"Authorization", "Bearer forged"}, eu, "home"},
		"home by an id":            {"/v1/orders/" + id.New(id.Order, "ap1") + "/events", nil, ap, "home"},
		"sign-up by location":      {signUp, []string{"CF-IPCountry", "JP"}, ap, "nearest"},
		"soft pin":                 {product, []string{"Meridian-Prefer-Region", "us-east-1"}, us, "pinned"},
		"hard pin":                 {place, []string{"Meridian-Region", "ap-southeast-1", "Authorization", "Bearer home:us-east-1"}, ap, "pinned"},
		"what is no RPC":           {"/.well-known/jwks.json", nil, eu, "nearest"},
		"an unknown soft pin":      {product, []string{"Meridian-Prefer-Region", "mars-1"}, eu, "nearest"},
		"a basic authorization":    {place, []string{"Authorization", "Basic home:us-east-1"}, eu, "home"},
		"a token that is too long": {place, []string{"Authorization", "Bearer home:us-east-1" + strings.Repeat("x", 9000)}, eu, "home"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := s.send(t, http.MethodPost, tc.path, "hello", tc.headers...)
			if got.status != http.StatusOK || got.body != "hello" {
				t.Errorf("got %d %q", got.status, got.body)
			}
			if got.Get("Stack") != string(tc.region) || got.Get("Meridian-Served-Region") != string(tc.region) ||
				got.Get("Meridian-Route") != tc.route || got.Get("Meridian-Edge-Region") != string(eu) {
				t.Errorf("served by %s: %v", got.Get("Stack"), got.Header)
			}
		})
	}
}

func TestUnknownHardPinIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.add(t, eu, "eu/0", echo)
	got := s.send(t, http.MethodPost, product, "{}", "Meridian-Region", "mars-1")
	if got.status != http.StatusBadRequest || !strings.Contains(got.body, "UNKNOWN_REGION") || !strings.Contains(got.body, "us-east-1") {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

// TestHeaders proves that a stack sees the edge's word about the caller, whatever the caller writes.
func TestHeaders(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var seen http.Header
	s.add(t, eu, "eu/0", func(w http.ResponseWriter, r *http.Request) {
		seen = r.Header.Clone()
		seen.Set("Host-Was", r.Host)
		h := w.Header()
		h.Set("Server-Timing", "app;dur=1.5")
		h.Set("Meridian-Served-Region", "mars-1")
		h.Set("Meridian-Secret", "x")
		h.Set("X-Request-Id", "of the stack")
	})
	got := s.send(t, http.MethodPost, product, "{}",
		"X-Forwarded-For", "1.1.1.1, 203.0.113.5", "CF-IPCountry", "JP", "X-Request-Id", "req-1",
		"Meridian-Caller-Ip", "9.9.9.9", "meridian-caller-region", "us-east-1", "Meridian-Caller-Country", "US",
		"Meridian-Edge-Region", "us-east-1", "Meridian-Anything", "x", "Meridian-Prefer-Region", "eu-west-1",
		"Connection", "Upgrade, Meridian-Caller-Ip, Meridian-Edge-Region", "Upgrade", "h2c", "Forwarded", "for=9.9.9.9",
		"Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	for name, want := range map[string]string{
		"Meridian-Caller-Ip": "203.0.113.5", "Meridian-Caller-Country": "JP", "Meridian-Caller-Region": "eu-west-1",
		"Meridian-Edge-Region": "eu-west-1", "Meridian-Anything": "", "Meridian-Prefer-Region": "eu-west-1",
		"X-Forwarded-For": "", "Forwarded": "", "Upgrade": "", "Connection": "", "X-Request-Id": "req-1", "Accept-Encoding": "",
	} {
		if diff := cmp.Diff(want, strings.Join(seen.Values(name), "|")); diff != "" {
			t.Errorf("the stack sees %s: %s", name, diff)
		}
	}
	trace := regexp.MustCompile(`^00-0af7651916cd43dd8448eb211c80319c-([0-9a-f]{16})-01$`)
	if tp := seen.Get("Traceparent"); !trace.MatchString(tp) || strings.Contains(tp, "b7ad6b7169203331") {
		t.Errorf("the stack's traceparent is %q", tp)
	}
	for name, want := range map[string]string{
		"Meridian-Served-Region": "^eu-west-1$", "Meridian-Route": "^pinned$", "Meridian-Secret": "^$", "X-Request-Id": "^req-1$",
		"Server-Timing": `^app;dur=1\.5\|edge;dur=\d+\.\d\d$`, "Traceparent": trace.String(),
	} {
		if value := strings.Join(got.Values(name), "|"); !regexp.MustCompile(want).MatchString(value) {
			t.Errorf("the answer has %s: %q", name, value)
		}
	}
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.add(t, eu, "eu/0", echo)
	first, second := s.send(t, http.MethodGet, "/", "").Get("X-Request-Id"), s.send(t, http.MethodGet, "/", "", "X-Request-Id", "with space").Get("X-Request-Id")
	if hex := regexp.MustCompile(`^[0-9a-f]{32}$`); !hex.MatchString(first) || !hex.MatchString(second) || first == second {
		t.Errorf("fresh ids are %q and %q", first, second)
	}
}

func TestReadyPath(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if got := s.send(t, http.MethodGet, discovery.ReadyPath, ""); got.status != http.StatusOK {
		t.Errorf("ready: %d", got.status)
	}
	s.edge.Drain()
	if got := s.send(t, http.MethodGet, discovery.ReadyPath, ""); got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, "draining") {
		t.Errorf("draining: %d %s", got.status, got.body)
	}
	s = newSite(t)
	s.notReady = errors.New("not yet")
	if got := s.send(t, http.MethodGet, discovery.ReadyPath, ""); got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, "not yet") {
		t.Errorf("not ready: %d %s", got.status, got.body)
	}
}

func TestBrokenRequestBody(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	instance := s.add(t, eu, "eu/0", echo)
	body, writer := io.Pipe()
	go func() {
		_, _ = writer.Write([]byte("part"))
		_ = writer.CloseWithError(errors.New("the caller's disk broke"))
	}()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+place, body)
	if err != nil {
		t.Fatal(err)
	}
	if res, err := s.client.Do(req); err == nil {
		_ = res.Body.Close()
		t.Errorf("got %d", res.StatusCode)
	}
	if n := instance.calls.Load(); n != 0 {
		t.Errorf("half a request reached the stack %d times", n)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]Config{
		"no regions":        {Region: eu},
		"an unknown region": {Regions: regions.Default(), Region: "mars-1"},
		"a bad proxy":       {Regions: regions.Default(), Region: eu, TrustedProxies: []string{"0.0.0.0/0"}},
		"a bad translation": {Regions: regions.Default(), Region: eu, PeerNAT: []string{"x"}},
		"a bad Consul":      {Regions: regions.Default(), Region: eu, Consul: map[regions.Name]string{eu: "x"}},
		"no GeoIP file":     {Regions: regions.Default(), Region: eu, GeoIPFile: "absent.mmdb"},
	} {
		if _, err := New(cfg, Deps{Tokens: tokens{}}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := New(Config{Regions: regions.Default(), Region: eu}, Deps{}); err == nil {
		t.Error("no token verifier: no error")
	}
	if _, err := New(Config{Regions: regions.Default(), Region: eu}, Deps{Tokens: tokens{}}); err != nil {
		t.Errorf("the least configuration: %v", err)
	}
}
