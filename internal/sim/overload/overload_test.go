package overload

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meridian-commerce/meridian/internal/sim/overload/brake"
	"github.com/meridian-commerce/meridian/internal/sim/topology"
	"github.com/meridian-commerce/meridian/regions"
)

// fake is an edge before stacks that serve so many requests at a time. It lets in a few more than that, carts and
// orders always, unless it is naive.
type fake struct {
	naive  bool // it refuses nothing
	slots  chan struct{}
	let    chan struct{}
	orders chan struct{}
}

var brakes = brake.Config{Concurrency: 2, Service: 100 * time.Millisecond}

func newFake(naive bool) *fake {
	return &fake{naive: naive, slots: make(chan struct{}, 4), let: make(chan struct{}, 6), orders: make(chan struct{}, 100)}
}

// RoundTrip implements http.RoundTripper.
func (f *fake) RoundTrip(r *http.Request) (*http.Response, error) {
	say := func(status int, body string) (*http.Response, error) {
		return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	}
	switch r.URL.Path {
	case listProducts:
		return say(200, `{"products": [{"variants": [{"sku": "M", "prices": [{"currency": "USD"}, {"currency": "EUR"}]}]}]}`)
	case signUp:
		return say(200, `{"accessToken": "t"}`)
	}
	room := f.let
	if r.Method == http.MethodPost { // browsing gets
		room = f.orders
	}
	if !f.naive {
		select {
		case room <- struct{}{}:
			defer func() { <-room }()
		default:
			time.Sleep(time.Millisecond)
			return say(503, "{}")
		}
	}
	select {
	case f.slots <- struct{}{}:
		defer func() { <-f.slots }()
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	time.Sleep(brakes.Service)
	return say(200, "{}")
}

func measured(t *testing.T, naive bool) Report {
	t.Helper()
	var r Report
	synctest.Test(t, func(t *testing.T) {
		s := newShop("http://shop.example", 1)
		s.client = &http.Client{Transport: newFake(naive)}
		var err error
		cfg := Config{Seed: 1, Brake: brakes, Stacks: 2, Times: 10, Duration: 20 * time.Second}
		if r, err = run(context.Background(), cfg, s, io.Discard); err != nil {
			t.Fatal(err)
		}
	})
	return r
}

func TestARegionThatRefuses(t *testing.T) {
	t.Parallel()
	r := measured(t, false)
	if len(r.Missed)+len(r.Violations) > 0 || r.Capacity < 39 || r.Capacity > 41 || r.RefusalP99 < 0.9 || r.RefusalP99 > 1.1 {
		t.Errorf("%+v", r)
	}
}

func TestARegionThatRefusesNothing(t *testing.T) {
	t.Parallel()
	r := measured(t, true)
	said := strings.Join(append(r.Missed, r.Violations...), "\n")
	for _, want := range []string{"goodput", "checkouts succeed", "all is well after", "nothing was refused"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not found:\n%s", want, said)
		}
	}
}

func TestRecovered(t *testing.T) {
	t.Parallel()
	from := time.UnixMilli(0)
	tests := []struct {
		name     string
		outcomes string // one every 500 ms; x fails
		want     time.Duration
		ok       bool
	}{
		{"at once", "..........", 0, true},
		{"after a while", "xxxx......", 1500 * time.Millisecond, true},
		{"a later failure is another matter", "x.....x...", 0, true},
		{"not yet", "xxxxxxxxx.", 4 * time.Second, false},
	}
	for _, tt := range tests {
		p := phase{from: from, to: from.Add(5 * time.Second)}
		for i, c := range tt.outcomes {
			start := from.Add(time.Duration(i) * 500 * time.Millisecond)
			a := answer{start: start, end: start, status: http.StatusOK}
			if c == 'x' {
				a.status = 0
			}
			p.answers = append(p.answers, a)
		}
		if got, ok := recovered(p); got != tt.want || ok != tt.ok {
			t.Errorf("%s: %v, %v", tt.name, got, ok)
		}
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	r := Report{Capacity: 100, Asked: 1000, Goodput: 95, Kinds: map[kind]Count{kindOrder: {Served: 7}}, Missed: []string{"something"}}
	var out bytes.Buffer
	if err := Print(&out, r); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"checkout       7", "goodput 95.0/s (95 %)", "missed: something", "0 violations, 1 objectives missed"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, out.String())
		}
	}
	dir := filepath.Join(t.TempDir(), "new")
	if err := Write(dir, r); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, File)); err != nil || !bytes.Contains(text, []byte(`"goodput_per_s": 95`)) {
		t.Errorf("%s, %v", text, err)
	}
}

func TestTheRegionIsACatalog(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "region.yaml")
	if err := os.WriteFile(file, oneRegion, 0o600); err != nil {
		t.Fatal(err)
	}
	catalog, err := regions.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	if plan, err := topology.New(catalog, 0, 2); err != nil || fmt.Sprint(catalog.Names()) != "[eu-west-1]" || len(plan.Regions) != 1 {
		t.Errorf("%v, %v", catalog.Names(), err)
	}
}

func TestAnOverloadThatIsNone(t *testing.T) {
	t.Parallel()
	for _, cfg := range []Config{{Times: 1, Duration: time.Minute}, {Times: 10, Duration: time.Second}} {
		if _, err := run(t.Context(), cfg, nil, io.Discard); err == nil {
			t.Errorf("%+v is accepted", cfg)
		}
	}
}
