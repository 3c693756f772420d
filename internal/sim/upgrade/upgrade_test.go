package upgrade

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/sim/check"
	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/internet"
	"github.com/meridian-commerce/meridian/internal/sim/load/shoptest"
	"github.com/meridian-commerce/meridian/internal/sim/report"
	"github.com/meridian-commerce/meridian/regions"
)

// fake is a shop whose processes change their program, and fail requests while they do if they are rude.
type fake struct {
	shop *shoptest.Shop
	idle bool // the new release answers nothing

	mu      sync.Mutex
	program map[string]string
	count   map[string]int
	absent  regions.Name // callers of this region fail
	changes []internet.Change
	order   []string
}

var processes = []string{"us-east-1/stack-1", "us-east-1/stack-2", "us-east-1/edge", "eu-west-1/stack-1", "eu-west-1/stack-2", "eu-west-1/edge"}

func newFake(bug shoptest.Bug) *fake {
	f := &fake{program: map[string]string{}, count: map[string]int{}}
	for _, name := range processes {
		f.program[name] = "old"
	}
	catalog := regions.Default()
	f.shop = &shoptest.Shop{Bug: bug, Before: func(_ context.Context, r *http.Request) error {
		time.Sleep(time.Millisecond)
		f.mu.Lock()
		defer f.mu.Unlock()
		if from, _ := catalog.Prefers(r.Header.Get("CF-IPCountry")); from == f.absent {
			return errors.New("connection refused")
		}
		for _, name := range processes {
			if !f.idle || f.program[name] == "old" {
				f.count[name]++
			}
		}
		return nil
	}}
	return f
}

func (f *fake) Replaceable() []string { return processes }

func (f *fake) Migrate(context.Context, string) error { return nil }

func (f *fake) Replace(_ context.Context, name, program string, abruptly bool) error {
	set := func(absent regions.Name) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.absent = absent
	}
	if abruptly {
		set(regionOf(name))
	}
	time.Sleep(time.Second)
	set("")
	f.mu.Lock()
	defer f.mu.Unlock()
	f.program[name], f.count[name] = program, 0
	f.order = append(f.order, name+" "+program)
	f.changes = append(f.changes, internet.Change{At: time.Now(), Region: regionOf(name)})
	return nil
}

func (f *fake) world() world {
	return world{
		system: f, access: f.shop, announced: func(regions.Name) bool { return true },
		changes: func() []internet.Change { return f.changes },
		served: func(_ context.Context, name string) (served, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			return served{release: f.program[name], requests: f.count[name]}, nil
		},
		schema:  func(context.Context) (int64, error) { return 24, nil },
		pending: func(context.Context) (check.Unfinished, error) { return check.Unfinished{}, nil },
		facts:   func(context.Context) (check.Facts, error) { return f.shop.Facts(), nil },
		audit:   func(context.Context) ([]check.Violation, error) { return nil, nil },
	}
}

func drill(t *testing.T, f *fake, plant string) (r Report) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var err error
		r, err = run(t.Context(), Config{
			Seed: 1, From: "old", To: "new", Calm: 8 * time.Second, Check: time.Second, Rollback: 1,
			Rate: 15, Shoppers: 40, Plant: plant, Commit: "c", Command: "meridian-sim drill rolling-upgrade",
		}, f.world(), io.Discard)
		if err != nil {
			t.Fatal(err)
		}
	})
	return r
}

func TestDrill(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fake  *fake
		plant string
		want  string
	}{
		"good":             {newFake(""), "", ""},
		"no drain":         {newFake(""), NoDrain, NoFailedRequest},
		"orders lost":      {newFake(shoptest.ForgetsOrders), "", check.AcknowledgedOnce},
		"new release idle": {func() *fake { f := newFake(""); f.idle = true; return f }(), "", NotVacuous},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := drill(t, c.fake, c.plant)
			var got []string
			for _, v := range r.Violations {
				got = append(got, v.Invariant)
			}
			if c.want == "" && len(got) > 0 || c.want != "" && !strings.Contains(strings.Join(got, " "), c.want) {
				t.Errorf("violations %v, want %q: %+v", got, c.want, r.Violations)
			}
			if c.want != "" {
				return
			}
			want := []string{}
			for _, name := range processes {
				want = append(want, name+" new")
			}
			for _, name := range processes[:3] {
				want = append(want, name+" old")
			}
			if diff := cmp.Diff(want, c.fake.order); diff != "" {
				t.Errorf("replaced (-want +got):\n%s", diff)
			}
			shows(t, r)
		})
	}
}

