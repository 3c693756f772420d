package cache

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/redis/go-redis/v9"
)

// server is a real redis-server on a loopback address of its own.
type server struct {
	binary  string
	addr    string
	client  *redis.Client // patient, to look behind the cache's back
	process *exec.Cmd
}

func startRedis(t *testing.T) *server {
	t.Helper()
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("redis-server is not on PATH: install it (Debian: redis-server) to run this test")
	}
	s := &server{binary: binary, addr: freeAddress(t)}
	s.client = redis.NewClient(&redis.Options{Addr: s.addr})
	t.Cleanup(func() { _ = s.client.Close() })
	s.run(t)
	return s
}

func freeAddress(t *testing.T) string {
	t.Helper()
	host := net.IPv4(127, 200, byte(rand.IntN(256)), byte(1+rand.IntN(254))).String()
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// run starts the server, empty, and waits until it answers.
func (s *server) run(t *testing.T) {
	t.Helper()
	host, port, _ := net.SplitHostPort(s.addr)
	s.process = exec.Command(s.binary, "--bind", host, "--port", port, "--dir", t.TempDir(), "--save", "", "--appendonly", "no")
	s.process.Stdout, s.process.Stderr = io.Discard, os.Stderr
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	process := s.process
	t.Cleanup(func() {
		_ = process.Process.Kill() // also ends a stopped process
		_ = process.Wait()
	})
	eventually(t, "redis-server answers", func() bool { return s.client.Ping(t.Context()).Err() == nil })
}

func (s *server) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := s.process.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// kill ends the server as kill -9 does and waits until it is gone.
func (s *server) kill(t *testing.T) {
	t.Helper()
	s.signal(t, syscall.SIGKILL)
	var exit *exec.ExitError
	if err := s.process.Wait(); !errors.As(err, &exit) {
		t.Fatalf("wait: %v", err)
	}
}

// cache returns a cache on the server that tolerates a busy machine.
func (s *server) cache(t *testing.T) *Cache {
	t.Helper()
	return newCache(t, Config{Address: s.addr, Timeout: 2 * time.Second, Seed: 1})
}

func newCache(t *testing.T, cfg Config) *Cache {
	t.Helper()
	c, err := New(cfg, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}

// product is a versioned value.
type product struct {
	Handle  string
	Version uint64
}

func productCodec() Codec[product] { return JSON(func(p product) uint64 { return p.Version }) }

// fetchProduct fetches a product whose load gives version.
func fetchProduct(ctx context.Context, c *Cache, handle string, version uint64) (product, Status, error) {
	return Through(ctx, c, "product:"+handle, time.Minute, productCodec(), func(context.Context) (product, error) {
		return product{handle, version}, nil
	})
}

func fetches(c *Cache, o Outcome) int { return value(c.metrics.fetches.WithLabelValues(string(o))) }

func failures(c *Cache, operation string) int {
	return value(c.metrics.errors.WithLabelValues(operation))
}

func value(counter prometheus.Counter) int {
	var m dto.Metric
	if err := counter.Write(&m); err != nil {
		panic(err)
	}
	return int(m.GetCounter().GetValue())
}

func key(i int) string { return "p" + strconv.Itoa(i) }
