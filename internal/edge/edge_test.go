package edge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/meridian-commerce/meridian/internal/discovery"
	"github.com/meridian-commerce/meridian/internal/edge/httpapi"
	"github.com/meridian-commerce/meridian/internal/edge/wire"
	"github.com/meridian-commerce/meridian/internal/nettest"
	"github.com/meridian-commerce/meridian/regions"
)

const (
	us = regions.Name("us-east-1")
	eu = regions.Name("eu-west-1")
	ap = regions.Name("ap-southeast-1")

	place   = "/meridian.order.v1.OrderService/PlaceOrder"
	setItem = "/meridian.cart.v1.CartService/SetItem"
	product = "/meridian.catalog.v1.CatalogService/GetProduct"
	signUp  = "/meridian.account.v1.AccountService/SignUp"
)

// tokens takes "home:<region>" for a genuine token.
type tokens struct{}

func (tokens) Verify(token string) (Claims, error) {
	home, ok := strings.CutPrefix(token, "home:")
	if !ok {
		return Claims{}, errors.New("the signature does not match")
	}
	return Claims{Subject: "usr", Home: regions.Name(home)}, nil
}

// stack is an instance: a server that the test can kill, and how often it was asked.
type stack struct {
	*discovery.Endpoint
	server *http.Server
	calls  atomic.Int32
	up     context.Context
	down   context.CancelFunc // as if it stopped answering probes
}

// awhile is how far away the stacks of a fleet are said to be, so that the one probe that each answered counts as
// lately however long a test takes.
const awhile = time.Hour

// kill ends the server and its connections, as kill -9 would. Its address stays its own: connections are refused.
func (s *stack) kill() { _ = s.server.Close() }

// fleet is a view of stacks in memory.
type fleet struct {
	network  *nettest.Memory // where they serve; nil: on loopback
	snapshot atomic.Pointer[discovery.Snapshot]
	mu       sync.Mutex
	stacks   []*stack
	lost     []string // ids, unhealthy
	reported []string // ids, by ReportFailure
	outcomes []string // id and whether it went well, by Report
	standing map[regions.Name]discovery.Standing
	control  map[regions.Name]discovery.Control
	notReady error
}

func (f *fleet) Snapshot() *discovery.Snapshot { return f.snapshot.Load() }

// publish makes the snapshot anew. The caller holds mu.
func (f *fleet) publish() {
	var list []discovery.Region
	for _, n := range regions.Default().Names() {
		r := discovery.Region{Name: n, Source: discovery.SourceConsul, Standing: f.standing[n], Control: f.control[n]}
		for _, s := range f.stacks {
			if s.Region != n {
				continue
			}
			m := discovery.Member{Endpoint: s.Endpoint, Healthy: !slices.Contains(f.lost, s.ID), Up: s.up}
			if r.Members = append(r.Members, m); m.Healthy {
				r.Healthy = append(r.Healthy, m)
			}
		}
		list = append(list, r)
	}
	f.snapshot.Store(discovery.NewSnapshot(list))
}

func (f *fleet) ReportFailure(e *discovery.Endpoint, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reported = append(f.reported, e.ID)
	if errors.Is(err, syscall.ECONNREFUSED) {
		f.lost = append(f.lost, e.ID)
		f.publish()
	}
}

func (f *fleet) Report(e *discovery.Endpoint, ok bool, _ netip.Addr) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.outcomes = append(f.outcomes, fmt.Sprintf("%s %t", e.ID, ok))
}

func (f *fleet) Ready() error { return f.notReady }

func (f *fleet) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// lose makes instances unhealthy in the view.
func (f *fleet) lose(ids ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lost = append(f.lost, ids...)
	f.publish()
}

// add starts a stack. Its id is the region and the number of the stack: eu-west-1/0.
func (f *fleet) add(t testing.TB, region regions.Name, id string, h http.HandlerFunc) *stack {
	t.Helper()
	if f.network != nil {
		return f.addOn(t, "127.0.0.1:0", region, id, h)
	}
	return f.addOn(t, nettest.Address(t), region, id, h)
}

func (f *fleet) addOn(t testing.TB, addr string, region regions.Name, id string, h http.HandlerFunc) *stack {
	t.Helper()
	s := &stack{}
	s.up, s.down = context.WithCancel(context.Background())
	s.server = serveAt(t, f.listen(t, addr), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.calls.Add(1)
		w.Header().Set("Stack", id)
		h(w, r)
	}))
	s.Endpoint = discovery.NewEndpoint(id, s.server.Addr, region, "all", awhile)
	s.Answered()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stacks = append(f.stacks, s)
	f.publish()
	return s
}

