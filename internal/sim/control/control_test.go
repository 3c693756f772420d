package control_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/nettest"
	"github.com/meridian-commerce/meridian/internal/sim/cluster"
	"github.com/meridian-commerce/meridian/internal/sim/control"
	"github.com/meridian-commerce/meridian/internal/sim/locality"
)

// fake is a simulation that remembers what was done to it.
type fake struct{ done []string }

var report = cluster.FaultReport{Target: "eu-west-1", At: time.UnixMilli(1).UTC(), Processes: []string{"eu-west-1/edge"}, LeasesMoveAt: time.UnixMilli(2).UTC()}

func (f *fake) Status(context.Context) cluster.Status {
	return cluster.Status{Net: 7, Regions: []cluster.RegionStatus{{RegionState: locality.RegionState{Name: "eu-west-1", Alive: true}, Healthy: true}}}
}

func (f *fake) Kill(_ context.Context, target string) (cluster.FaultReport, error) {
	f.done = append(f.done, "kill "+target)
	switch target {
	case "mars-1":
		return cluster.FaultReport{}, fmt.Errorf("%w %q", cluster.ErrUnknownTarget, target)
	case "dead":
		return cluster.FaultReport{}, cluster.ErrNotRunning
	}
	return report, nil
}

func (f *fake) Break(_ context.Context, fault cluster.Fault) (cluster.FaultReport, error) {
	f.done = append(f.done, fmt.Sprintf("%+v", fault))
	return report, nil
}

func (f *fake) Heal(_ context.Context, target string) error {
	f.done = append(f.done, "heal "+target)
	if target == "broken" {
		return errors.New("it will not start")
	}
	return nil
}

func serve(t *testing.T) (*fake, *httptest.Server, string) {
	t.Helper()
	f, server := &fake{}, httptest.NewUnstartedServer(nil)
	addr := server.Listener.Addr().String()
	server.Config.Handler = control.Handler(f, addr)
	server.Start()
	t.Cleanup(server.Close)
	return f, server, addr
}

func TestClientAndServerAgree(t *testing.T) {
	t.Parallel()
	f, _, addr := serve(t)
	client := control.NewClient(addr)
	status, err := client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(f.Status(t.Context()), status); diff != "" {
		t.Errorf("Status (-want +got):\n%s", diff)
	}
	got, err := client.Kill(t.Context(), "eu-west-1")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(report, got); diff != "" {
		t.Errorf("Kill (-want +got):\n%s", diff)
	}
	if err := client.Heal(t.Context(), "eu-west-1/redis"); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"kill eu-west-1", "heal eu-west-1/redis"}, f.done); diff != "" {
		t.Errorf("done (-want +got):\n%s", diff)
	}
	if _, err := client.Kill(t.Context(), "mars-1"); err == nil || !strings.Contains(err.Error(), `unknown target "mars-1"`) {
		t.Errorf("Kill of an unknown target = %v", err)
	}
}

func TestFaultsTravelWhole(t *testing.T) {
	t.Parallel()
	f, _, addr := serve(t)
	client := control.NewClient(addr)
	faults := []cluster.Fault{
		{Kind: cluster.FaultHang, Target: "eu-west-1"},
		{Kind: cluster.FaultSlow, Target: "eu-west-1", Factor: 2.5},
		{Kind: cluster.FaultPartition, Target: "eu-west-1", From: "us-east-1", OneWay: true},
		{Kind: cluster.FaultFlap, Target: "eu-west-1/stack-1", Every: 1500 * time.Millisecond, For: time.Minute},
	}
	var want []string
	for _, fault := range faults {
		want = append(want, fmt.Sprintf("%+v", fault))
		if got, err := client.Break(t.Context(), fault); err != nil || got.Target != report.Target {
			t.Errorf("Break(%+v) = %+v, %v", fault, got, err)
		}
	}
	if diff := cmp.Diff(want, f.done); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
}

func TestNoSimulation(t *testing.T) {
	t.Parallel()
	if _, err := control.NewClient(nettest.Address(t)).Status(t.Context()); !errors.Is(err, control.ErrNoSimulation) {
		t.Errorf("Status = %v", err)
	}
}

// asking gives a request a body.
func asking(body string) func(*http.Request) {
	return func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(body)) }
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, method, path string
		change             func(*http.Request)
		code               int
		body               string
	}{
		{"console", "GET", "/", nil, 200, "<title>Meridian simulation</title>"},
		{"status", "GET", "/api/status", nil, 200, `"net":7`},
		{"unknown target", "POST", "/api/kill?target=mars-1", nil, 404, "unknown target"},
		{"dead target", "POST", "/api/kill?target=dead", nil, 409, "does not run"},
		{"no such fault", "POST", "/api/break", asking(`{"kind": "burn", "target": "eu-west-1"}`), 400, "no such fault"},
		{"a slow region that is not slower", "POST", "/api/break", asking(`{"kind": "slow", "target": "eu-west-1", "factor": 1}`), 400, "factor"},
		{"a factor that is no number", "POST", "/api/break", asking(`{"kind": "slow", "target": "eu-west-1", "factor": "ten"}`), 400, "factor"},
		{"another site's fault", "POST", "/api/break", func(r *http.Request) {
			asking(`{"kind": "hang", "target": "eu-west-1"}`)(r)
			r.Header.Set("Sec-Fetch-Site", "cross-site")
		}, 403, ""},
		{"failed heal", "POST", "/api/heal?target=broken", nil, 500, "it will not start"},
		{"a link", "GET", "/api/kill?target=eu-west-1", nil, 405, ""},
		{"another site's page", "POST", "/api/kill?target=eu-west-1", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, 403, ""},
		{"another name", "GET", "/api/status", func(r *http.Request) { r.Host = "attacker.example" }, 403, "attacker.example"},
		{"nothing", "GET", "/etc/passwd", nil, 404, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := &fake{}
			req := httptest.NewRequestWithContext(t.Context(), tt.method, "http://127.0.0.3:7070"+tt.path, nil)
			if tt.change != nil {
				tt.change(req)
			}
			rec := httptest.NewRecorder()
			control.Handler(f, "127.0.0.3:7070").ServeHTTP(rec, req)
			if rec.Code != tt.code || !strings.Contains(rec.Body.String(), tt.body) {
				t.Errorf("%d %s", rec.Code, rec.Body)
			}
			if tt.code == http.StatusForbidden && len(f.done) > 0 {
				t.Errorf("refused, but it did %v", f.done)
			}
		})
	}
}
