package cache

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/meridian-commerce/meridian/internal/credentials/credentialstest"
	"github.com/meridian-commerce/meridian/internal/redis"
	"github.com/meridian-commerce/meridian/internal/redis/redistest"
)

// With a wrong password the cache is down; the product goes on, and the right password ends it.
func TestWrongPasswordIsABypass(t *testing.T) {
	t.Parallel()
	s, file := redistest.StartSecure(t), credentialstest.PasswordFile(t, "guess")
	c := newCache(t, Config{Redis: s.Config(redistest.User, file), Timeout: time.Minute, Seed: 1})
	for range breakerFailures + 1 {
		if p, status, err := fetchProduct(t.Context(), c, "a", 1); err != nil || p.Version != 1 || status.Outcome != Bypass {
			t.Fatalf("fetch = %+v %+v %v, want a bypass", p, status, err)
		}
	}
	credentialstest.Rotate(t, file, redistest.UserPassword)
	eventually(t, "a hit", func() bool {
		_, status, err := fetchProduct(t.Context(), c, "a", 1)
		return err == nil && status.Outcome == Hit
	})
}

func TestAccessIsChecked(t *testing.T) {
	t.Parallel()
	if _, err := New(Config{Redis: redis.Config{Address: "127.0.0.1:1", PasswordFile: "absent"}}, prometheus.NewRegistry()); err == nil {
		t.Error("New accepted a password file that is not there")
	}
}
