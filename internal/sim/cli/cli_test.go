package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/meridian-commerce/meridian/internal/nettest"
	"github.com/meridian-commerce/meridian/internal/sim/cli"
	"github.com/meridian-commerce/meridian/internal/sim/cluster"
	"github.com/meridian-commerce/meridian/internal/sim/control"
	"github.com/meridian-commerce/meridian/internal/sim/locality"
	"github.com/meridian-commerce/meridian/internal/sim/proc"
	"github.com/meridian-commerce/meridian/internal/sim/wan"
)

// run runs a command line and returns its exit code and what it printed.
func run(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	more := &cobra.Command{Use: "more", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error { c.Println("more"); return nil }}
	code = cli.Run(t.Context(), args, &stdout, &stderr, more)
	return code, stdout.String(), stderr.String()
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	bad := filepath.Join(t.TempDir(), "regions.yaml")
	if err := os.WriteFile(bad, []byte("version: 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	nobody := fmt.Sprint(nettest.Network(t)) // no simulation is there
	tests := []struct {
		name string
		args []string
		code int
		says string
	}{
		{"help", []string{"--help"}, 0, "Available Commands"},
		{"another room's command", []string{"more"}, 0, "more"},
		{"nothing", nil, 0, "Available Commands"},
		{"unknown command", []string{"destroy"}, 2, "unknown command"},
		{"unknown flag", []string{"up", "--fast"}, 2, "--fast"},
		{"no target", []string{"kill"}, 2, "accepts 1 arg"},
		{"net out of range", []string{"up", "--net", "300"}, 2, "0 to 250"},
		{"net out of range of a running one", []string{"status", "--net", "300"}, 2, "0 to 250"},
		{"bad catalog", []string{"up", "--regions", bad}, 2, "version is 2"},
		{"no meridian", []string{"up", "--bin", "/nowhere"}, 2, "--bin"},
		{"no simulation", []string{"status", "--net", nobody}, 1, "meridian-sim up"},
		{"nothing to kill", []string{"kill", "eu-west-1", "--net", nobody}, 1, "no simulation"},
		{"a flap without pause", []string{"flap", "eu-west-1/edge", "--every", "1ms"}, 2, "200ms"},
		{"slow by nothing", []string{"slow", "eu-west-1", "--factor", "1"}, 2, "factor"},
		{"a partition from itself", []string{"partition", "eu-west-1", "--from", "eu-west-1"}, 2, "itself"},
		{"nothing to hang", []string{"hang", "eu-west-1", "--net", nobody}, 1, "no simulation"},
		{"gateway without an address", []string{"gateway"}, 1, "address"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			code, out, errOut := run(t, tt.args...)
			if code != tt.code || !strings.Contains(out+errOut, tt.says) {
				t.Errorf("exit %d\n%s%s", code, out, errOut)
			}
			if code != 0 && (out != "" || !strings.HasPrefix(errOut, "meridian-sim: ")) {
				t.Errorf("a failure printed %q and %q", out, errOut)
			}
		})
	}
}

// fake is a running simulation.
type fake struct{ healthy bool }

func (f fake) Status(context.Context) cluster.Status {
	now := time.Now()
	region := cluster.RegionStatus{
		RegionState: locality.RegionState{Name: "eu-west-1", Alive: f.healthy, Leaseholder: "us-east-1", StallUntil: now.Add(3 * time.Second)},
		Edge:        "http://127.0.2.10:8080", Healthy: f.healthy,
		Processes: []proc.State{{Name: "eu-west-1/edge", Running: f.healthy}},
	}
	if !f.healthy {
		region.Reason = "lost"
	}
	return cluster.Status{StateDir: "/sim", At: now, Started: now.Add(-time.Minute), Regions: []cluster.RegionStatus{region}, Outside: []proc.State{{Name: "provider", Exit: "signal: killed"}}}
}

func (fake) Kill(_ context.Context, target string) (cluster.FaultReport, error) {
	return cluster.FaultReport{Target: target, Processes: []string{"eu-west-1/edge"}, LeasesMoveAt: time.Now().Add(5 * time.Second)}, nil
}

func (fake) Break(_ context.Context, f cluster.Fault) (cluster.FaultReport, error) {
	r := cluster.FaultReport{Target: f.Target}
	switch f.Kind {
	case cluster.FaultHang, cluster.FaultFlap:
		r.Processes = []string{f.Target}
	case cluster.FaultSlow:
		r.Links = []cluster.LinkStatus{{Link: wan.Link{From: "us-east-1", To: "eu-west-1"}, Fault: wan.Fault{Kind: wan.Slow, Extra: time.Duration(f.Factor) * time.Millisecond}}}
	default:
		r.Links = []cluster.LinkStatus{{Link: wan.Link{From: f.From, To: "eu-west-1"}, Fault: wan.Fault{Kind: wan.Kind(fmt.Sprint(f.Kind, f.OneWay))}}}
		r.LeasesMoveAt = time.Now().Add(5 * time.Second)
	}
	return r, nil
}

func (fake) Heal(context.Context, string) error { return nil }

// serve puts a simulation where the commands look for that of a network offset.
func serve(t *testing.T, addr string, s control.Simulation) {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: control.Handler(s, addr), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
}

func TestActingOnARunningSimulation(t *testing.T) {
	t.Parallel()
	lost, well := fmt.Sprint(nettest.Network(t)), fmt.Sprint(nettest.Network(t))
	serve(t, "127."+lost+".0.3:7070", fake{healthy: false})
	serve(t, "127."+well+".0.3:7070", fake{healthy: true})
	tests := []struct {
		args []string
		code int
		says []string
	}{
		{[]string{"status", "--net", lost}, 3, []string{"eu-west-1", "lost", "stalled 3.0 s", "0 of 1", "provider does not run (signal: killed)", "up 1m0s"}},
		{[]string{"status", "--net", well}, 0, []string{"healthy", "1 of 1"}},
		{[]string{"config", "--net", well}, 0, []string{"/sim/config/owner.yaml\n"}},
		{[]string{"kill", "eu-west-1", "--net", well}, 0, []string{"killed eu-west-1: eu-west-1/edge", "leases move in"}},
		{[]string{"hang", "eu-west-1/redis", "--net", well}, 0, []string{"hang: eu-west-1/redis"}},
		{[]string{"slow", "eu-west-1", "--factor", "3", "--net", well}, 0, []string{"us-east-1 to eu-west-1: slow, 3ms longer"}},
		{[]string{"partition", "eu-west-1", "--from", "us-east-1", "--one-way", "--net", well}, 0, []string{"us-east-1 to eu-west-1: partitiontrue", "leases move in"}},
		{[]string{"cut", "eu-west-1", "--from", "us-east-1", "--net", well}, 0, []string{"us-east-1 to eu-west-1: cutfalse"}},
		{[]string{"flap", "eu-west-1/stack-1", "--net", well}, 0, []string{"flap: eu-west-1/stack-1"}},
		{[]string{"heal", "eu-west-1", "--net", well}, 0, []string{"eu-west-1 is well"}},
	}
	for _, tt := range tests {
		code, out, errOut := run(t, tt.args...)
		if code != tt.code || errOut != "" {
			t.Errorf("%v: exit %d, %q", tt.args, code, errOut)
		}
		for _, want := range tt.says {
			if !strings.Contains(out, want) {
				t.Errorf("%v does not say %q:\n%s", tt.args, want, out)
			}
		}
	}
}
