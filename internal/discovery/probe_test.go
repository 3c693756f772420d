package discovery

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// settings are those by which a test's server is believed.
func settings(t *testing.T, s *httptest.Server) *tls.Config {
	t.Helper()
	transport, ok := s.Client().Transport.(*http.Transport)
	if !ok {
		t.Fatal("the client has a transport of its own")
	}
	return transport.TLSClientConfig.Clone()
}

func TestHTTPProberOverTLS(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(LoadHeader, "0.5")
	}))
	t.Cleanup(server.Close)
	addr := server.Listener.Addr().String()
	secure := settings(t, server)
	probe, closeIdle := newHTTPProber(secure, nil)
	defer closeIdle()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for range 2 {
		if load, err := probe(ctx, addr); err != nil || load != 0.5 {
			t.Errorf("got %v, %v", load, err)
		}
	}
	stranger, closeStranger := newHTTPProber(nil, nil)
	defer closeStranger()
	if _, err := stranger(ctx, addr); err == nil {
		t.Error("in clear text: no error")
	}
	secure.ServerName, secure.RootCAs = "", nil
	doubtful, closeDoubtful := newHTTPProber(secure, nil)
	defer closeDoubtful()
	if _, err := doubtful(ctx, addr); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate of nobody known: %v", err)
	}
}

// A probe's time begins again once its new connection is there, and is not longer than that.
func TestTimeBeginsAnewOnceConnected(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	server := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(hang) })
	addr := server.Listener.Addr().String()
	probe, closeIdle := newHTTPProber(settings(t, server), nil)
	defer closeIdle()
	const patience = 300 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	began := time.Now()
	_, err := probe(ctx, addr)
	if took := time.Since(began); err == nil || took < patience {
		t.Errorf("it took %v: %v", took, err)
	}
	ctx, leave := context.WithCancel(t.Context())
	leave()
	if _, err := probe(ctx, addr); !errors.Is(err, context.Canceled) {
		t.Errorf("of one that was called off: %v", err)
	}
}
