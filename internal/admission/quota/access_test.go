package quota

import (
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/meridian-commerce/meridian/internal/credentials/credentialstest"
	"github.com/meridian-commerce/meridian/internal/redis"
	"github.com/meridian-commerce/meridian/internal/redis/redistest"
)

// breakerFailures is how many failures in a row open the breaker of package redis.
const breakerFailures = 5

// TestAccess: edges that Redis lets in count together. One with a wrong password refuses nobody, counts for itself
// until the password is right.
func TestAccess(t *testing.T) {
	t.Parallel()
	s := redistest.StartSecure(t)
	edge := func(password string) (b *Buckets, file string) {
		file = credentialstest.PasswordFile(t, password)
		return newBuckets(t, Config{Redis: s.Config(redistest.User, file), Timeout: time.Minute}), file
	}
	right, _ := edge(redistest.UserPassword)
	wrong, file := edge("guess")
	p := newPolicy(t, "p", breakerFailures, 10*time.Hour) // none comes back within the test
	take := func(b *Buckets, key string) bool { return b.TakeRegional(t.Context(), p, ByUser(key)).Allowed }
	for range breakerFailures {
		if !take(right, "ada") || !take(wrong, "ada") {
			t.Fatal("refused although the bucket has room")
		}
	}
	for range breakerFailures {
		take(right, "eve")
	}
	credentialstest.Rotate(t, file, redistest.UserPassword)
	others := 0
	eventually(t, "Redis lets the edge in", func() bool {
		others++
		take(wrong, strconv.Itoa(others)) // is asked of Redis once the breaker lets it through
		return wrong.region.redis.State() == 0
	})
	if take(wrong, "eve") {
		t.Error("an edge that Redis lets in again does not count with the others")
	}
}

func TestAccessIsChecked(t *testing.T) {
	t.Parallel()
	if _, err := New(Config{Redis: redis.Config{Address: "127.0.0.1:1", PasswordFile: "absent"}}, prometheus.NewRegistry()); err == nil {
		t.Error("New accepted a password file that is not there")
	}
}
