package quota

import (
	"bytes"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

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

// TestAccess: edges that Redis lets in count together. One with a wrong password refuses nobody, counts for itself and
// says why, until the password is right.
func TestAccess(t *testing.T) {
	t.Parallel()
	s := credentialstest.StartRedis(t)
	edge := func(password string, log *said) (b *Buckets, file string) {
		file = credentialstest.PasswordFile(t, password)
		return newBuckets(t, Config{
			Redis: s.Address, Access: s.Access(credentialstest.User, file), Timeout: 5 * time.Second, Logger: slog.New(slog.NewTextHandler(log, nil)),
		}), file
	}
	log := &said{}
	right, _ := edge(credentialstest.UserPassword, &said{})
	wrong, file := edge("guess", log)
	p := newPolicy(t, "p", breakerFailures, 10*time.Hour) // none comes back within the test
	take := func(b *Buckets, key string) bool { return b.TakeRegional(t.Context(), p, ByUser(key)).Allowed }
	for range breakerFailures {
		if !take(right, "ada") || !take(wrong, "ada") {
			t.Fatal("refused although the bucket has room")
		}
	}
	for _, want := range []string{"level=WARN", "admission's redis breaker changed", "to=open", "cause=credentials", "WRONGPASS"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q: %s", want, log)
		}
	}
	var m dto.Metric
	if err := wrong.region.failures.Of(redisaccess.Credentials).Write(&m); err != nil || m.GetCounter().GetValue() < breakerFailures {
		t.Errorf("failures for their credentials: %v, %v", m.GetCounter(), err)
	}
	for range breakerFailures {
		take(right, "eve")
	}
	credentialstest.Rotate(t, file, credentialstest.UserPassword)
	others := 0
	eventually(t, "Redis lets the edge in", func() bool {
		others++
		take(wrong, strconv.Itoa(others)) // is asked of Redis once the breaker lets it through
		return wrong.region.breaker.State().String() == "closed"
	})
	if take(wrong, "eve") {
		t.Error("an edge that Redis lets in again does not count with the others")
	}
}

func TestAccessIsChecked(t *testing.T) {
	t.Parallel()
	if _, err := New(Config{Redis: "127.0.0.1:1", Access: redisaccess.Access{PasswordFile: "absent"}}, prometheus.NewRegistry()); err == nil {
		t.Error("New accepted a password file that is not there")
	}
}
