package keyrotation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/meridian-commerce/meridian/internal/account/token"
	"github.com/meridian-commerce/meridian/internal/account/token/rotation"
	"github.com/meridian-commerce/meridian/internal/sim/scenario"
	"github.com/meridian-commerce/meridian/internal/sim/scenario/scenariotest"
	"github.com/meridian-commerce/meridian/regions"
)

// fake is a simulation whose regions have keys. One where a key is not known that has living tokens refuses all callers.
type fake struct {
	*scenariotest.Fake
	life time.Duration

	mu      sync.Mutex
	own     token.KeySet // the operators'
	of      map[regions.Name]token.KeySet
	lives   map[string]time.Time
	ignores bool // kills: the command goes on
}

func newFake(t *testing.T) *fake {
	t.Helper()
	set, err := token.Generate(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{Fake: scenariotest.New(""), life: time.Minute, own: set, of: map[regions.Name]token.KeySet{}, lives: map[string]time.Time{}}
	for _, n := range regions.Default().Names() {
		f.of[n] = set
	}
	return f
}

// world is the fake as the drill sees it.
func (f *fake) world(*scenario.Run) scenario.World {
	w := f.World(f)
	w.Net = network{w.Net, f}
	return w
}

// network has edges that look at tokens.
type network struct {
	scenario.Network
	f *fake
}

// Caller implements scenario.Network.
func (n network) Caller(city string, address netip.Addr) (http.RoundTripper, error) {
	rt, err := n.Network.Caller(city, address)
	return &door{rt, n.f, n.Nearest(city)}, err
}

type door struct {
	http.RoundTripper
	f     *fake
	entry regions.Name
}

// RoundTrip implements http.RoundTripper.
func (d *door) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Header.Get("Authorization") == "" || d.f.takes(d.entry) {
		return d.RoundTripper.RoundTrip(r)
	}
	body := io.NopCloser(strings.NewReader(`{"code": "unauthenticated", "message": "no key has the kid"}`))
	return &http.Response{StatusCode: http.StatusUnauthorized, Header: http.Header{"Content-Type": {"application/json"}}, Body: body, Request: r}, nil
}

// takes reports whether a region has the key of every token that lives.
func (f *fake) takes(entry regions.Name) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	for _, set := range f.of {
		f.lives[set.Signer()] = now.Add(f.life)
	}
	for id, until := range f.lives {
		if known := f.of[entry].Keys(); now.Before(until) && !slices.ContainsFunc(known, func(k token.Key) bool { return k.ID == id }) {
			return false
		}
	}
	return true
}

// Keys implements scenario.Cluster.
func (f *fake) Keys() (token.KeySet, error) { f.mu.Lock(); defer f.mu.Unlock(); return f.own, nil }

// GiveKeys implements scenario.Cluster.
func (f *fake) GiveKeys(set token.KeySet, to ...regions.Name) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range to {
		f.of[n] = set
	}
	return nil
}

// RotateKeys implements scenario.Cluster: by what the command calls.
func (f *fake) RotateKeys(ctx context.Context, out io.Writer, _ ...string) error {
	if f.ignores {
		ctx = context.WithoutCancel(ctx)
	}
	names := regions.Default().Names()
	r, err := rotation.New(rotation.Config{
		Regions: names, Fleet: f, Load: f.Keys, Clock: time.Now, Cached: 2 * time.Second, Timeout: time.Minute, Poll: time.Second,
		Save: func(_, next token.KeySet) error { f.mu.Lock(); defer f.mu.Unlock(); f.own = next; return nil },
		Deliver: func(ctx context.Context) error {
			time.Sleep(time.Second)
			set, _ := f.Keys()
			return errors.Join(ctx.Err(), f.GiveKeys(set, names...))
		},
		Report: func(text string) { _, _ = fmt.Fprintf(out, "12:00:00 %s\n", text) },
	})
	if err != nil {
		return err
	}
	return r.Run(ctx)
}

// Processes implements rotation.Fleet.
func (f *fake) Processes(_ context.Context, region regions.Name) ([]rotation.Process, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := token.Standing{Signs: f.of[region].Signer(), Longest: f.life}
	for _, k := range f.of[region].Keys() {
		s.Verifies = append(s.Verifies, k.ID)
	}
	edge := token.Standing{Verifies: s.Verifies}
	return []rotation.Process{{Region: region, ID: "stack", Keys: &s}, {Region: region, ID: "edge", Edge: true, Keys: &edge}}, nil
}

// signer stands for the key of a token, which the shop's have none of.
func (f *fake) signer(string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.of["us-east-1"].Signer()
}

func TestDrill(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		plant   string
		change  func(f *fake, d *drill)
		violate string
	}{
		"good":                {},
		"sign before publish": {plant: SignFirst, violate: NoTokenRefused},
		"retire early":        {plant: RetireEarly, violate: NoTokenRefused},
		"nobody is a witness": {change: func(_ *fake, d *drill) { d.keyOf = func(string) string { return "another" } }, violate: NotVacuous},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			d := &drill{keyOf: f.signer}
			if tc.change != nil {
				tc.change(f, d)
			}
			r := scenariotest.Play(t, d.scenario(), f.world, "--rate=5", "--shoppers=40", "--plant="+tc.plant)
			got := r.Invariants()
			if tc.violate == "" && (r.Err != nil || len(got) > 0) || tc.violate != "" && !slices.Contains(got, tc.violate) {
				t.Errorf("%v; violations %v, want %q\n%s", r.Err, r.Violations, tc.violate, r.Printed)
			}
			if tc.violate != "" {
				return
			}
			var figures Figures
			r.Figures(t, &figures)
			if figures.Killed != 2 || len(figures.Shown) != 9 || figures.Requests < 1000 || figures.Failed > 0 || figures.Took < 75_000 {
				t.Errorf("%s", r.JSON)
			}
		})
	}
}

// TestACommandThatIsNotKilled: a run in which it goes on to its end proves nothing of beginning again.
func TestACommandThatIsNotKilled(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.ignores = true
	r := scenariotest.Play(t, (&drill{keyOf: f.signer}).scenario(), f.world, "--rate=5", "--shoppers=40")
	if r.Err == nil || errors.Is(r.Err, scenario.ErrFailed) {
		t.Errorf("it is taken for killed: %v", r.Err)
	}
}

func TestBadFlagsAreRefused(t *testing.T) {
	t.Parallel()
	for _, flags := range [][]string{{"--token-ttl=10s"}, {"--calm=0s"}, {"--plant=rose"}} {
		r := scenariotest.Play(t, Scenario(), nil, flags...)
		if r.Err == nil || errors.Is(r.Err, scenario.ErrFailed) {
			t.Errorf("%v is accepted: %v", flags, r.Err)
		}
	}
}

func TestKeyOf(t *testing.T) {
	t.Parallel()
	set, err := token.Generate(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := token.NewIssuer(set, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	text, _, err := issuer.Issue(token.Claims{Subject: "usr_eu1_a", Home: "eu-west-1", Currency: "EUR"}, time.Minute)
	if err != nil || keyOf(text) != set.Signer() {
		t.Errorf("%s, %v; want %s", keyOf(text), err, set.Signer())
	}
	for _, bad := range []string{"", "usr5", "!.x.y"} {
		if got := keyOf(bad); got != "" {
			t.Errorf("%q is of %q", bad, got)
		}
	}
}
