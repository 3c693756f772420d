package e2e_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/api/gen/meridian/account/v1/accountv1connect"
	orderv1 "github.com/meridian-commerce/meridian/api/gen/meridian/order/v1"
	"github.com/meridian-commerce/meridian/internal/deploy/deploytest"
	"github.com/meridian-commerce/meridian/internal/deploy/observetest"
	"github.com/meridian-commerce/meridian/internal/sim/cluster"
	"github.com/meridian-commerce/meridian/regions"
)

var update = flag.Bool("update", false, "rewrite docs/reference/metrics.md from what TestMetrics scrapes")

// basics is what the reference lists of the Go runtime's and the process's metrics: what dashboards and alerts use.
var basics = []string{
	"go_goroutines", "process_cpu_seconds_total", "process_max_fds", "process_open_fds", "process_resident_memory_bytes",
	"process_start_time_seconds",
}

// rare is what exists only after something went wrong.
var rare = []string{
	"meridian_edge_failovers_total", "meridian_edge_region_trials_total", "meridian_edge_retries_total",
	"meridian_orders_refused_total", "meridian_payment_unsettled_total", "meridian_trace_spans_lost_total",
}

// TestMetrics scrapes every process of a simulation in which orders are placed and refused, the provider, a stack and a
// region are lost and come back, and an audit is made. What they expose is what the reference says, and what every
// dashboard, rule and runbook asks for.
func TestMetrics(t *testing.T) {
	t.Parallel()
	c := start(t, "", "MERIDIAN_OTLP_ENDPOINT=127.0.0.1:9") // nobody takes the spans
	s := &scraper{t: t, c: c, seen: observetest.Schema{}}
	s.targets = append(s.targets, secureEdge(t, c, signInOnce))
	s.trouble()
	s.audit()
	s.scrape()
	found := s.documented()
	file := filepath.Join(root, filepath.FromSlash(observetest.ReferenceFile))
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(file, withTable(t, text, found.Reference()), 0o644); err != nil {
			t.Fatal(err)
		}
	} else {
		want, err := observetest.ParseReference(string(text))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, found); diff != "" {
			t.Errorf("%s is not what the processes expose; go test ./internal/sim/e2e -run TestMetrics -update rewrites it\n%s", observetest.ReferenceFile, diff)
		}
	}
	findings, err := observetest.CheckAll(t.Context(), os.DirFS(root), observetest.Promast(deploytest.Tool(t, "promast")), s.seen, regions.Default())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		t.Error(f)
	}
}

// scraper collects what the processes of a simulation expose.
type scraper struct {
	t       *testing.T
	c       *cluster.Cluster
	targets []string // beside those of the plan
	seen    observetest.Schema
}

// trouble makes everything happen that makes a metric appear, and waits for each.
func (s *scraper) trouble() {
	t, c := s.t, s.c
	ada := signUp(t, edgeOf(t, c.Plan(), "eu-west-1"), "IE", "ada")
	if _, err := ada.place("the-cart-is-empty"); err == nil {
		t.Error("an empty cart became an order")
	}
	ada.await(ada.buy(sku).GetId(), orderv1.OrderState_ORDER_STATE_FULFILLED)
	s.scrape()

	s.lose("provider")
	ada.buy(sku)
	s.await(func() {}, "meridian_payment_unsettled_total")
	s.heal("provider")
	s.lose("eu-west-1/bus")
	ada.buy(sku)
	s.await(func() {}, "meridian_outbox_handed_over_total")
	s.heal("eu-west-1/bus")

	s.await(func() { // the request that meets a dead stack is tried again
		s.lose("eu-west-1/stack-1")
		for range 20 {
			if err := ada.product(handle); err != nil {
				t.Errorf("a stack is lost: %v", err)
			}
		}
		s.heal("eu-west-1/stack-1")
	}, "meridian_edge_retries_total")

	s.lose("eu-west-1")
	ada.edge = edgeOf(t, c.Plan(), "us-east-1")
	ada.buy(sku)
	s.await(func() {}, "meridian_edge_failovers_total")
	s.heal("eu-west-1")
	s.await(func() { _ = ada.setItem(sku, 1) }, rare...)
	s.await(func() {}, "meridian_outbox_oldest_open_seconds", "meridian_payment_oldest_open_seconds")
}

func (s *scraper) lose(target string) {
	s.t.Helper()
	if _, err := s.c.Kill(s.t.Context(), target); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scraper) heal(target string) {
	s.t.Helper()
	if err := s.c.Heal(s.t.Context(), target); err != nil {
		s.t.Fatal(err)
	}
}

