package admission

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/meridian-commerce/meridian/api/gen/meridian/account/v1/accountv1connect"
	"github.com/meridian-commerce/meridian/api/gen/meridian/cart/v1/cartv1connect"
	"github.com/meridian-commerce/meridian/api/gen/meridian/catalog/v1/catalogv1connect"
	"github.com/meridian-commerce/meridian/api/gen/meridian/order/v1/orderv1connect"
	"github.com/meridian-commerce/meridian/internal/method"
	"github.com/meridian-commerce/meridian/internal/redis"
	"github.com/meridian-commerce/meridian/regions"
)

const (
	browsePath = catalogv1connect.CatalogServiceListProductsProcedure
	cartPath   = cartv1connect.CartServiceGetCartProcedure
	orderPath  = orderv1connect.OrderServicePlaceOrderProcedure
	watchPath  = orderv1connect.OrderServiceWatchOrderProcedure
	signInPath = accountv1connect.AccountServiceSignInProcedure
)

// calls believes what tests write into headers.
func calls(t testing.TB) func(r *http.Request) method.Call {
	t.Helper()
	m, err := method.Linked()
	if err != nil {
		t.Fatal(err)
	}
	return func(r *http.Request) method.Call {
		peer, _ := netip.ParseAddrPort(r.RemoteAddr)
		c := method.Call{Method: m.Lookup(r.Method, r.URL.Path), Address: peer.Addr(), Proxy: r.Header.Get("Proxy") != "", User: r.Header.Get("User"), Region: regions.Name(r.Header.Get("Home"))}
		c.Stream = c.Method.Stream
		return c
	}
}

