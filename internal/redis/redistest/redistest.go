// Package redistest gives tests a real redis-server at an address that nobody else takes, which they may kill, stop
// and start again. It keeps nothing on disk, and none outlives its test.
package redistest

import (
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/meridian-commerce/meridian/internal/nettest"
)

// RequireServers is the environment variable under which an absent redis-server fails a test instead of skipping
// it; `make test` sets it.
const RequireServers = "MERIDIAN_REQUIRE_SERVERS"

// Server is a redis-server. Its methods are for one goroutine at a time.
type Server struct {
	Address string        // host:port
	Client  *redis.Client // patient, to look behind the product's back

	t       testing.TB
	binary  string
	args    []string
	process *exec.Cmd
}

// Start returns a server that answers and is empty. The test is skipped where Redis is not installed.
func Start(t testing.TB) *Server {
	t.Helper()
	return startWith(t, nettest.Address(t), &redis.Options{})
}

// startWith returns such a server at an address, with more arguments. The options are how Client gets in; with TLS
// among them the server speaks nothing else.
func startWith(t testing.TB, address string, client *redis.Options, args ...string) *Server {
	t.Helper()
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv(RequireServers) != "" {
			t.Fatal(err)
		}
		t.Skip("redis-server is not installed; run `make deps`")
	}
	s := &Server{Address: address, t: t, binary: binary, args: args}
	if client.Addr = address; client.TLSConfig != nil {
		_, port, _ := net.SplitHostPort(address)
		s.args = append(s.args, "--tls-port", port, "--port", "0") // the last of two wins
	}
	s.Client = redis.NewClient(client)
	t.Cleanup(func() { _ = s.Client.Close() })
	s.Run()
	return s
}

// Run starts the server, empty, after a Kill, and waits until it answers.
func (s *Server) Run() {
	s.t.Helper()
	host, port, err := net.SplitHostPort(s.Address)
	if err != nil {
		s.t.Fatal(err)
	}
	args := append([]string{"--bind", host, "--port", port, "--dir", s.t.TempDir(), "--save", "", "--appendonly", "no"}, s.args...)
	process := exec.Command(s.binary, args...)
	process.Stdout = io.Discard
	process.Stderr = os.Stderr
	if err := process.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.process = process
	s.t.Cleanup(func() {
		_ = process.Process.Kill() // also ends a stopped process
		_ = process.Wait()
	})
	for deadline := time.Now().Add(5 * time.Minute); s.Client.Ping(s.t.Context()).Err() != nil; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatal("redis-server does not answer")
		}
	}
}

// Hang makes the server stop answering while its connections stay open (SIGSTOP), until Resume.
func (s *Server) Hang() { s.t.Helper(); s.signal(syscall.SIGSTOP) }

// Resume ends a Hang: the server goes on with all that it had.
func (s *Server) Resume() { s.t.Helper(); s.signal(syscall.SIGCONT) }

// Kill ends the server, and what it held, as kill -9 does and waits until it is gone.
func (s *Server) Kill() {
	s.t.Helper()
	s.signal(syscall.SIGKILL)
	var exit *exec.ExitError
	if err := s.process.Wait(); !errors.As(err, &exit) {
		s.t.Fatalf("wait: %v", err)
	}
}

func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.process.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}
