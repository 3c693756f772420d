package capacity_test

import (
	"bytes"
	"flag"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/capacity"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/regions"
)

var update = flag.Bool("update", false, "rewrite golden files")

// input is a plan for so many orders a second with a profile that does not change when costs are measured anew.
func input(t testing.TB, orders float64) capacity.Input {
	t.Helper()
	file, err := os.Open("testdata/profile.json")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }() // only read
	profile, err := capacity.ReadProfile(file)
	if err != nil {
		t.Fatal(err)
	}
	return capacity.Input{
		Catalog: regions.Default(), Demand: capacity.Demand{Orders: orders, Growth: 1}, Headroom: capacity.SurviveRegion,
		Profile: profile, Prices: capacity.DefaultPrices(), Assumptions: capacity.DefaultAssumptions(),
	}
}

func plan(t testing.TB, in capacity.Input) capacity.Plan {
	t.Helper()
	p, err := capacity.Make(in)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func region(t testing.TB, p capacity.Plan, n regions.Name) capacity.RegionPlan {
	t.Helper()
	i := slices.IndexFunc(p.Regions, func(r capacity.RegionPlan) bool { return r.Region == n })
	if i < 0 {
		t.Fatalf("no %s in the plan", n)
	}
	return p.Regions[i]
}

func codes(p capacity.Plan) []string {
	var out []string
	for _, w := range p.Warnings {
		out = append(out, w.Code)
	}
	return slices.Compact(out)
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for name, format := range map[string]capacity.Format{"plan.golden.txt": capacity.Table, "plan.golden.json": capacity.JSON, "plan.golden.yaml": capacity.YAML} {
		in := input(t, 50)
		in.Demand.Growth = 3
		in.Demand.Shares = map[regions.Name]float64{"us-east-1": 5, "eu-west-1": 3, "ap-southeast-1": 2}
		var out bytes.Buffer
		if err := capacity.Print(&out, capacity.Result{Plan: plan(t, in)}, format); err != nil {
			t.Fatal(err)
		}
		golden := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(golden, out.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), out.String()); diff != "" {
			t.Errorf("%s (go test ./internal/capacity -update rewrites it):\n%s", golden, diff)
		}
	}
}

// flat is a profile in which each request costs a millisecond of an edge and of a stack and writes one row in one
// transaction, and in which everybody orders.
func flat(p capacity.Profile) capacity.Profile {
	p.Requests = map[capacity.Request]capacity.Cost{}
	for _, r := range capacity.Requests() {
		p.Requests[r] = capacity.Cost{Measured: 1, EdgeMicros: 1000, StackMicros: 1000, Transactions: 1, Writing: 1, RowsWritten: 1, Bytes: 1000}
	}
	p.Journeys = []capacity.Journey{{Name: "order", Weight: 1, Requests: map[capacity.Request]float64{capacity.PlaceOrder: 1}}}
	p.Check = capacity.Check{}
	return p
}

func TestArithmetic(t *testing.T) {
	t.Parallel()
	in := input(t, 30_000)
	in.Profile, in.Assumptions.SignIns, in.Demand.Daily = flat(in.Profile), 0, 1_000_000
	p := plan(t, in)
	eu := region(t, p, "eu-west-1")
	for _, c := range []struct {
		what string
		got  any
		want any
	}{
		// 10,000 requests a second at home, 20,000 with another region lost, a millisecond each: 20 vCPU at 85 %.
		{"edge", eu.Edge, capacity.Pods{Count: 24, Bound: "us-east-1 lost"}},
		{"browse", eu.Browse, capacity.Pods{Count: 3, Bound: "one in each zone"}},
		// 20,000 commits a second that take 175 ms and 10 ms: 3,700 connections, 16 in a pod, at 85 %.
		{"checkout", eu.Checkout, capacity.Pods{Count: 273, Bound: "connections, us-east-1 lost"}},
		// A row costs half, and five of three copies' other half, 4/3 together: its lease's region half and two fifths
		// of the copies; with two regions alive the other one has three fifths.
		// (20,000 · (1/2 + 1/3) + 10,000 · 1/2) / 370 = 58.6 vCPU at 85 %, but 3,700 connections, 4 for each vCPU, at 85 %: 1089.
		{"database", eu.Database, capacity.Machines{Count: 36, Kind: "m7g.8xlarge", VCPU: 32, MemoryGiB: 128, Bound: "connections, us-east-1 lost"}},
		{"requests", p.Demand.RequestsPerSecond, 30000.0},
		{"orders a day", p.Storage.OrdersPerDay, 1e6},
		{"accepted", p.Accepted, true},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.what, diff)
		}
	}
	in.Assumptions.ConnsPerPod, in.Assumptions.ConnsPerVCPU = 1000, 1e9
	eu = region(t, plan(t, in), "eu-west-1")
	if eu.Checkout.Count != 24 || eu.Database.Bound != "processors, us-east-1 lost" || eu.Database.Count*eu.Database.VCPU != 72 {
		t.Errorf("with connections for nothing: %+v, %+v", eu.Checkout, eu.Database)
	}
	in.Demand.Daily = 0
	p = plan(t, in)
	if eu = region(t, p, "eu-west-1"); p.Storage.OrdersPerDay != 30_000.0/3*86400 || eu.Database.Bound != "disk for each vCPU" {
		t.Errorf("with the mean of a month by the peak: %+v, %+v", p.Storage, eu.Database)
	}
}

