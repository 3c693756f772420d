package acme_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/letsencrypt/challtestsrv"
	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"

	"github.com/meridian-commerce/meridian/internal/credentials/acme"
	"github.com/meridian-commerce/meridian/internal/edge/httpapi"
	"github.com/meridian-commerce/meridian/internal/nettest"
)

const domain = "shop.example.com"

// authority runs an ACME authority that finds every domain at an address, and returns it, a file with what its own
// certificate is from, and the root of what it issues.
func authority(t *testing.T, edge string) (server *httptest.Server, trust string, root *x509.CertPool) {
	t.Helper()
	quiet := slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	resolver := fmt.Sprintf("127.%d.0.1:8053", nettest.Network(t)) // of UDP as of TCP
	dns, err := challtestsrv.New(challtestsrv.Config{Log: quiet, DNSAddrs: []string{resolver}})
	if err != nil {
		t.Fatal(err)
	}
	dns.SetDefaultDNSIPv4("127.0.0.1")
	dns.SetDefaultDNSIPv6("")
	go dns.Run()
	t.Cleanup(dns.Shutdown)

	_, port, err := net.SplitHostPort(edge)
	if err != nil {
		t.Fatal(err)
	}
	tlsPort, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	store := db.NewMemoryStore()
	issuing := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {Description: "for tests", ValidityPeriod: 3600}})
	front := wfe.New(quiet, store, va.New(quiet, 1, tlsPort, false, resolver, store), issuing, []string{"pebble.example"}, false, false, 1, 1)
	server = httptest.NewTLSServer(front.Handler())
	t.Cleanup(server.Close)
	trust = filepath.Join(t.TempDir(), "directory.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(trust, block, 0o600); err != nil {
		t.Fatal(err)
	}
	root = x509.NewCertPool()
	root.AppendCertsFromPEM(issuing.GetRootCert(0).PEM())
	return server, trust, root
}

// journal collects a log.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// serve runs an edge's port with a manager's settings, and the manager, until stop is called.
func serve(t *testing.T, addr string, m *acme.Manager) (stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	s := httpapi.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }), m.Config(), slog.New(slog.DiscardHandler))
	go func() { _ = s.Serve(l) }()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { m.Run(ctx) })
	stop = sync.OnceFunc(func() { cancel(); running.Wait(); _ = s.Close() })
	t.Cleanup(stop)
	return stop
}

// awaitAnswer asks the edge, by the name of the domain, until its certificate is one of the authority's.
func awaitAnswer(t *testing.T, addr string, root *x509.CertPool, said *journal) string {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: root, ServerName: domain, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}
		res, err := (&http.Client{Transport: transport}).Get("https://" + addr)
		if err == nil {
			text, _ := io.ReadAll(res.Body)
			_ = res.Body.Close()
			transport.CloseIdleConnections()
			return string(text)
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v\n%s", err, said)
		}
	}
}

// TestCertificateIsIssued has a real authority issue a certificate, which a second edge with the same folder uses
// without asking.
func TestCertificateIsIssued(t *testing.T) {
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	addr := nettest.Address(t)
	server, trust, root := authority(t, addr)
	storage := t.TempDir()
	said := &journal{}
	open := func() *acme.Manager {
		m, err := acme.New(acme.Config{
			Domains: []string{domain}, Email: "ops@example.com", Directory: server.URL + wfe.DirectoryPath, Storage: storage, Authority: trust, Agree: true,
			Listen: addr, Logger: slog.New(slog.NewTextHandler(said, nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(m.Close)
		return m
	}
	m := open()
	if leaf := m.Leaf(); leaf != nil {
		t.Errorf("before anything is issued: %v", leaf.Subject)
	}
	stop := serve(t, addr, m)
	if got := awaitAnswer(t, addr, root, said); got != "HTTP/2.0" {
		t.Errorf("answered by %q", got)
	}
	if leaf := m.Leaf(); leaf == nil || leaf.VerifyHostname(domain) != nil {
		t.Errorf("what is in use: %v", leaf)
	}
	if !strings.Contains(said.String(), "certificate obtained") {
		t.Errorf("the log says %s", said)
	}
	stop()
	server.Close()
	serve(t, addr, open())
	if got := awaitAnswer(t, addr, root, said); got != "HTTP/2.0" {
		t.Errorf("from the folder, with the authority away: answered by %q", got)
	}
}

func TestWhatCannotBeIssued(t *testing.T) {
	t.Parallel()
	good := acme.Config{Domains: []string{domain}, Storage: t.TempDir(), Agree: true, Listen: "127.0.0.1:8443"}
	if m, err := acme.New(good); err != nil {
		t.Fatal(err)
	} else {
		m.Close()
		m.Close()
	}
	for name, change := range map[string]func(*acme.Config){
		"no domain":        func(c *acme.Config) { c.Domains = nil },
		"no consent":       func(c *acme.Config) { c.Agree = false },
		"no folder":        func(c *acme.Config) { c.Storage = "" },
		"an internal name": func(c *acme.Config) { c.Domains = []string{"edge.internal"} },
		"no address":       func(c *acme.Config) { c.Listen = "edge" },
		"no port":          func(c *acme.Config) { c.Listen = "127.0.0.1:https" },
		"an absent file":   func(c *acme.Config) { c.Authority = "none.pem" },
	} {
		bad := good
		change(&bad)
		if _, err := acme.New(bad); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
