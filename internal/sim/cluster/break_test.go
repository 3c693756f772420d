package cluster_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/meridian-commerce/meridian/internal/sim/cluster"
)

func TestFaultsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]cluster.Fault{
		"no kind":               {Target: "eu-west-1"},
		"not slower":            {Kind: cluster.FaultSlow, Target: "eu-west-1", Factor: 1},
		"from itself":           {Kind: cluster.FaultPartition, Target: "eu-west-1", From: "eu-west-1"},
		"half a cut":            {Kind: cluster.FaultCut, Target: "eu-west-1", OneWay: true},
		"a flap without a rest": {Kind: cluster.FaultFlap, Target: "eu-west-1/redis"},
		"an endless flap":       {Kind: cluster.FaultFlap, Target: "eu-west-1/redis", Every: time.Second, For: time.Hour},
	} {
		if err := f.Validate(); !errors.Is(err, cluster.ErrBadFault) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func inflict(t *testing.T, c *cluster.Cluster, f cluster.Fault) cluster.FaultReport {
	t.Helper()
	report, err := c.Break(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func heal(t *testing.T, c *cluster.Cluster, target string) {
	t.Helper()
	if err := c.Heal(t.Context(), target); err != nil {
		t.Fatal(err)
	}
	s := c.Status(t.Context())
	for _, r := range s.Regions {
		if !r.Healthy || r.Leaseholder != r.Name || r.Slowness != 1 {
			t.Errorf("after healing %s: %s is %q, %+v", target, r.Name, r.Reason, r.RegionState)
		}
	}
	if len(s.Links) > 0 || len(s.Flapping) > 0 {
		t.Errorf("after healing %s: %v, %v", target, s.Links, s.Flapping)
	}
}

func testHang(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	before := processes(c.Status(t.Context()))
	inflict(t, c, cluster.Fault{Kind: cluster.FaultHang, Target: "us-east-1/redis"})
	if s := c.Status(t.Context()).Regions[0]; s.Healthy || s.Reason != "redis hangs" || !s.Alive {
		t.Errorf("a hanging part: %q, alive %v", s.Reason, s.Alive)
	}
	heal(t, c, "us-east-1/redis")

	began := time.Now()
	report := inflict(t, c, cluster.Fault{Kind: cluster.FaultHang, Target: "eu-west-1"})
	if len(report.Processes) != 4 || !slices.Contains(report.Processes, "eu-west-1/gateway") || report.LeasesMoveAt.Before(began) {
		t.Errorf("Break = %+v", report)
	}
	s := c.Status(t.Context()).Regions[1]
	if s.Healthy || s.Leaseholder != "us-east-1" {
		t.Errorf("a hanging region: %+v", s.RegionState)
	}
	for _, p := range s.Processes {
		if !p.Running || !p.Paused {
			t.Errorf("%s does not hang", p.Name)
		}
	}
	heal(t, c, "eu-west-1")
	for name, pid := range processes(c.Status(t.Context())) {
		if before[name] != pid {
			t.Errorf("%s is another process after a hang", name)
		}
	}
}

func testLinks(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	links := func(r cluster.FaultReport) string {
		var all []string
		for _, l := range r.Links {
			text := string(l.From[:2]) + ">" + string(l.To[:2]) + " " + string(l.Kind)
			if l.Extra > 0 {
				text += " " + l.Extra.String()
			}
			all = append(all, text)
		}
		slices.Sort(all)
		return strings.Join(all, ", ")
	}
	tests := []struct {
		fault  cluster.Fault
		links  string
		cutOff bool
	}{
		{cluster.Fault{Kind: cluster.FaultPartition}, "ap>eu blackhole, eu>ap blackhole, eu>us blackhole, us>eu blackhole", true},
		{cluster.Fault{Kind: cluster.FaultPartition, OneWay: true}, "eu>ap blackhole, eu>us blackhole", true},
		{cluster.Fault{Kind: cluster.FaultPartition, From: "us-east-1"}, "eu>us blackhole, us>eu blackhole", false},
		{cluster.Fault{Kind: cluster.FaultPartition, From: "us-east-1", OneWay: true}, "eu>us blackhole", false},
		{cluster.Fault{Kind: cluster.FaultCut}, "ap>eu cut, eu>ap cut, eu>us cut, us>eu cut", true},
		{cluster.Fault{Kind: cluster.FaultSlow, Factor: 10}, "ap>eu slow 787.5ms, eu>ap slow 787.5ms, eu>us slow 315ms, us>eu slow 315ms", false},
	}
	for _, tt := range tests {
		tt.fault.Target = "eu-west-1"
		report := inflict(t, c, tt.fault)
		if got := links(report); got != tt.links || report.LeasesMoveAt.IsZero() == tt.cutOff {
			t.Errorf("%+v: %s, leases move at %s", tt.fault, got, report.LeasesMoveAt)
		}
		s := c.Status(t.Context())
		if len(s.Links) != len(report.Links) || s.Regions[1].CutOff != tt.cutOff || s.Regions[1].Healthy == tt.cutOff {
			t.Errorf("%+v: %d links are broken; %+v", tt.fault, len(s.Links), s.Regions[1])
		}
		heal(t, c, "eu-west-1")
	}
	if _, err := c.Break(t.Context(), cluster.Fault{Kind: cluster.FaultCut, Target: "eu-west-1", From: "mars-1"}); !errors.Is(err, cluster.ErrUnknownTarget) {
		t.Errorf("a link to Mars: %v", err)
	}
	if left := c.Status(t.Context()).Links; len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func testFlap(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	pid := func() int { return processes(c.Status(t.Context()))["eu-west-1/bus"] }
	before := pid()
	inflict(t, c, cluster.Fault{Kind: cluster.FaultFlap, Target: "eu-west-1/bus", Every: cluster.MinFlap})
	eventually(t, "it was killed and started", func() bool { return pid() != before })
	second := pid()
	eventually(t, "and again", func() bool { return pid() != second })
	if s := c.Status(t.Context()); !slices.Equal(s.Flapping, []string{"eu-west-1/bus"}) {
		t.Errorf("Flapping = %v", s.Flapping)
	}
	heal(t, c, "eu-west-1/bus")

	inflict(t, c, cluster.Fault{Kind: cluster.FaultFlap, Target: "eu-west-1/bus", Every: cluster.MinFlap, For: cluster.MinFlap})
	eventually(t, "it ends by itself", func() bool { return len(c.Status(t.Context()).Flapping) == 0 })
	heal(t, c, "eu-west-1/bus")
	if _, err := c.Break(t.Context(), cluster.Fault{Kind: cluster.FaultFlap, Target: "eu-west-1", Every: time.Second}); !errors.Is(err, cluster.ErrBadFault) {
		t.Errorf("a flapping region: %v", err)
	}
}
