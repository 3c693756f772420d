package lane

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// certificate makes one for 127.0.0.1.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// TestTLS: the protocol is chosen in the handshake, and handlers see the connection's state however it is served.
func TestTLS(t *testing.T) {
	t.Parallel()
	pair, roots := certificate(t)
	p := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "%s %v", r.Proto, r.TLS != nil && r.TLS.HandshakeComplete)
	}), func(s *http.Server) {
		s.TLSConfig, s.Protocols = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, new(http.Protocols)
		s.Protocols.SetHTTP1(true)
		s.Protocols.SetHTTP2(true)
	})
	for _, tc := range []struct {
		name   string
		h2     bool
		body   io.Reader
		want   string
		handed int32
	}{
		{"HTTP/1.1", false, nil, "HTTP/1.1 true", 0},
		{"HTTP/1.1, handed over", false, io.MultiReader(strings.NewReader("x")), "HTTP/1.1 true", 1},
		{"HTTP/2", true, nil, "HTTP/2.0 true", 2},
	} {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}, ForceAttemptHTTP2: tc.h2}}
		res, err := client.Post("https://"+p.addr, "text/plain", tc.body)
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || string(body) != tc.want || p.handed.Load() != tc.handed {
			t.Errorf("%s: got %q, %v; %d connections handed over", tc.name, body, err, p.handed.Load())
		}
		client.CloseIdleConnections()
	}
	c := dial(t, p.addr)
	say(t, c, get)
	if text, _ := io.ReadAll(c); !strings.Contains(string(text), "400 Bad Request") {
		t.Errorf("clear text on a TLS port: %q", text)
	}
}
