package cli_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// regionsWorld is Consul and Prometheus of three regions in one server, as far as a rollout asks them.
type regionsWorld struct {
	store
	sick    string // the datacenter with an unhealthy instance
	traffic map[string]int
}

func (w *regionsWorld) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasPrefix(r.URL.Path, "/v1/health/service/"):
		status := "passing"
		if r.URL.Query().Get("dc") == w.sick {
			status = "critical"
		}
		_ = json.NewEncoder(out).Encode([]map[string]any{{"Service": map[string]any{"ID": "one"}, "Checks": []map[string]any{{"Status": status}}}})
	case r.URL.Path == "/api/v1/query":
		requests := 0
		for region, n := range w.traffic {
			if strings.Contains(r.URL.Query().Get("query"), region) && !strings.Contains(r.URL.Query().Get("query"), "~") {
				requests = n
			}
		}
		_, _ = fmt.Fprintf(out, `{"status":"success","data":{"result":[{"value":[1,"%d"]}]}}`, requests)
	default:
		w.store.ServeHTTP(out, r)
	}
}

func newRegions(t *testing.T) (w *regionsWorld, flags []string) {
	t.Helper()
	w = &regionsWorld{store: store{values: map[string][]byte{}}, traffic: map[string]int{"us-east-1": 3000, "eu-west-1": 1000, "ap-southeast-1": 2000}}
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	return w, []string{
		"rollout", "--consul.address", strings.TrimPrefix(server.URL, "http://"), "--prometheus", server.URL,
		"--state", filepath.Join(t.TempDir(), "state.json"),
	}
}

func TestRolloutPlan(t *testing.T) {
	t.Parallel()
	w, flags := newRegions(t)
	flags = append(flags, "--exec", "touch "+t.TempDir()+"/ran", "--rollback-exec", "false", "--dry-run")
	code, out, errOut := run(t, flags...)
	if code != 0 || !strings.HasPrefix(out, "1. eu-west-1\n2. ap-southeast-1\n3. us-east-1\n") || len(w.values) != 0 {
		t.Errorf("exit %d: %s%s; Consul has %s", code, out, errOut, w.values)
	}
	code, out, _ = run(t, append(flags, "--order", "us-east-1,eu-west-1")...)
	if code != 0 || !strings.HasPrefix(out, "1. us-east-1\n2. eu-west-1\neach") {
		t.Errorf("in a given order: exit %d: %s", code, out)
	}
	w.sick = "us-east-1"
	if code, _, errOut := run(t, flags...); code != 1 || !strings.Contains(errOut, "0 of 1 instances of us-east-1") {
		t.Errorf("with a sick region: exit %d: %s", code, errOut)
	}
}

// TestRolloutRollsBack: what a command does to a region shows, here at once, because it fails.
func TestRolloutRollsBack(t *testing.T) {
	t.Parallel()
	w, flags := newRegions(t)
	log := filepath.Join(t.TempDir(), "log")
	flags = append(flags, "--exec", "echo to {region} >>"+log+"; false", "--rollback-exec", "echo back {region} >>"+log, "--settle", "0s", "--poll", "1ms")
	code, out, errOut := run(t, flags...)
	if code != 3 || !strings.Contains(out, "rolls back") || !strings.Contains(errOut, "exit status 1") {
		t.Errorf("exit %d: %s%s", code, out, errOut)
	}
	text, err := os.ReadFile(log)
	if err != nil || string(text) != "to eu-west-1\nback eu-west-1\n" {
		t.Errorf("ran %q (%v)", text, err)
	}
	if len(w.values) != 0 {
		t.Errorf("Consul still has %s", w.values)
	}
	if code, _, errOut := run(t, flags...); code != 1 || !strings.Contains(errOut, "was rolled back in this rollout") {
		t.Errorf("again: exit %d: %s", code, errOut)
	}
	if code, _, errOut := run(t, append(flags, "--exec", "true")...); code != 2 || !strings.Contains(errOut, "ROLLOUT_OTHER") {
		t.Errorf("another command: exit %d: %s", code, errOut)
	}
}

func TestRolloutRefuses(t *testing.T) {
	t.Parallel()
	_, flags := newRegions(t)
	commands := []string{"--exec", "true", "--rollback-exec", "true"}
	for _, tc := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--exec", "true"}, 2, "--rollback-exec"},
		{append(commands, "--prometheus", "prometheus:9090"), 2, "--prometheus"},
		{append(commands, "--order", "mars-1"), 2, "mars-1"},
		{append(commands, "--order", "eu-west-1,eu-west-1"), 2, "eu-west-1"},
		{append(commands, "--bake", "1s"), 2, "bake"},
		{append(commands, "--prometheus", "http://"+deaf), 1, "PROMETHEUS_UNREACHABLE"},
		{append(commands, "--consul.address", deaf), 1, "does not tell how it stands"},
		{append(commands, "--consul.address", ""), 2, "no Consul is known"},
	} {
		code, _, errOut := run(t, append(slices.Clip(flags), tc.args...)...)
		if code != tc.code || !strings.Contains(errOut, tc.says) {
			t.Errorf("%q exits with %d and says %q; want %d and %q", tc.args, code, errOut, tc.code, tc.says)
		}
	}
}
