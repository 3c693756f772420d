package brake_test

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/meridian-commerce/meridian/internal/discovery"
	"github.com/meridian-commerce/meridian/internal/sim/scenarios/overload/brake"
)

func TestBrake(t *testing.T) {
	t.Parallel()
	var served atomic.Int64
	stack := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, _ *http.Request) { served.Add(1) }))
	t.Cleanup(stack.Close)
	cfg := brake.Config{Concurrency: 2, Service: 100 * time.Millisecond}
	b, err := brake.Open(t.Context(), stack.Listener.Addr().String(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	get := func() {
		res, err := http.Get("http://" + b.Addr() + "/meridian.catalog.v1.CatalogService/GetProduct")
		if err != nil {
			t.Error(err)
			return
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Error(res.Status)
		}
	}
	begun := time.Now()
	var together sync.WaitGroup
	for range 6 {
		together.Go(get)
	}
	together.Wait()
	if took := time.Since(begun); took < 3*cfg.Service {
		t.Errorf("six requests, two at a time, took %s", took)
	}
	if n := served.Load(); n != 6 {
		t.Errorf("%d requests came through", n)
	}
}

// A stack tells no more load than it has; the brake tells what is under way before it. A health check does not wait for
// that, which takes an hour.
func TestBrakeTellsItsLoad(t *testing.T) {
	t.Parallel()
	stack := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == discovery.ReadyPath {
			w.Header().Set(discovery.LoadHeader, "0.250")
		}
	}))
	t.Cleanup(stack.Close)
	b, err := brake.Open(t.Context(), stack.Listener.Addr().String(), brake.Config{Concurrency: 2, Service: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	load := func() string {
		res, err := http.Get("http://" + b.Addr() + discovery.ReadyPath)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.Header.Get(discovery.LoadHeader)
	}
	if got := load(); got != "0.250" {
		t.Errorf("idle: %s, and the stack's own load is 0.250", got)
	}
	for range 3 { // two are served, one waits
		go func() {
			if res, err := http.Get("http://" + b.Addr() + "/meridian.catalog.v1.CatalogService/GetProduct"); err == nil {
				_ = res.Body.Close()
			}
		}()
	}
	for deadline := time.Now().Add(5 * time.Minute); load() != "1.500"; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("three requests at a stack for two: %s", load())
		}
	}
}

func TestImpossibleBrakes(t *testing.T) {
	t.Parallel()
	for _, cfg := range []brake.Config{{Service: time.Second}, {Concurrency: 1}} {
		if _, err := brake.Open(t.Context(), "127.0.0.1:1", cfg); err == nil {
			t.Errorf("%+v is accepted", cfg)
		}
	}
}
