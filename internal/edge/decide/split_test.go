package decide_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/geo"
	"github.com/meridian-commerce/meridian/internal/edge/decide"
	"github.com/meridian-commerce/meridian/regions"
)

// shares decides for a GLOBAL request at the European edge, whose order is eu, us, ap. It returns their shares.
func shares(t *testing.T, eu, us, ap decide.State) string {
	t.Helper()
	p := policy(t, "eu-west-1")
	r := decide.Request{Method: table(t).Lookup(http.MethodPost, product)}
	d := p.Decide(&r, &decide.View{us, eu, ap})
	var out []string
	for _, c := range d.Candidates() {
		out = append(out, fmt.Sprint(c.Share))
	}
	return strings.Join(out, "/")
}

// of is a region of a hundred instances.
func of(healthy int) decide.State { return decide.State{Healthy: healthy, Total: 100, Weight: 100} }

// TestPriorityLoad has the tables of Envoy's documentation of priority levels, row by row. Where it lists fewer
// than three levels, the others are empty.
// https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/priority
func TestPriorityLoad(t *testing.T) {
	t.Parallel()
	none := decide.State{Weight: 100}
	for _, tc := range []struct {
		a, b, c decide.State
		want    string
	}{
		{of(100), of(100), none, "100/0/0"}, // two levels, the second one whole
		{of(72), of(100), none, "100/0/0"},
		{of(71), of(100), none, "99/1/0"},
		{of(50), of(100), none, "70/30/0"},
		{of(25), of(100), none, "35/65/0"},
		{of(0), of(100), none, "0/100/0"},
		{of(72), of(72), none, "100/0/0"}, // two levels
		{of(71), of(71), none, "99/1/0"},
		{of(50), of(50), none, "70/30/0"},
		{of(100), of(100), of(100), "100/0/0"}, // three levels
		{of(72), of(72), of(100), "100/0/0"},
		{of(71), of(71), of(100), "99/1/0"},
		{of(50), of(50), of(100), "70/30/0"},
		{of(25), of(100), of(100), "35/65/0"},
		{of(25), of(25), of(100), "35/35/30"},
	} {
		if got := shares(t, tc.a, tc.b, tc.c); got != tc.want {
			t.Errorf("%d/%d/%d healthy: got %s, want %s", tc.a.Healthy, tc.b.Healthy, tc.c.Healthy, got, tc.want)
		}
	}
}

// A user's rows are where they are: half of the home's stacks lost move none of its HOME requests.
func TestHomeKeepsItsUsers(t *testing.T) {
	t.Parallel()
	p := policy(t, "eu-west-1")
	r := decide.Request{Method: table(t).Lookup(http.MethodPost, place), Home: "eu-west-1"}
	for healthy, want := range map[int]regions.Name{1: "eu-west-1", 0: "us-east-1"} {
		for caller := range uint64(1000) {
			r.Caller = caller * 0x9e3779b97f4a7c15
			d := p.Decide(&r, &decide.View{
				{Healthy: 2, Total: 2, Weight: 100}, {Healthy: healthy, Total: 2, Weight: 100}, {Healthy: 2, Total: 2, Weight: 100},
			})
			if first, ok := d.First(); !ok || first.Region != want {
				t.Fatalf("with %d of 2 healthy at home caller %x goes to %s, want %s", healthy, r.Caller, first.Region, want)
			}
		}
	}
}