func TestCallersOfALostRegionGoToTheNearest(t *testing.T) {
	t.Parallel()
	p := plan(t, input(t, 300))
	got := map[regions.Name]regions.Name{}
	for _, l := range p.Losses {
		got[l.Region] = l.TakenBy
		for _, s := range l.Others {
			want := 100.0
			if s.Region == l.TakenBy {
				want = 200
			}
			if s.OrdersPerSecond != want {
				t.Errorf("with %s lost %s serves %v orders a second, want %v", l.Region, s.Region, s.OrdersPerSecond, want)
			}
		}
	}
	want := map[regions.Name]regions.Name{"us-east-1": "eu-west-1", "eu-west-1": "us-east-1", "ap-southeast-1": "eu-west-1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("who takes whose callers (-want +got):\n%s", diff)
	}
	if us, ap := region(t, p, "us-east-1"), region(t, p, "ap-southeast-1"); us.Edge.Count+us.Browse.Count <= ap.Edge.Count+ap.Browse.Count {
		t.Errorf("nobody's neighbor is planned as large as somebody's: %+v, %+v", us, ap)
	}
	if !slices.Contains(codes(p), "SLOWER_COMMITS") {
		t.Errorf("commits that take longer are not mentioned: %v", codes(p))
	}
}

func TestAQuorumFurtherAwayTakesConnections(t *testing.T) {
	t.Parallel()
	for _, l := range plan(t, input(t, 300)).Losses {
		want := map[regions.Name]map[regions.Name]float64{
			"us-east-1":      {"eu-west-1": 175, "ap-southeast-1": 175},
			"eu-west-1":      {"us-east-1": 220, "ap-southeast-1": 220},
			"ap-southeast-1": {"us-east-1": 70, "eu-west-1": 70},
		}[l.Region]
		for _, s := range l.Others {
			if s.CommitMillis != want[s.Region] {
				t.Errorf("with %s lost a commit in %s takes %v ms, want %v", l.Region, s.Region, s.CommitMillis, want[s.Region])
			}
		}
	}
}

const strictEurope = "residency_groups:\n  - {name: eu, strict: true}\nrtt_ms:"

func TestStrictResidencyIsSaid(t *testing.T) {
	t.Parallel()
	catalog, err := regions.Parse([]byte(strings.Replace(string(regions.DefaultYAML()), "rtt_ms:", strictEurope, 1)))
	if err != nil {
		t.Fatal(err)
	}
	in := input(t, 30)
	in.Catalog = catalog
	p := plan(t, in)
	eu := p.Losses[1]
	if eu.Region != "eu-west-1" || eu.TakenBy != "" || eu.Unserved != 10 || !slices.Contains(codes(p), "RESIDENCY") {
		t.Errorf("%+v, %v", eu, codes(p))
	}
}

func TestPlansThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*capacity.Input)
		says   string
	}{
		{"no headroom", func(in *capacity.Input) { in.Headroom = capacity.SurviveNone }, "with us-east-1 lost, eu-west-1 passes its limit"},
		{"a fleet that is too small", func(in *capacity.Input) {
			in.Fleet = map[regions.Name]int{"us-east-1": 60, "eu-west-1": 60, "ap-southeast-1": 7}
		}, "ap-southeast-1 passes its limit with every region alive: connections of checkout pods at"},
		{"two regions", func(in *capacity.Input) { in.Regions = []regions.Name{"us-east-1", "eu-west-1"} }, "no quorum"},
		{"one region", func(in *capacity.Input) { in.Regions = []regions.Name{"us-east-1"} }, "no quorum"},
	} {
		in := input(t, 300)
		if p := plan(t, in); !p.Accepted {
			t.Fatalf("the plan is refused without a change: %v", p.Refusals)
		}
		c.change(&in)
		if p := plan(t, in); p.Accepted || !strings.Contains(strings.Join(p.Refusals, "\n"), c.says) {
			t.Errorf("%s: accepted %t, %q; want %q", c.name, p.Accepted, p.Refusals, c.says)
		}
	}
}

