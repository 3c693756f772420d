package credentials

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/meridian-commerce/meridian/internal/credentials/filewatch"
	"github.com/meridian-commerce/meridian/internal/edge/httpapi"
)

// made is a pair that a test made, PEM.
type made struct{ cert, key []byte }

func makePair(t testing.TB, serial int64, from, to time.Time) made {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotBefore: from, NotAfter: to, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return made{pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})}
}

// fresh makes a pair that is valid now.
func fresh(t testing.TB, serial int64) made {
	t.Helper()
	return makePair(t, serial, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
}

func write(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// files writes a pair and returns the two paths.
func files(t testing.TB, m made) (cert, key string) {
	t.Helper()
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	write(t, cert, m.cert)
	write(t, key, m.key)
	return cert, key
}

func (p *Pair) serial() int64 { return p.current.Load().Leaf.SerialNumber.Int64() }

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	now := time.Now()
	one, other := fresh(t, 1), fresh(t, 2)
	for name, m := range map[string]made{
		"no certificate":   {[]byte("x"), one.key},
		"no key":           {one.cert, []byte("x")},
		"another's key":    {one.cert, other.key},
		"an expired one":   makePair(t, 3, now.Add(-2*time.Hour), now.Add(-time.Hour)),
		"one of next year": makePair(t, 4, now.Add(8760*time.Hour), now.Add(9000*time.Hour)),
	} {
		cert, key := files(t, m)
		if _, err := OpenPair(cert, key, nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := OpenPair("absent.pem", "absent.pem", nil); err == nil {
		t.Error("no files: no error")
	}
}

// TestWatch replaces one file after the other, as a renewal does.
func TestWatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cert, key := files(t, fresh(t, 1))
		p, err := OpenPair(cert, key, nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var watch sync.WaitGroup
		watch.Go(func() {
			if err := p.Watch(ctx); err != nil {
				t.Errorf("watch: %v", err)
			}
		})
		defer func() { cancel(); watch.Wait() }()
		second := fresh(t, 2)
		for _, step := range []struct {
			change  func()
			serial  int64
			refused bool
		}{
			{func() {}, 1, false},
			{func() { write(t, cert, second.cert) }, 1, true},
			{func() { write(t, key, second.key) }, 2, false},
			{func() { write(t, key, []byte("torn")) }, 2, true},
			{func() { _ = os.Remove(cert) }, 2, true},
			{func() { m := fresh(t, 3); write(t, cert, m.cert); write(t, key, m.key) }, 3, false},
		} {
			step.change()
			time.Sleep(filewatch.Every)
			synctest.Wait()
			if got := p.serial(); got != step.serial || (p.Refused() != nil) != step.refused {
				t.Errorf("certificate %d is in use, want %d; refused: %v", got, step.serial, p.Refused())
			}
		}
	})
}

// server serves "ok" over TLS and returns where.
func server(t testing.TB, p *Pair) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := httpapi.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }), p.Config(), slog.New(slog.DiscardHandler))
	go func() { _ = s.ServeTLS(listener, "", "") }()
	t.Cleanup(func() { _ = s.Close() })
	return listener.Addr().String()
}

// TestReloadKeepsConnections: a connection that exists goes on after the certificate was replaced, and a new
// one is made with the new certificate.
func TestReloadKeepsConnections(t *testing.T) {
	t.Parallel()
	cert, key := files(t, fresh(t, 1))
	p, err := OpenPair(cert, key, nil)
	if err != nil {
		t.Fatal(err)
	}
	addr := server(t, p)
	dial := func() *tls.Conn {
		c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	ask := func(c *tls.Conn) int64 {
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		if body, err := io.ReadAll(res.Body); err != nil || string(body) != "HTTP/1.1" {
			t.Fatalf("got %q: %v", body, err)
		}
		return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	old := dial()
	before := ask(old)
	next := fresh(t, 2)
	write(t, cert, next.cert)
	write(t, key, next.key)
	if changed, err := p.files.Reload(); !changed || err != nil {
		t.Fatalf("reload: %v %v", changed, err)
	}
	if kept, made := ask(old), ask(dial()); before != 1 || kept != 1 || made != 2 {
		t.Errorf("certificates %d, then %d on the old and %d on a new connection; want 1, 1, 2", before, kept, made)
	}
}

// TestProtocols asks with what the edge takes and with what it does not.
func TestProtocols(t *testing.T) {
	t.Parallel()
	m := fresh(t, 1)
	cert, key := files(t, m)
	p, err := OpenPair(cert, key, nil)
	if err != nil {
		t.Fatal(err)
	}
	addr := server(t, p)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(m.cert)
	for name, tc := range map[string]struct {
		most  uint16
		http2 bool
		want  string
	}{
		"HTTP/2 by ALPN":   {0, true, "HTTP/2.0"},
		"HTTP/1.1":         {0, false, "HTTP/1.1"},
		"TLS 1.2":          {tls.VersionTLS12, true, "HTTP/2.0"},
		"TLS 1.1, too old": {tls.VersionTLS11, false, ""},
	} {
		transport := &http.Transport{
			TLSClientConfig:   &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS10, MaxVersion: tc.most},
			ForceAttemptHTTP2: tc.http2,
		}
		t.Cleanup(transport.CloseIdleConnections)
		got := ""
		if res, err := (&http.Client{Transport: transport}).Get("https://" + addr); err == nil {
			body, _ := io.ReadAll(res.Body)
			_ = res.Body.Close()
			got = string(body)
		} else if !strings.Contains(err.Error(), "protocol version") {
			t.Logf("%s: %v", name, err)
		}
		if got != tc.want {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}

func TestRegister(t *testing.T) {
	t.Parallel()
	begins := time.Now().Add(-time.Hour).Truncate(time.Second)
	expires := begins.Add(3 * time.Hour)
	cert, key := files(t, makePair(t, 1, begins, expires))
	p, err := OpenPair(cert, key, nil)
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewPedanticRegistry()
	inUse := p.Leaf
	if err := RegisterExpiry(registry, func() *x509.Certificate { return inUse() }); err != nil {
		t.Fatal(err)
	}
	wants := func(at, lifetime float64) {
		t.Helper()
		families, err := registry.Gather()
		if err != nil || len(families) != 2 || families[0].GetMetric()[0].GetGauge().GetValue() != at || families[1].GetMetric()[0].GetGauge().GetValue() != lifetime {
			t.Errorf("%v, %v", families, err)
		}
	}
	wants(float64(expires.Unix()), 3*3600)
	inUse = func() *x509.Certificate { return nil }
	wants(0, 0)
	if err := RegisterExpiry(registry, p.Leaf); err == nil {
		t.Error("registered twice")
	}
}
