package cache

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/meridian-commerce/meridian/internal/access/redisaccess"
	"github.com/meridian-commerce/meridian/internal/credentials/credentialstest"
)

// said collects a log.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// With a wrong password the cache is down and says why; the product goes on, and the right password ends it.
func TestWrongPasswordIsABypass(t *testing.T) {
	t.Parallel()
	s, file := credentialstest.StartRedis(t), credentialstest.PasswordFile(t, "guess")
	log := &said{}
	c := newCache(t, Config{
		Address: s.Address, Access: s.Access(credentialstest.User, file), Timeout: 5 * time.Second, Seed: 1, Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	for range breakerFailures + 1 {
		if p, status, err := fetchProduct(t.Context(), c, "a", 1); err != nil || p.Version != 1 || status.Outcome != Bypass {
			t.Fatalf("fetch = %+v %+v %v, want a bypass", p, status, err)
		}
	}
	for _, want := range []string{"level=WARN", "redis breaker changed", "to=open", "cause=credentials", "WRONGPASS"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q: %s", want, log)
		}
	}
	if strings.Contains(log.String(), "guess") {
		t.Errorf("the log shows the password: %s", log)
	}
	if n := value(c.metrics.failures.Of(redisaccess.Credentials)); n < breakerFailures {
		t.Errorf("%d failures for their credentials, want %d or more", n, breakerFailures)
	}
	credentialstest.Rotate(t, file, credentialstest.UserPassword)
	eventually(t, "a hit", func() bool {
		_, status, err := fetchProduct(t.Context(), c, "a", 1)
		return err == nil && status.Outcome == Hit
	})
}

func TestAccessIsChecked(t *testing.T) {
	t.Parallel()
	if _, err := New(Config{Address: "127.0.0.1:1", Access: redisaccess.Access{PasswordFile: "absent"}}, prometheus.NewRegistry()); err == nil {
		t.Error("New accepted a password file that is not there")
	}
}
