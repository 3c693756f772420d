package rollingupgrade

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/sim/check"
	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/load/shoptest"
	"github.com/meridian-commerce/meridian/internal/sim/scenario"
	"github.com/meridian-commerce/meridian/internal/sim/scenario/scenariotest"
)

// fake is a simulation whose processes change their program; a region whose process was killed answers nobody meanwhile.
type fake struct {
	*scenariotest.Fake
	idle bool // the new release answers nothing

	mu      sync.Mutex
	program map[string]string
	count   map[string]int
	order   []string
}

var processes = []string{"us-east-1/stack-1", "us-east-1/stack-2", "us-east-1/edge", "eu-west-1/stack-1", "eu-west-1/stack-2", "eu-west-1/edge"}

func newFake(bug shoptest.Bug) *fake {
	f := &fake{Fake: scenariotest.New(bug), program: map[string]string{}, count: map[string]int{}}
	for _, name := range processes {
		f.program[name] = "old"
	}
	reach := f.Shop.Before
	f.Shop.Before = func(ctx context.Context, r *http.Request) error {
		if err := reach(ctx, r); err != nil {
			return err
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, name := range processes {
			if !f.idle || f.program[name] == "old" {
				f.count[name]++
			}
		}
		return nil
	}
	return f
}

func (f *fake) Replaceable() []string { return processes }

func (f *fake) Migrate(context.Context, string) error { return nil }

func (f *fake) Replace(_ context.Context, name, program string, abruptly bool) error {
	if abruptly {
		f.Lose(regionOf(name), true)
	}
	time.Sleep(time.Second)
	f.Lose(regionOf(name), false)
	f.Withdraw(regionOf(name), time.Now())
	f.mu.Lock()
	defer f.mu.Unlock()
	f.program[name], f.count[name] = filepath.Base(filepath.Dir(program)), 0
	f.order = append(f.order, name+" "+f.program[name])
	return nil
}

// scenario is the drill, which asks the fake what it would ask processes and the database.
func (f *fake) scenario() scenario.Scenario {
	return (&drill{
		identity: func(_ context.Context, program string) (string, error) { return program, nil },
		served: func(_ context.Context, _ *scenario.Run, name string) (served, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			return served{release: Release(f.program[name]), requests: f.count[name]}, nil
		},
		schema: func(context.Context, *scenario.Run) (int64, error) { return 24, nil },
	}).scenario()
}

// releases makes two programs, old/meridian and new/meridian, and returns the folder.
func releases(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"old", "new"} {
		if err := errors.Join(os.Mkdir(filepath.Join(dir, name), 0o755), os.WriteFile(filepath.Join(dir, name, "meridian"), nil, 0o700)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
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
			world := func(*scenario.Run) scenario.World { return c.fake.World(c.fake) }
			dir := releases(t)
			r := scenariotest.Play(t, c.fake.scenario(), world, "--from", filepath.Join(dir, "old", "meridian"), "--bin", filepath.Join(dir, "new"),
				"--calm=8s", "--rollback=1", "--rate=15", "--shoppers=40", "--plant="+c.plant)
			got := r.Invariants()
			if c.want == "" && (len(got) > 0 || r.Err != nil) || c.want != "" && !slices.Contains(got, c.want) {
				t.Errorf("%v; violations %v, want %q: %+v", r.Err, got, c.want, r.Violations)
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
			var f Figures
			r.Figures(t, &f)
			if len(f.Passes) != 2 || f.Requests == 0 || len(f.Passes[0].Releases) != 2 {
				t.Errorf("%s", r.JSON)
			}
			if !strings.Contains(r.HTML, "rollback") || !strings.Contains(r.HTML, "passed") {
				t.Errorf("%s", r.HTML)
			}
		})
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
		if c.op.Succeeded() == c.failed || reconnects(c.op) != c.reconnect {
			t.Errorf("%s: failed %v, reconnects %v", name, !c.op.Succeeded(), reconnects(c.op))
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
	if err != nil || got != (served{release: "v1.2.3 (abc-dirty, go1.26.0)", requests: 142}) || got.release.Commit() != "abc-dirty" {
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

func TestBadFlagsAreRefused(t *testing.T) {
	t.Parallel()
	dir := releases(t)
	good := []string{"--from", filepath.Join(dir, "old", "meridian"), "--bin", filepath.Join(dir, "new")}
	for name, flags := range map[string][]string{
		"the same release": {"--bin", filepath.Join(dir, "old")},
		"no calm":          {"--calm=0s"},
		"another plant":    {"--plant=rose"},
	} {
		r := scenariotest.Play(t, newFake("").scenario(), nil, append(good, flags...)...)
		if r.Err == nil || errors.Is(r.Err, scenario.ErrFailed) {
			t.Errorf("%s is accepted: %v", name, r.Err)
		}
	}
	d := drill{check: time.Second}
	if leave := d.leave(); leave.Edge.Delay < 4*d.check || leave.Stack.Delay < time.Second {
		t.Errorf("%+v", leave)
	}
}