// TestPriorityLoadBelowAHundred has the rows whose health adds up to less than 100. There every region is also
// below half, which is a panic of its own; so one region that the request may not use is kept well.
func TestPriorityLoadBelowAHundred(t *testing.T) {
	t.Parallel()
	set := strict(t) // users of us-east-1 may be served there and in us-west-2
	p, err := decide.NewPolicy(set, "us-east-1", geo.NewProximity(set, nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		first, second int
		want          string
	}{{25, 25, "50/50"}, {20, 30, "40/60"}, {1, 0, "100/0"}, {25, 20, "56/44"}} {
		r := decide.Request{Method: table(t).Lookup(http.MethodPost, signUp), Location: geo.Location{Region: us}}
		d := p.Decide(&r, &decide.View{of(tc.first), of(100), of(100), of(tc.second)})
		if got := fmt.Sprintf("%d/%d", shareOf(&d, "us-east-1"), shareOf(&d, "us-west-2")); got != tc.want {
			t.Errorf("%d and %d healthy: got %s, want %s", tc.first, tc.second, got, tc.want)
		}
	}
}

// TestThreeLevelsBelowAHundred is the last row of Envoy's table, 25/25/20.
func TestThreeLevelsBelowAHundred(t *testing.T) {
	t.Parallel()
	text := strings.NewReplacer("residency: eu\n", "residency: americas\n", "# A residency group", `
  - {name: us-west-2, code: us2, place: {city: Portland, country: US, lat: 45.5, lon: -122.7}, residency: americas, loopback: 127.0.4.0/24}
residency_groups: [{name: americas, strict: true}]
# A residency group`).Replace(string(regions.DefaultYAML()))
	set, err := regions.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	near := func(_, to regions.Name) (time.Duration, bool) { return time.Millisecond, to == eu }
	p, err := decide.NewPolicy(set, us, geo.NewProximity(set, near))
	if err != nil {
		t.Fatal(err)
	}
	r := decide.Request{Method: table(t).Lookup(http.MethodPost, signUp), Location: geo.Location{Region: us}}
	d := p.Decide(&r, &decide.View{of(25), of(25), of(100), of(20)}) // us-east-1, eu-west-1, ap, us-west-2
	var got []string
	for _, c := range d.Candidates() {
		got = append(got, fmt.Sprintf("%.2s:%d", c.Region, c.Share))
	}
	if diff := cmp.Diff("us:36 eu:36 us:28 ap:0", strings.Join(got, " ")); diff != "" {
		t.Error(diff)
	}
}

func TestCapacityWaterfall(t *testing.T) {
	t.Parallel()
	loaded := func(load float64) decide.State { s := of(100); s.Load = load; return s }
	for _, tc := range []struct {
		eu, us, ap float64
		want       string
	}{
		{0.7, 0, 0, "100/0/0"},       // at the soft limit
		{0.85, 0, 0, "55/45/0"},      // half way to the hard limit
		{1, 0, 0, "10/90/0"},         // at the hard limit: never all
		{5, 0, 0, "10/90/0"},         // beyond it
		{1, 1, 0, "10/10/80"},        // the next nearest is full too
		{1, 1, 1, "100/0/0"},         // no room anywhere: there is no point in leaving
		{0.85, 0.85, 0.9, "100/0/0"}, // nobody has more
	} {
		if got := shares(t, loaded(tc.eu), loaded(tc.us), loaded(tc.ap)); got != tc.want {
			t.Errorf("loads %v, %v, %v: got %s, want %s", tc.eu, tc.us, tc.ap, got, tc.want)
		}
	}
}

func TestWeightsAndSlowStart(t *testing.T) {
	t.Parallel()
	with := func(weight, ramp int) decide.State { s := of(100); s.Weight, s.Ramp = weight, ramp; return s }
	for _, tc := range []struct {
		eu, us, ap decide.State
		want       string
	}{
		{with(50, 0), of(100), of(100), "50/50/0"},
		{with(0, 0), of(100), of(100), "0/100/0"},
		{with(0, 0), with(0, 0), with(0, 0), "100/0/0"}, // nobody is left: all count
		{with(100, 10), of(100), of(100), "10/90/0"},
		{with(100, 99), of(100), of(100), "99/1/0"},
		{with(100, 30), with(100, 30), with(100, 30), "100/0/0"}, // all came back at once
	} {
		if got := shares(t, tc.eu, tc.us, tc.ap); got != tc.want {
			t.Errorf("got %s, want %s", got, tc.want)
		}
	}
}

// TestStatesOfService has one line per rule of drains, ejections, panic, residency and pins.
func TestStatesOfService(t *testing.T) {
	t.Parallel()
	set := strict(t)
	p, err := decide.NewPolicy(set, eu, geo.NewProximity(set, nil))
	if err != nil {
		t.Fatal(err)
	}
	const west = regions.Name("us-west-2")
	up, half, dead := of(100), of(49), of(0)
	full, fullHalf := of(100), of(50)
	full.Load = 1
	fullHalf.Load = 1
	drained := decide.State{Healthy: 100, Total: 100, Weight: 100, Drained: true}
	ejected := decide.State{Healthy: 100, Total: 100, Weight: 100, Ejected: true}
	trial := ejected
	trial.Trial = true
	for name, tc := range map[string]struct {
		path string
		req  decide.Request
		view decide.View // us-east-1, eu-west-1, ap-southeast-1, us-west-2
		want string      // who serves: region:route verdicts…
	}{
		"drained: leave at once":        {product, decide.Request{}, decide.View{up, drained, up, up}, "us-east-1:drained"},
		"drained: a home too":           {place, decide.Request{Home: us}, decide.View{drained, up, up, up}, "us-west-2:drained"},
		"all drained: serve":            {product, decide.Request{}, decide.View{drained, drained, drained, drained}, "eu-west-1:nearest"},
		"drained is better than dead":   {product, decide.Request{}, decide.View{dead, drained, dead, dead}, "eu-west-1:nearest"},
		"drained, the others weak":      {product, decide.Request{}, decide.View{of(1), drained, dead, dead}, "us-east-1:drained"},
		"ejected":                       {product, decide.Request{}, decide.View{up, ejected, up, up}, "us-east-1:failover"},
		"ejected, may be tried":         {product, decide.Request{}, decide.View{up, trial, up, up}, "us-east-1:failover try eu-west-1"},
		"ejected before drained":        {product, decide.Request{}, decide.View{drained, ejected, drained, drained}, "eu-west-1:nearest"},
		"all ejected: serve":            {product, decide.Request{}, decide.View{ejected, ejected, ejected, ejected}, "eu-west-1:nearest"},
		"panic under half everywhere":   {product, decide.Request{}, decide.View{half, half, dead, half}, "eu-west-1:panic"},
		"no panic while one is at half": {product, decide.Request{Caller: 99}, decide.View{half, half, dead, of(50)}, "us-east-1:failover"},
		"panic spares the drained":      {product, decide.Request{}, decide.View{half, {Total: 4, Weight: 100, Drained: true}, dead, dead}, "us-east-1:panic"},
		"half lost: stay":               {signUp, decide.Request{Location: geo.Location{Region: ap}, Caller: 69}, decide.View{up, up, of(50), up}, "ap-southeast-1:nearest"},
		"half lost: leave":              {signUp, decide.Request{Location: geo.Location{Region: ap}, Caller: 70}, decide.View{up, up, of(50), up}, "eu-west-1:failover"},
		"too full":                      {product, decide.Request{Caller: 99}, decide.View{up, full, up, up}, "us-east-1:spillover"},
		"too full and half lost: full":  {product, decide.Request{Caller: 69}, decide.View{up, fullHalf, up, up}, "us-east-1:spillover"},
		"too full and half lost: lost":  {product, decide.Request{Caller: 70}, decide.View{up, fullHalf, up, up}, "us-east-1:failover"},
		"a home too full":               {place, decide.Request{Home: us, Caller: 99}, decide.View{fullHalf, up, up, up}, "us-west-2:spillover"},
		"residency: home lost":          {place, decide.Request{Home: us}, decide.View{dead, up, up, up}, "us-west-2:failover"},
		"residency: group lost":         {place, decide.Request{Home: us}, decide.View{dead, up, up, dead}, "451"},
		"residency: a read of such":     {product, decide.Request{Home: us}, decide.View{up, up, up, up}, "us-east-1:failover"},
		"residency: by id":              {"/v1/orders/x/events", decide.Request{ID: us}, decide.View{dead, up, up, dead}, "451"},
		"residency: another's rows":     {place, decide.Request{Home: eu, ID: us}, decide.View{up, up, up, up}, "us-east-1:failover"},
		"residency: sign-up":            {signUp, decide.Request{Location: geo.Location{Region: us}}, decide.View{dead, up, up, dead}, "451"},
		"residency: anybody's read":     {product, decide.Request{Location: geo.Location{Region: us}}, decide.View{dead, up, up, dead}, "eu-west-1:nearest"},
		"residency: a hard pin":         {place, decide.Request{Home: us, Require: eu}, decide.View{up, up, up, up}, "451"},
		"residency: only a drained one": {place, decide.Request{Home: us}, decide.View{dead, up, up, drained}, "us-west-2:failover"},
		"hard pin on a drained one":     {place, decide.Request{Home: us, Require: us}, decide.View{drained, up, up, up}, "503 drained"},
		"hard pin on the last drained":  {place, decide.Request{Home: us, Require: us}, decide.View{drained, up, up, dead}, "us-east-1:pinned"},
		"hard pin on an ejected one":    {place, decide.Request{Require: west}, decide.View{up, up, up, ejected}, "us-west-2:pinned"},
		"soft pin on a drained one":     {product, decide.Request{Prefer: ap}, decide.View{up, up, drained, up}, "eu-west-1:drained"},
		"nothing is known":              {product, decide.Request{}, decide.View{}, "503"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.req.Method = table(t).Lookup(http.MethodPost, tc.path)
			d := p.Decide(&tc.req, &tc.view)
			got := "503"
			c, ok := d.First()
			switch {
			case ok:
				got = fmt.Sprintf("%s:%s", c.Region, c.Route)
			case d.Forbidden:
				got = "451"
			case d.Drained:
				got = "503 drained"
			}
			if c, ok := d.Trial(); ok {
				got += " try " + string(c.Region)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\n%s", diff, strings.Join(p.Explain(&tc.req, &d, &tc.view), "\n"))
			}
		})
	}
}

// TestCallersStay: as a region's health falls, only callers in what it loses move.
func TestCallersStay(t *testing.T) {
	t.Parallel()
	p, method := policy(t, eu), table(t).Lookup(http.MethodPost, product)
	where := func(caller uint64, healthy int) regions.Name {
		r := decide.Request{Method: method, Caller: caller}
		d := p.Decide(&r, &decide.View{of(100), of(healthy), of(100)})
		c, _ := d.First()
		return c.Region
	}
	for caller := range uint64(300) {
		left := false
		for healthy := 100; healthy >= 0; healthy-- {
			away := where(caller, healthy) != eu
			if left && !away {
				t.Fatalf("caller %d comes back as the region loses an instance", caller)
			}
			left = away
		}
		if !left {
			t.Fatalf("caller %d stays with nobody", caller)
		}
	}
}
