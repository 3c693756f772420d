package app_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"connectrpc.com/grpcreflect"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/meridian-commerce/meridian/internal/app"
	"github.com/meridian-commerce/meridian/internal/discovery"
	"github.com/meridian-commerce/meridian/internal/nettest"
	"github.com/meridian-commerce/meridian/internal/rpc/rpctest"
)

// startEdge runs an edge without regions until the test ends, and returns where callers reach it.
func startEdge(t *testing.T, args ...string) (listen string) {
	t.Helper()
	listen = nettest.Address(t)
	admin := nettest.Address(t)
	c := configure(t, append([]string{"--auth.keys_file=" + publicKeys(t), "--listen=" + listen, "--admin_listen=" + admin}, args...)...)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- app.RunEdge(ctx, c) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the edge ended with %v", err)
		}
	})
	await(t, "http://"+admin+"/healthz", http.StatusOK)
	return listen
}

// TestWhatIsNoCallIsLimited: paths that are redirected because they need cleaning, and readiness, count for their caller
// as every request does.
func TestWhatIsNoCallIsLimited(t *testing.T) {
	t.Parallel()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for path, served := range map[string]int{"/v1/../x": http.StatusTemporaryRedirect, discovery.ReadyPath: http.StatusServiceUnavailable} {
		edge := startEdge(t, "--admission.address_rate=1") // twice as many at once
		got := map[int]int{}
		for range 30 {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+edge, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.URL.Path = path
			res, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			got[res.StatusCode]++
		}
		if got[served] == 0 || got[http.StatusTooManyRequests] == 0 || got[served]+got[http.StatusTooManyRequests] != 30 {
			t.Errorf("%s: statuses %v", path, got)
		}
	}
}

// TestConnectionsAreBounded: what one address opens beyond its bound is closed, and what it has goes on.
func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	edge := startEdge(t, "--edge.connections_per_address=2")
	connect := func() (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", edge)
		if err == nil {
			t.Cleanup(func() { _ = c.Close() })
		}
		return c, err
	}
	ask := func(c net.Conn) error {
		if _, err := io.WriteString(c, "GET "+discovery.ReadyPath+" HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
			return err
		}
		_, err := io.ReadFull(c, make([]byte, len("HTTP/1.1 503")))
		return err
	}
	open := map[string]net.Conn{} // they are accepted in turn
	for _, name := range []string{"first", "second"} {
		c, err := connect()
		if err != nil {
			t.Fatal(err)
		}
		open[name] = c
	}
	// The reset may come before the caller knows that it is connected.
	if c, err := connect(); err == nil && ask(c) == nil {
		t.Error("one connection too many is served")
	}
	for name, c := range open {
		if err := ask(c); err != nil {
			t.Errorf("the %s: %v", name, err)
		}
	}
}

// TestGRPCTools: grpcurl and health checkers find at an edge what they find at any gRPC server.
func TestGRPCTools(t *testing.T) {
	t.Parallel()
	edge := "http://" + startEdge(t)
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	h2 := &http.Client{Transport: &http.Transport{Protocols: protocols}}
	stream := grpcreflect.NewClient(h2, edge, connect.WithGRPC()).NewStream(t.Context())
	names, err := stream.ListServices()
	if err != nil || !slices.Contains(names, "meridian.order.v1.OrderService") || slices.Contains(names, "meridian.edge.v1.RouteService") {
		t.Errorf("services %v, %v", names, err)
	}
	for _, name := range names {
		if files, err := stream.FileContainingSymbol(name); err != nil || len(files) == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := stream.Close(); err != nil {
		t.Error(err)
	}
	health := connect.NewClient[healthv1.HealthCheckRequest, healthv1.HealthCheckResponse](h2, edge+"/grpc.health.v1.Health/Check", connect.WithGRPC())
	for _, service := range []string{"", "meridian.cart.v1.CartService"} {
		got, err := health.CallUnary(t.Context(), connect.NewRequest(&healthv1.HealthCheckRequest{Service: service}))
		if err != nil || got.Msg.GetStatus() != healthv1.HealthCheckResponse_NOT_SERVING { // it knows no region
			t.Errorf("%q: %v, %v", service, got, err)
		}
	}
	_, err = health.CallUnary(t.Context(), connect.NewRequest(&healthv1.HealthCheckRequest{Service: "x"}))
	rpctest.Refused(t, "no service", err, connect.CodeNotFound, "METHOD_UNKNOWN")
	none := connect.NewClient[healthv1.HealthCheckRequest, healthv1.HealthCheckResponse](h2, edge+"/grpc.channelz.v1.Channelz/GetServers", connect.WithGRPC())
	_, err = none.CallUnary(t.Context(), connect.NewRequest(&healthv1.HealthCheckRequest{}))
	rpctest.Refused(t, "another of gRPC's services", err, connect.CodeUnimplemented, "METHOD_UNKNOWN")
}

// TestHeadIsGetWithoutItsBody: of what an edge answers itself, at its port and at the one for operators.
func TestHeadIsGetWithoutItsBody(t *testing.T) {
	t.Parallel()
	edge := startEdge(t)
	for _, path := range []string{"/", discovery.ReadyPath, "/grpc.health.v1.Health/Check", "/nothing"} {
		var heads [2]string
		for i, method := range []string{http.MethodGet, http.MethodHead} {
			r, err := http.NewRequestWithContext(t.Context(), method, "http://"+edge+path, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if err != nil || method == http.MethodHead && len(body) > 0 {
				t.Errorf("%s %s: %q (%v)", method, path, body, err)
			}
			heads[i] = fmt.Sprint(res.StatusCode, res.Header["Content-Type"], res.Header["Cache-Control"], res.Header["Allow"])
		}
		if heads[0] != heads[1] {
			t.Errorf("%s: a GET is answered %s, a HEAD %s", path, heads[0], heads[1])
		}
	}
}

// TestRoot: who opens an edge's address learns what is there.
func TestRoot(t *testing.T) {
	t.Parallel()
	edge := startEdge(t)
	for method, want := range map[string]int{http.MethodGet: http.StatusOK, http.MethodHead: http.StatusOK, http.MethodPost: http.StatusMethodNotAllowed} {
		r, err := http.NewRequestWithContext(t.Context(), method, "http://"+edge, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		says := strings.Contains(string(body), `"name":"Meridian"`) && strings.Contains(string(body), "meridian.catalog.v1.CatalogService")
		if err != nil || res.StatusCode != want || says != (method == http.MethodGet) {
			t.Errorf("%s: %d, %s (%v)", method, res.StatusCode, body, err)
		}
	}
}
