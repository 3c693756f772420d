package edge

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// sends answers that another region should serve the request.
func sends(to string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Meridian-Replay", to)
		w.WriteHeader(http.StatusConflict)
	}
}

// TestReplay has a stack at home that names another region, where the request is served if it may be sent there.
func TestReplay(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxReplay+1)
	for name, tc := range map[string]struct {
		to, body string
		there    http.HandlerFunc
		headers  []string
		want     string
	}{
		"served there":         {"region=us-east-1", "{}", echo, nil, "200 us-east-1"},
		"the longest body":     {"region=us-east-1", long[1:], echo, nil, "200 us-east-1"},
		"too long a body":      {"region=us-east-1", long, echo, nil, "409 eu-west-1"},
		"only once":            {"region=us-east-1", "{}", sends("region=ap-southeast-1"), nil, "409 us-east-1"},
		"to where it is":       {"region=eu-west-1", "{}", echo, nil, "409 eu-west-1"},
		"an unknown region":    {"region=mars-1", "{}", echo, nil, "409 eu-west-1"},
		"no instruction":       {"us-east-1", "{}", echo, nil, "409 eu-west-1"},
		"a hard pin":           {"region=us-east-1", "{}", echo, []string{"Meridian-Region", "eu-west-1"}, "409 eu-west-1"},
		"lost there, repeated": {"region=us-east-1", "{}", reset, []string{"Idempotency-Key", "k"}, "200 ap-southeast-1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.add(t, eu, "eu-west-1", sends(tc.to))
			s.add(t, us, "us-east-1", tc.there)
			s.add(t, ap, "ap-southeast-1", echo)
			got := s.send(t, http.MethodPost, place, tc.body, tc.headers...)
			if got.Get("Meridian-Replay") != "" {
				t.Error("the instruction reaches the caller")
			}
			if line := fmt.Sprintf("%d %s", got.status, got.Get("Meridian-Served-Region")); line != tc.want {
				t.Errorf("got %s, want %s", line, tc.want)
			}
			if got.status == http.StatusOK && got.body != tc.body {
				t.Error("the body was not sent again as it was")
			}
			if n := s.edge.budget.retries.Load(); n != 0 {
				t.Errorf("%d retries are claimed", n)
			}
		})
	}
}
