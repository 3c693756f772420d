package cli_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// store is a Consul of one region, as far as its key-value store.
type store struct {
	mu     sync.Mutex
	values map[string][]byte
	asked  []string // datacenters
}

func (s *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := strings.TrimPrefix(r.URL.Path, "/v1/kv/")
	s.asked = append(s.asked, r.URL.Query().Get("dc"))
	switch r.Method {
	case http.MethodPut:
		s.values[key], _ = io.ReadAll(r.Body)
		_, _ = io.WriteString(w, "true")
	case http.MethodDelete:
		delete(s.values, key)
		_, _ = io.WriteString(w, "true")
	default:
		var list []map[string]any
		for k, v := range s.values {
			list = append(list, map[string]any{"Key": k, "Value": v})
		}
		if list == nil {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_ = json.NewEncoder(w).Encode(list)
	}
}

func newStore(t *testing.T) (s *store, address string) {
	t.Helper()
	s = &store{values: map[string][]byte{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, strings.TrimPrefix(server.URL, "http://")
}

const (
	euDrain = "meridian/drain/eu-west-1"
	deaf    = "127.200.0.9:1"
)

func TestRegionDrain(t *testing.T) {
	t.Parallel()
	us, usAddress := newStore(t)
	ap, apAddress := newStore(t)
	consul := "--edge.consul=us-east-1=" + usAddress + ",ap-southeast-1=" + apAddress + ",eu-west-1=" + deaf
	begun := time.Now().Add(-time.Second)
	code, out, errOut := run(t, "region", "drain", "eu-west-1", "--for", "45m", "--reason", "a test", consul)
	if code != 0 || strings.Count(out, " notified\n") != 2 || !strings.Contains(out, "eu-west-1          not notified") || !strings.Contains(out, "drained until") {
		t.Fatalf("exit %d: %s%s", code, out, errOut)
	}
	for _, s := range []*store{us, ap} {
		var d struct{ Since, Until time.Time }
		if err := json.Unmarshal(s.values[euDrain], &d); err != nil || d.Until.Sub(d.Since) != 45*time.Minute || d.Since.Before(begun.Truncate(time.Second)) {
			t.Errorf("the edges are told %s", s.values[euDrain])
		}
	}
	us.values["meridian/weight/us-east-1"] = []byte("many")
	ap.values["meridian/weight/us-east-1"] = []byte("20")
	code, out, _ = run(t, "region", "list", consul)
	for _, line := range []string{"(a test)", "weight/us-east-1 makes no sense", " 20 %", "eu-west-1          (its Consul does not answer)"} {
		if code != 0 || !strings.Contains(out, line) {
			t.Errorf("exit %d, %q is missing in:\n%s", code, line, out)
		}
	}
	if code, out, errOut := run(t, "region", "undrain", "eu-west-1", consul); code != 0 || us.values[euDrain] != nil || ap.values[euDrain] != nil {
		t.Errorf("undrain: exit %d: %s%s", code, out, errOut)
	}
}

// TestRegionDrainByOneAgent: the agent forwards to the other datacenters.
func TestRegionDrainByOneAgent(t *testing.T) {
	t.Parallel()
	s, address := newStore(t)
	if code, out, errOut := run(t, "region", "drain", "eu-west-1", "--consul.address", address); code != 0 || s.values[euDrain] == nil {
		t.Fatalf("exit %d: %s%s", code, out, errOut)
	}
	if got := strings.Join(s.asked, " "); got != "us-east-1 eu-west-1 ap-southeast-1" {
		t.Errorf("told %s", got)
	}
}

func TestRegionRefuses(t *testing.T) {
	t.Parallel()
	_, address := newStore(t)
	for _, tc := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"drain"}, 2, "arg"},
		{[]string{"drain", "mars-1", "--consul.address", address}, 2, "mars-1"},
		{[]string{"drain", "eu-west-1", "--for", "30s", "--consul.address", address}, 2, "1m0s to 72h"},
		{[]string{"drain", "eu-west-1", "--for", "73h", "--consul.address", address}, 2, "1m0s to 72h"},
		{[]string{"drain", "eu-west-1"}, 2, "no Consul is known"},
		{[]string{"drain", "eu-west-1", "--consul.address", deaf}, 1, "CONSUL_UNREACHABLE"},
		{[]string{"list", "--consul.address", deaf}, 1, "CONSUL_UNREACHABLE"},
		{[]string{"undrain", "eu-west-1", "--consul.address", "nowhere"}, 1, "Consul's address"},
	} {
		code, _, errOut := run(t, append([]string{"region"}, tc.args...)...)
		if code != tc.code || !strings.Contains(errOut, tc.says) {
			t.Errorf("%q exits with %d and says %q; want %d and %q", tc.args, code, errOut, tc.code, tc.says)
		}
	}
}
