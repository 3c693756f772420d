package edge

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meridian-commerce/meridian/internal/nettest"
)

func TestTimeoutOf(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		header, value string
		want          time.Duration
		ok            bool
	}{
		"Connect":             {headerConnectTimeout, "1500", 1500 * time.Millisecond, true},
		"Connect, too long":   {headerConnectTimeout, "12345678901", 0, false},
		"Connect, negative":   {headerConnectTimeout, "-1", 0, false},
		"gRPC, hours":         {headerGRPCTimeout, "2H", 2 * time.Hour, true},
		"gRPC, minutes":       {headerGRPCTimeout, "2M", 2 * time.Minute, true},
		"gRPC, seconds":       {headerGRPCTimeout, "2S", 2 * time.Second, true},
		"gRPC, milliseconds":  {headerGRPCTimeout, "2m", 2 * time.Millisecond, true},
		"gRPC, microseconds":  {headerGRPCTimeout, "2u", 2 * time.Microsecond, true},
		"gRPC, nanoseconds":   {headerGRPCTimeout, "2n", 2, true},
		"gRPC, forever":       {headerGRPCTimeout, "99999999H", 1<<63 - 1, true},
		"gRPC, no unit":       {headerGRPCTimeout, "20", 0, false},
		"gRPC, only a unit":   {headerGRPCTimeout, "S", 0, false},
		"gRPC, nine digits":   {headerGRPCTimeout, "123456789n", 0, false},
		"seconds":             {headerRequestTimeout, "3", 3 * time.Second, true},
		"seconds, a fraction": {headerRequestTimeout, "3.5", 0, false},
		"none":                {"X", "3", 0, false},
	} {
		h := http.Header{}
		h.Set(tc.header, tc.value)
		if got, ok := timeoutOf(h); got != tc.want || ok != tc.ok {
			t.Errorf("%s: got %v %v", name, got, ok)
		}
	}
}

func FuzzTimeoutOf(f *testing.F) {
	f.Add("1500", "2S", "3")
	f.Fuzz(func(t *testing.T, connect, grpc, seconds string) {
		for _, h := range []http.Header{{headerConnectTimeout: {connect}}, {headerGRPCTimeout: {grpc}}, {headerRequestTimeout: {seconds}}} {
			limit, ok := timeoutOf(h)
			if limit < 0 || !ok && limit != 0 {
				t.Fatalf("%v: got %v %v", h, limit, ok)
			}
			if !ok {
				continue
			}
			passTimeout(h, limit)
			if again, ok := timeoutOf(h); !ok || again > limit {
				t.Fatalf("%v became %v %v", limit, again, ok)
			}
		}
	})
}

// TestDeadlineTravels: the stack learns what is left of the caller's patience, in the words of the protocol.
func TestDeadlineTravels(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	seen := make(chan http.Header, 1)
	s.add(t, eu, "eu/0", func(_ http.ResponseWriter, r *http.Request) { seen <- r.Header })
	for name, tc := range map[string]struct{ header, value, at string }{
		"Connect": {headerConnectTimeout, "60000", headerConnectTimeout},
		"gRPC":    {headerGRPCTimeout, "60S", headerGRPCTimeout},
		"seconds": {headerRequestTimeout, "60", headerConnectTimeout},
	} {
		if got := s.send(t, http.MethodGet, "/", "", tc.header, tc.value); got.status != http.StatusOK {
			t.Errorf("%s: got %d", name, got.status)
		}
		h := <-seen
		h.Del(headerRequestTimeout)
		if left, ok := timeoutOf(h); !ok || left <= 0 || left >= time.Minute || h.Get(tc.at) == "" {
			t.Errorf("%s: the stack sees %v", name, h)
		}
	}
}

// TestDeadlineEnds: a stack that does not answer in the caller's time is given up, and the caller is told that
// the outcome is unknown; the stack's request ends too.
func TestDeadlineEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSiteOn(t, nettest.NewMemory())
		ended := make(chan error, 1)
		s.add(t, eu, "eu/0", func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			ended <- r.Context().Err()
		})
		began := time.Now()
		got := s.send(t, http.MethodGet, place, "", headerConnectTimeout, "50")
		if took := time.Since(began); took != 50*time.Millisecond {
			t.Errorf("it took %v", took)
		}
		if got.status != http.StatusGatewayTimeout || !strings.Contains(got.body, "DEADLINE_EXCEEDED") || got.Get("Meridian-Served-Region") != string(eu) {
			t.Errorf("got %d %s %v", got.status, got.body, got.Header)
		}
		if err := <-ended; err != context.Canceled { //nolint:errorlint // a context's error is never wrapped
			t.Errorf("the stack's request ended with %v", err)
		}
	})
}