func newGate(t testing.TB, cfg Config) *Gate {
	t.Helper()
	cfg.Region, cfg.Regions = "eu-west-1", []regions.Name{"us-east-1", "eu-west-1"}
	g, err := New(cfg, Deps{Call: calls(t), Metrics: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	return g
}

func request(path string, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader("{}"))
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

func send(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

var ok = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Meridian-Served-Region", "eu-west-1")
	w.WriteHeader(http.StatusOK)
})

func TestNewRejects(t *testing.T) {
	t.Parallel()
	deps := Deps{Call: calls(t)}
	for name, try := range map[string]func() (*Gate, error){
		"no calls":             func() (*Gate, error) { return New(Config{}, Deps{}) },
		"negative concurrency": func() (*Gate, error) { return New(Config{Concurrency: -1}, deps) },
		"negative rate":        func() (*Gate, error) { return New(Config{UserRate: -1}, deps) },
		"registered twice": func() (*Gate, error) {
			registry := prometheus.NewRegistry()
			if _, err := New(Config{}, Deps{Call: deps.Call, Metrics: registry}); err != nil {
				t.Error(err)
			}
			return New(Config{}, Deps{Call: deps.Call, Metrics: registry})
		},
	} {
		if _, err := try(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestLimits sends requests until one is refused, for each of the limits.
func TestLimits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		cfg     Config
		request func() *http.Request
		admits  int
		other   func() *http.Request // has a bucket of its own
		policy  string
		limit   string
		after   string
	}{
		{"address", Config{AddressRate: 3}, func() *http.Request { return request(browsePath) }, 6,
			func() *http.Request { r := request(browsePath); r.RemoteAddr = "192.0.2.77:1"; return r }, `"address";q=6;w=2`, `"address";r=0;t=2`, "1"},
		{"proxy", Config{AddressRate: 3}, func() *http.Request { return request(browsePath, "Proxy", "1") }, 100, nil, "", "", ""},
		{"user", Config{UserRate: 2, AddressRate: 100}, func() *http.Request { return request(cartPath, "User", "u") }, 4,
			func() *http.Request { return request(cartPath, "User", "v") }, `"user";q=4;w=2`, `"user";r=0;t=2`, "1"},
		{"sign-in", Config{SignInRate: 5, AddressRate: 100}, func() *http.Request { return request(signInPath) }, 5,
			func() *http.Request { return request(cartPath) }, `"sign_in";q=5;w=60`, `"sign_in";r=0;t=60`, "12"},
		{"sign-in by proxy", Config{SignInRate: 5, AddressRate: 3}, func() *http.Request { return request(signInPath, "Proxy", "1") }, 5,
			nil, `"sign_in";q=5;w=60`, `"sign_in";r=0;t=60`, "12"},
		{"checkout", Config{CheckoutRate: 3, UserRate: 100}, func() *http.Request { return request(orderPath, "User", "u") }, 3,
			func() *http.Request { return request(cartPath, "User", "u") }, `"checkout";q=3;w=60`, `"checkout";r=0;t=60`, "20"},
		{"no limit", Config{}, func() *http.Request { return request(orderPath, "User", "u") }, 100, nil, "", "", ""},
		{"Redis away", Config{SignInRate: 5, Redis: redis.Config{Address: "127.0.0.1:1"}}, func() *http.Request { return request(signInPath) }, 5,
			nil, `"sign_in";q=5;w=60`, `"sign_in";r=0;t=60`, "12"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newGate(t, c.cfg).Handler(ok)
			for i := range c.admits {
				if w := send(h, c.request()); w.Code != http.StatusOK {
					t.Fatalf("request %d: %d %s", i+1, w.Code, w.Body)
				}
			}
			if c.policy == "" {
				return
			}
			w := send(h, c.request())
			got := []string{w.Header().Get("RateLimit-Policy"), w.Header().Get("RateLimit"), w.Header().Get("Retry-After")}
			if diff := cmp.Diff([]string{c.policy, c.limit, c.after}, got); w.Code != http.StatusTooManyRequests || diff != "" {
				t.Errorf("request %d: %d %s", c.admits+1, w.Code, diff)
			}
			if c.other != nil {
				if w := send(h, c.other()); w.Code != http.StatusOK {
					t.Errorf("the other one: %d %s", w.Code, w.Body)
				}
			}
		})
	}
}

// TestTightest: of the limits that a request falls under, its answer tells of the nearest.
func TestTightest(t *testing.T) {
	t.Parallel()
	h := newGate(t, Config{AddressRate: 10, UserRate: 2, CheckoutRate: 60}).Handler(ok)
	for _, c := range []struct {
		request *http.Request
		want    string
	}{
		{request(browsePath), `"address";r=19;t=1`},
		{request(cartPath, "User", "u"), `"user";r=3;t=1`},
		{request(orderPath, "User", "u"), `"user";r=2;t=1`},
	} {
		if got := send(h, c.request).Header().Get("RateLimit"); got != c.want {
			t.Errorf("%s: RateLimit %s, want %s", c.request.URL.Path, got, c.want)
		}
	}
}

// TestRefusals: callers of every protocol can read a refusal, by what generated clients make of it.
func TestRefusals(t *testing.T) {
	t.Parallel()
	gate := newGate(t, Config{UserRate: 1, Concurrency: 8})
	server := httptest.NewUnstartedServer(gate.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
	})))
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	defer server.Close()
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	for gate.regions["eu-west-1"].enter(method.Checkout) {
	}
	for _, c := range []struct {
		name    string
		options []connect.ClientOption
	}{
		{"connect JSON", []connect.ClientOption{connect.WithProtoJSON()}},
		{"connect", nil},
		{"gRPC", []connect.ClientOption{connect.WithGRPC()}},
		{"gRPC-Web", []connect.ClientOption{connect.WithGRPCWeb()}},
	} {
		client := connect.NewClient[emptypb.Empty, emptypb.Empty](&http.Client{Transport: transport}, server.URL+cartPath, c.options...)
		call := func(user string) error {
			req := connect.NewRequest(&emptypb.Empty{})
			req.Header().Set("User", user)
			_, err := client.CallUnary(t.Context(), req)
			return err
		}
		check := func(err error, code connect.Code, reason string) {
			t.Helper()
			var refusal *connect.Error
			if !errors.As(err, &refusal) || refusal.Code() != code || reasonOf(refusal) != reason || refusal.Meta().Get("Retry-After") == "" {
				t.Errorf("%s: %v, want %s %s and Retry-After", c.name, err, code, reason)
			}
		}
		check(call(c.name), connect.CodeUnavailable, "OVERLOADED")
		_ = call(c.name)
		check(call(c.name), connect.CodeResourceExhausted, "RATE_LIMITED")
	}
}

func reasonOf(err *connect.Error) string {
	for _, d := range err.Details() {
		if value, err := d.Value(); err == nil {
			if info, is := value.(*errdetails.ErrorInfo); is {
				return info.GetReason()
			}
		}
	}
	return ""
}

// TestStreamsCountForTheirStart: a stream takes up room until its answer begins, and for at most a second.
func TestStreamsCountForTheirStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate(t, Config{Concurrency: 100})
		begin, end := make(chan struct{}), make(chan struct{})
		h := g.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			<-begin
			if r.Header.Get("Begin") == "flush" {
				_ = http.NewResponseController(w).Flush()
			} else if r.Header.Get("Begin") == "write" {
				_, _ = w.Write([]byte("event"))
			}
			<-end
		}))
		inFlight := func() int64 {
			synctest.Wait()
			_, n := g.regions["eu-west-1"].now()
			return n
		}
		var wg sync.WaitGroup
		for _, how := range []string{"flush", "write", "never"} {
			wg.Go(func() { send(h, request(watchPath, "Begin", how)) })
		}
		if n := inFlight(); n != 3 {
			t.Errorf("%d count before their answers, want 3", n)
		}
		close(begin)
		if n := inFlight(); n != 1 {
			t.Errorf("%d count, want the one that never began", n)
		}
		time.Sleep(streamStart)
		if n := inFlight(); n != 0 {
			t.Errorf("%d count after a second, want none", n)
		}
		close(end)
		wg.Wait()
		if n := inFlight(); n != 0 {
			t.Errorf("%d count after their end, want none", n)
		}
	})
}