// listen listens where the fleet serves.
func (f *fleet) listen(t testing.TB, addr string) net.Listener {
	t.Helper()
	listen := func(addr string) (net.Listener, error) { return net.Listen("tcp", addr) }
	if f.network != nil {
		listen = f.network.Listen
	}
	listener, err := listen(addr)
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

// dialer returns what connects to where the fleet serves. It has no bound: nobody is given up because the machine is busy.
func (f *fleet) dialer() func(ctx context.Context, network, addr string) (net.Conn, error) {
	if f.network != nil {
		return f.network.Dial
	}
	return new(net.Dialer).DialContext
}

// connects has an edge connect to stacks by the fleet's dialer.
func (f *fleet) connects(t testing.TB, e *Edge) {
	t.Helper()
	for n := range e.upstreams {
		u, err := upstreamBy(wire.Dialer{Dial: f.dialer()})
		if err != nil {
			t.Fatal(err)
		}
		u.shared.HTTP2 = nil // a ping that is answered late says nothing here
		t.Cleanup(u.closeIdle)
		e.upstreams[n] = u
	}
}

// serveEdge serves as a port does until the test ends, and returns where.
func serveEdge(t testing.TB, listener net.Listener, h http.Handler) string {
	t.Helper()
	server := httpapi.NewServer(h, nil, slog.New(slog.DiscardHandler))
	server.ReadHeaderTimeout = time.Hour
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return listener.Addr().String()
}

// serveOn serves on loopback as serveAt does.
func serveOn(t testing.TB, addr string, h http.Handler) *http.Server {
	t.Helper()
	return serveAt(t, new(fleet).listen(t, addr), h)
}

// serveAt serves HTTP/1.1 and cleartext HTTP/2, with a stack's bound on headers, until the test ends; Addr is where it
// listens.
func serveAt(t testing.TB, listener net.Listener, h http.Handler) *http.Server {
	t.Helper()
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetUnencryptedHTTP2(true)
	server := &http.Server{Addr: listener.Addr().String(), Handler: h, Protocols: p, ReadHeaderTimeout: time.Hour, MaxHeaderBytes: 32 << 10}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return server
}

// site is an edge in eu-west-1 with its stacks.
type site struct {
	*fleet
	edge     *Edge
	url      string
	registry *prometheus.Registry
	client   *http.Client
}

func newSite(t testing.TB) *site {
	t.Helper()
	return newSiteOn(t, nil)
}

// newSiteOn makes a site on a network, which is in memory for a bubble of synctest.
func newSiteOn(t testing.TB, network *nettest.Memory) *site {
	t.Helper()
	s := &site{fleet: &fleet{network: network}, registry: prometheus.NewRegistry()}
	s.publish()
	var err error
	s.edge, err = newEdge(
		Config{Regions: regions.Default(), Region: eu, TrustedProxies: []string{"127.0.0.1"}},
		Deps{Tokens: tokens{}, Metrics: s.registry, Tracer: sdktrace.NewTracerProvider()}, s.fleet,
	)
	if err != nil {
		t.Fatal(err)
	}
	s.edge.timeout = time.Hour // who is to be given up says so, and nobody because the machine is busy
	s.connects(t, s.edge)
	s.url = "http://" + serveEdge(t, s.listen(t, "127.0.0.1:0"), s.edge.Handler())
	transport := &http.Transport{DialContext: s.dialer(), DisableCompression: true}
	s.client = &http.Client{Transport: transport}
	t.Cleanup(transport.CloseIdleConnections)
	return s
}

// reply is an answer, read whole.
type reply struct {
	status int
	http.Header
	body string
}

// send sends a request with headers given as name, value, name, value.
func (s *site) send(t testing.TB, method, path, body string, headers ...string) reply {
	t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, s.url+path, reader)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	res, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{res.StatusCode, res.Header, string(text)}
}

// What stacks do.

func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	_, _ = w.Write(body)
}

// reset reads the request and breaks the connection.
func reset(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	panic(http.ErrAbortHandler)
}

func answers(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// hang reads the request and answers nothing until the test ends.
func hang(t testing.TB) http.HandlerFunc {
	t.Helper()
	ended := make(chan struct{})
	t.Cleanup(func() { close(ended) })
	return func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-ended
	}
}

// eventually waits for a condition, with room for a slow machine.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("it did not happen: %s", what)
}
