package nettest_test

import (
	"errors"
	"io"
	"net/http"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meridian-commerce/meridian/internal/nettest"
)

// A server of net/http and its client wait for exactly as long as they are told to, and know each other's addresses.
func TestMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := nettest.NewMemory()
		l, err := m.Listen("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address := l.Addr().String()
		server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Hour)
			_, _ = io.WriteString(w, r.RemoteAddr)
		})}
		go func() { _ = server.Serve(l) }()
		transport := &http.Transport{DialContext: m.Dial}
		began := time.Now()
		res, err := (&http.Client{Transport: transport}).Get("http://" + address)
		if err != nil {
			t.Fatal(err)
		}
		caller, err := io.ReadAll(res.Body)
		if err != nil || string(caller) != "127.0.0.1:2" || res.Body.Close() != nil {
			t.Errorf("the caller is %q: %v", caller, err)
		}
		if took := time.Since(began); took != time.Hour {
			t.Errorf("it took %v", took)
		}
		if _, err := m.Listen(address); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("listening twice: %v", err)
		}
		if err := server.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Dial(t.Context(), "tcp", address); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("nobody listens: %v", err)
		}
	})
}