func TestAFourthRegion(t *testing.T) {
	t.Parallel()
	catalog, err := regions.Parse([]byte(strings.Replace(string(regions.DefaultYAML()), "# A residency group", `  - name: af-south-1
    code: af1
    place: {city: Cape Town, country: ZA, lat: -33.92, lon: 18.42}
    zones: {aws: [af-south-1a, af-south-1b, af-south-1c]}
    residency: africa
    continents: []
    countries: [NA]
    loopback: 127.0.4.0/24
# A residency group`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	in := input(t, 400)
	in.Catalog = catalog
	p := plan(t, in)
	if len(p.Regions) != 4 || len(p.Losses) != 4 || !p.Accepted || !slices.Contains(codes(p), "PRICE_UNKNOWN") {
		t.Errorf("%d regions, %d losses, accepted %t, %v", len(p.Regions), len(p.Losses), p.Accepted, codes(p))
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		code   string
		orders float64
		change func(*capacity.Input)
		want   bool
	}{
		{"HOT_SKU", 1500, func(*capacity.Input) {}, true},
		{"HOT_SKU", 1500, func(in *capacity.Input) { in.Assumptions.HotShare = 0.001 }, false},
		{"PAYMENT_WORKER", 1500, func(*capacity.Input) {}, true},
		{"PAYMENT_WORKER", 20, func(*capacity.Input) {}, false},
		{"LICENSE", 1500, func(*capacity.Input) {}, true},
		{"LICENSE", 0.1, func(*capacity.Input) {}, false},
		{"POOL", 1500, func(*capacity.Input) {}, true},
		{"POOL", 1500, func(in *capacity.Input) { in.Assumptions.ConnsPerPod = 10_000 }, false},
		{"DATABASE_CONNECTIONS", 1500, func(*capacity.Input) {}, true},
		{"SIGN_IN", 1500, func(*capacity.Input) {}, true},
		{"SIGN_IN", 1500, func(in *capacity.Input) { in.Assumptions.SignIns = 0.01 }, false},
		{"RESIDENCY", 1500, func(*capacity.Input) {}, false},
		{"PRICE_UNKNOWN", 1500, func(*capacity.Input) {}, false},
		{"DATABASE_NOT_MEASURED", 1, func(*capacity.Input) {}, true},
		{"MIXED_LOAD", 1, func(in *capacity.Input) { in.Profile.Check = capacity.Check{} }, false},
	} {
		in := input(t, c.orders)
		c.change(&in)
		if got := codes(plan(t, in)); slices.Contains(got, c.code) != c.want {
			t.Errorf("%s at %v orders a second: %v, want %t", c.code, c.orders, got, c.want)
		}
	}
}

func TestInputThatMakesNoPlan(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		change func(*capacity.Input)
		says   string
	}{
		{func(in *capacity.Input) { in.Catalog = nil }, "no region catalog"},
		{func(in *capacity.Input) { in.Demand.Orders = 0 }, "0 orders a second"},
		{func(in *capacity.Input) { in.Demand.Orders = math.NaN() }, "NaN orders a second"},
		{func(in *capacity.Input) { in.Demand.Growth = math.Inf(1) }, "growing +Inf times"},
		{func(in *capacity.Input) { in.Demand.Daily = -1 }, "-1 orders a day"},
		{func(in *capacity.Input) { in.Headroom = "two" }, `not of "two"`},
		{func(in *capacity.Input) { in.Assumptions.Target = 0.9 }, "not 0.9 and 0.85"},
		{func(in *capacity.Input) { in.Assumptions.Limit = 1.1 }, "not 0.6 and 1.1"},
		{func(in *capacity.Input) { in.Assumptions.PeakToMean = 0.5 }, "a peak is at least the mean"},
		{func(in *capacity.Input) { in.Assumptions.Months = 0 }, "1 to 120 months"},
		{func(in *capacity.Input) { in.Assumptions.ConnsPerPod = 0 }, "at least one connection"},
		{func(in *capacity.Input) { in.Regions = []regions.Name{"mars-1"} }, `no region "mars-1"`},
		{func(in *capacity.Input) { in.Regions = []regions.Name{"us-east-1", "us-east-1"} }, "named twice"},
		{func(in *capacity.Input) { in.Demand.Shares = map[regions.Name]float64{"mars-1": 1} }, "not among the regions"},
		{func(in *capacity.Input) { in.Demand.Shares = map[regions.Name]float64{"us-east-1": -1} }, "share of us-east-1 is -1"},
		{func(in *capacity.Input) { in.Demand.Shares = map[regions.Name]float64{"us-east-1": 0} }, "no region has a share"},
		{func(in *capacity.Input) { in.Demand.Mix = map[string]float64{"dance": 1} }, `no journey "dance"`},
		{func(in *capacity.Input) { in.Demand.Mix = map[string]float64{"checkout": math.NaN()} }, "journey checkout is NaN"},
		{func(in *capacity.Input) { in.Demand.Mix = map[string]float64{"browse": 1} }, "nobody orders"},
		{func(in *capacity.Input) { in.Demand.Mix = map[string]float64{"browse": 1, "checkout": 1e-9} }, "more than a million requests"},
		{func(in *capacity.Input) { in.Fleet = map[regions.Name]int{"us-east-1": 0} }, "at least one"},
		{func(in *capacity.Input) { in.Profile = capacity.Profile{} }, "schema version"},
		{func(in *capacity.Input) { in.Prices = capacity.Prices{} }, "price table"},
	} {
		in := input(t, 10)
		c.change(&in)
		if _, err := capacity.Make(in); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v; want fault.Invalid that says %q", err, c.says)
		}
	}
}

// TestWhatThePaymentWorkerDoes holds the planner's figures to those of the payment room, which keeps them to itself.
func TestWhatThePaymentWorkerDoes(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../payment/worker.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"w.Store.Claim(ctx, home, 2*w.Concurrency, visibility)", "make(chan struct{}, w.Concurrency)"} {
		if !strings.Contains(string(text), line) {
			t.Errorf("the payment worker no longer has %q; the planner counts with two rounds of payment.concurrency", line)
		}
	}
}