// shows checks the files that people and programs read.
func shows(t *testing.T, r Report) {
	t.Helper()
	dir := t.TempDir()
	if err := errors.Join(report.WriteJSON(dir, JSONFile, r), report.WritePage(dir, HTMLFile, r.page()), report.PrintPage(io.Discard, r.page())); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, JSONFile))
	if err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(raw, &back); err != nil || len(back.Passes) != 2 || back.Requests == 0 || len(back.Passes[0].Releases) != 2 {
		t.Errorf("%v: %s", err, raw)
	}
	page, err := os.ReadFile(filepath.Join(dir, HTMLFile))
	if err != nil || !strings.Contains(string(page), "rollback") || !strings.Contains(string(page), "passed") {
		t.Errorf("%v: %s", err, page)
	}
}

func TestWhatCountsAsFailed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		op                history.Op
		failed, reconnect bool
	}{
		"ok":              {history.Op{Kind: history.SetItem, Outcome: history.OK}, false, false},
		"unknown":         {history.Op{Kind: history.SetItem, Outcome: history.Info}, true, false},
		"a retry refused": {history.Op{Kind: history.PlaceOrder, Attempt: 2, Outcome: history.Fail, Reason: "OVERLOADED"}, true, false},
		"out of stock":    {history.Op{Kind: history.PlaceOrder, Outcome: history.Fail, Reason: history.OutOfStock}, false, false},
		"stream ended":    {history.Op{Kind: history.Watch, Outcome: history.Fail, Reason: history.Draining}, true, true},
		"call refused":    {history.Op{Kind: history.GetOrder, Outcome: history.Fail, Reason: history.Draining}, true, false},
	} {
		if failed(c.op) != c.failed || reconnects(c.op) != c.reconnect {
			t.Errorf("%s: failed %v, reconnects %v", name, failed(c.op), reconnects(c.op))
		}
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	got, err := read(strings.NewReader(`# HELP meridian_build_info Always 1.
meridian_build_info{commit="abc-dirty",goversion="go1.26.0",version="v1.2.3"} 1
# TYPE meridian_rpc_server_duration_seconds histogram
meridian_rpc_server_duration_seconds_bucket{code="ok",method="A",le="1"} 900
meridian_rpc_server_duration_seconds_count{code="ok",method="A"} 41
meridian_rpc_server_duration_seconds_count{code="aborted",method="A"} 1
# TYPE meridian_edge_requests_total counter
meridian_edge_requests_total{code="200"} 1e+02
go_goroutines 7
`))
	if err != nil || got != (served{release: "v1.2.3 (abc-dirty, go1.26.0)", requests: 142}) || short(got.release) != "abc-dirty" {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := read(strings.NewReader("go_goroutines 7\n")); err == nil {
		t.Error("metrics that do not say which build they are of are accepted")
	}
}

func TestProgram(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "meridian")
	if err := os.WriteFile(file, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	if got, err := Program(t.Context(), ".", file, io.Discard); err != nil || got != file {
		t.Errorf("a program: %s, %v", got, err)
	}
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip(err)
	}
	if _, err := Program(t.Context(), t.TempDir(), "HEAD~1", io.Discard); !errors.Is(err, ErrNoHistory) {
		t.Errorf("no repository: %v", err)
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	good := Config{From: "a", To: "b", Calm: time.Second, Check: time.Second}
	if err := good.validate(); err != nil {
		t.Error(err)
	}
	if leave := good.Leave(); leave.Edge.Delay < 4*good.Check || leave.Stack.Delay < time.Second {
		t.Errorf("%+v", leave)
	}
	for name, spoil := range map[string]func(*Config){
		"no release":    func(c *Config) { c.From = "" },
		"no calm":       func(c *Config) { c.Calm = 0 },
		"another plant": func(c *Config) { c.Plant = "rose" },
	} {
		c := good
		spoil(&c)
		if err := c.validate(); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