// await does something again and again until metrics have been seen.
func (s *scraper) await(do func(), names ...string) {
	s.t.Helper()
	for deadline := time.Now().Add(5 * time.Minute); ; {
		do()
		s.scrape()
		missing := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return s.seen[n].Kind != "" })
		if len(missing) == 0 {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("nobody exposed %v", missing)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// scrape asks every process that answers.
func (s *scraper) scrape() {
	s.t.Helper()
	targets := append([]string{s.c.Plan().ProviderAdmin}, s.targets...)
	for _, r := range s.c.Plan().Regions {
		targets = append(targets, r.EdgeAdmin)
		for _, stack := range r.Stacks {
			targets = append(targets, stack.Admin)
		}
	}
	for _, target := range targets {
		res, err := http.Get("http://" + target + "/metrics")
		if err != nil {
			continue // it is lost at the moment
		}
		text, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil {
			continue
		}
		if err := s.seen.Expose(string(text)); err != nil {
			s.t.Fatalf("%s: %v", target, err)
		}
	}
}

// audit makes an audit, whose metrics go to a file.
func (s *scraper) audit() {
	s.t.Helper()
	folder, err := programs()
	if err != nil {
		s.t.Fatal(err)
	}
	file := filepath.Join(s.t.TempDir(), "audit.prom")
	cmd := exec.CommandContext(s.t.Context(), filepath.Join(folder, "meridian"), "audit", "--database.url", s.c.DatabaseURL(), "--metrics-file", file)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("audit: %v\n%s", err, out)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.seen.Expose(string(text)); err != nil {
		s.t.Fatal(err)
	}
}

// documented returns what the reference lists of what was seen.
func (s *scraper) documented() observetest.Schema {
	out := observetest.Schema{}
	for name, m := range s.seen {
		if strings.HasPrefix(name, "meridian_") || slices.Contains(basics, name) {
			out[name] = m
		}
	}
	return out
}

// withTable replaces the table of the reference.
func withTable(t *testing.T, text []byte, rows string) []byte {
	t.Helper()
	const head, end = "| Metric | Type | Labels | What it tells |\n|---|---|---|---|\n", "\n<!-- /metrics -->"
	before, rest, ok := bytes.Cut(text, []byte(head))
	_, after, closed := bytes.Cut(rest, []byte(end))
	if !ok || !closed {
		t.Fatalf("%s has no table between %q and %q", observetest.ReferenceFile, head, end)
	}
	return slices.Concat(before, []byte(head+rows+end), after)
}

// signInOnce signs in, in vain: that is counted in Redis.
func signInOnce(t *testing.T, url string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	res, err := client.Post(url+accountv1connect.AccountServiceSignInProcedure, "application/json", strings.NewReader(`{"email": "nobody@example.com", "password": "x"}`))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
}

// secureEdge runs one more edge of eu-west-1, which serves TLS and counts in Redis, uses it, and returns its admin
// listener.
func secureEdge(t *testing.T, c *cluster.Cluster, visit func(t *testing.T, url string)) string {
	t.Helper()
	folder, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	r, _ := c.Plan().Lookup("eu-west-1")
	host, _, _ := strings.Cut(r.Edge, ":")
	host = host[:strings.LastIndex(host, ".")] + ".60"
	cert, key := certificate(t)
	cmd := exec.CommandContext(t.Context(), filepath.Join(folder, "meridian"), "edge", "--config", filepath.Join(c.StateDir(), "config", "eu-west-1-edge.yaml"),
		"--instance", "eu-west-1-edge-tls", "--listen", host+":8443", "--admin_listen", host+":9090",
		"--edge.tls_cert_file", cert, "--edge.tls_key_file", key, "--redis.address", r.Redis, "--admission.sign_in_rate", "60")
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if res, err := http.Get("http://" + host + ":9090/healthz"); err == nil {
			_ = res.Body.Close()
			visit(t, "https://"+host+":8443")
			return host + ":9090"
		}
		if time.Now().After(deadline) {
			t.Fatal("the edge with TLS did not start")
		}
	}
}

// certificate makes a certificate and its key and returns their files.
func certificate(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	write := func(name, kind string, bytes []byte) string {
		file := filepath.Join(folder, name)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}), 0o600); err != nil {
			t.Fatal(fmt.Errorf("certificate: %w", err))
		}
		return file
	}
	return write("cert.pem", "CERTIFICATE", cert), write("key.pem", "PRIVATE KEY", private)
}