func TestBuiltInTables(t *testing.T) {
	t.Parallel()
	p := capacity.DefaultProfile()
	if _, err := time.Parse(time.DateOnly, p.Date); err != nil || p.Machine.CPUs < 1 || p.Command == "" {
		t.Errorf("the built-in profile does not say when, where and how it was measured: %+v", p)
	}
	prices := capacity.DefaultPrices()
	if _, err := time.Parse(time.DateOnly, prices.Date); err != nil {
		t.Error(err)
	}
	for _, n := range regions.Default().Names() {
		if _, ok := prices.Regions[n]; !ok {
			t.Errorf("the price table lacks %s; it has %v", n, slices.Sorted(maps.Keys(prices.Regions)))
		}
	}
}

// TestPricesOfWhatTerraformMakes: the table knows every kind of machine of the size "prod".
func TestPricesOfWhatTerraformMakes(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../terraform/sizes.tf")
	if err != nil {
		t.Fatal(err)
	}
	_, prod, ok := strings.Cut(string(text), "prod = {")
	kinds := regexp.MustCompile(`type = "([a-z0-9.]+)"`).FindAllStringSubmatch(prod, -1)
	if !ok || len(kinds) < 4 {
		t.Fatalf("sizes.tf has no size prod with its machines: %v", kinds)
	}
	prices := capacity.DefaultPrices()
	for _, k := range kinds {
		machine := slices.ContainsFunc(prices.Machines, func(m capacity.Kind) bool { return m.Kind == k[1] })
		fixed := slices.ContainsFunc(prices.Fixed, func(f capacity.Fixed) bool { return strings.Contains(f.Name, k[1]) })
		if !machine && !fixed {
			t.Errorf("the price table lacks %s, which terraform/sizes.tf uses", k[1])
		}
	}
}

func TestTablesThatAreNone(t *testing.T) {
	t.Parallel()
	prices, err := os.ReadFile("prices.yaml")
	if err != nil {
		t.Fatal(err)
	}
	change := func(old, with string) string {
		if strings.Count(string(prices), old) != 1 {
			t.Fatalf("the prices hold %q %d times", old, strings.Count(string(prices), old))
		}
		return strings.Replace(string(prices), old, with, 1)
	}
	for _, text := range []string{
		"", "date: 2026-01-01\n", "unknown: 1\n", change("base: us-east-1", "base: mars-1"), change("hours: 730", "hours: 0"), change("hours: 730", "hours: .inf"),
		change("gib: 0.08,", "gib: -1,"), change("kind: m7g.xlarge, vcpu: 4", "kind: m7g.xlarge, vcpu: 0"), change("factor: 1.25", "factor: 0"),
	} {
		if _, err := capacity.ReadPrices(strings.NewReader(text)); !fault.Is(err, fault.Invalid) {
			t.Errorf("a price table is %v:\n%.200s", err, text)
		}
	}
	for _, text := range []string{"", "{}", "[]", `{"schema_version": "1"}`, `{"schema_version": "1", "unknown": 1}`} {
		if _, err := capacity.ReadProfile(strings.NewReader(text)); !fault.Is(err, fault.Invalid) {
			t.Errorf("a profile is %v: %s", err, text)
		}
	}
	if err := capacity.Print(&bytes.Buffer{}, capacity.Result{}, "xml"); !fault.Is(err, fault.Invalid) {
		t.Errorf("printed as XML: %v", err)
	}
}
