package failovermatrix

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/meridian-commerce/meridian/internal/sim/cluster"
	"github.com/meridian-commerce/meridian/internal/sim/load/shoptest"
	"github.com/meridian-commerce/meridian/internal/sim/scenario"
	"github.com/meridian-commerce/meridian/internal/sim/scenario/scenariotest"
	"github.com/meridian-commerce/meridian/regions"
)

const eu = regions.Name("eu-west-1")

// A bug is what a fake does wrong while the region is lost.
type bug string

const (
	noBug         bug = ""
	editsTwice    bug = "/SetItem"    // a cart edit arrives twice
	ordersTwice   bug = "/PlaceOrder" // so does an order, and its key is ignored
	signsUpTwice  bug = "/SignUp"     // so does a sign-up, and the caller is told of the second
	forgetsOrders bug = "forgets orders"
	toothless     bug = "toothless" // faults reach nothing
)

// fake is a simulation in which, while eu is lost, what prefers it takes a while, its rows take longer, and its entry is
// withdrawn after a while.
type fake struct {
	*scenariotest.Fake
	bug bug

	mu     sync.Mutex
	lostAt time.Time // zero: eu lives
	forgot int       // edges that were started anew
}

const fakeRoute, fakeEntry, fakeLeases = 600 * time.Millisecond, 1500 * time.Millisecond, 4 * time.Second

func newFake(b bug) *fake {
	shopBug := map[bug]shoptest.Bug{ordersTwice: shoptest.IgnoresKeys, forgetsOrders: shoptest.ForgetsOrders}[b]
	return &fake{Fake: scenariotest.New(shopBug), bug: b}
}

func (f *fake) World(*scenario.Run) scenario.World {
	w := f.Fake.World(f)
	w.Net = network{w.Net, f}
	return w
}

// scenario is the drill, which counts in the shop what it would count in the database.
func (f *fake) scenario() scenario.Scenario {
	d := &drill{
		open: func(d *drill, _ *scenario.Run) error { d.door = f; return nil },
		effects: func(_ context.Context, _ *scenario.Run, l *ledger) (effects, error) {
			k := kept{orders: map[string][]string{}, carts: f.Shop.CartVersions(), names: f.Shop.Names()}
			acknowledged := l.acknowledged()
			for _, o := range f.Shop.Facts().Orders {
				k.orders[o.Key] = append(k.orders[o.Key], o.ID)
			}
			return l.judge(k, acknowledged), nil
		},
	}
	return d.scenario()
}

// Kill implements scenario.Cluster.
func (f *fake) Kill(_ context.Context, target string) (cluster.FaultReport, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	if strings.HasSuffix(target, "/edge") {
		f.forgot++
	}
	report := cluster.FaultReport{Target: target, At: now, Processes: []string{target}}
	if target == string(eu) && f.bug != toothless {
		f.lostAt = now
		report.LeasesMoveAt = now.Add(fakeLeases)
		f.Withdraw(eu, now.Add(fakeEntry))
	}
	return report, nil
}

// Break implements scenario.Cluster: every fault of the region is its loss, and one of a part is none.
func (f *fake) Break(ctx context.Context, fault cluster.Fault) (cluster.FaultReport, error) {
	return f.Kill(ctx, fault.Target)
}

// Heal implements scenario.Cluster.
func (f *fake) Heal(context.Context, string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lostAt = time.Time{}
	return nil
}

// Lose implements entrance.
func (f *fake) Lose() error { return nil }

// Restore implements entrance.
func (f *fake) Restore() error { return nil }

// network is the way of callers to the fake.
type network struct {
	scenario.Network
	f *fake
}

// Caller implements scenario.Network.
func (n network) Caller(city string, address netip.Addr) (http.RoundTripper, error) {
	shop, err := n.Network.Caller(city, address)
	return from{n.f, shop, n.Nearest(city)}, err
}

// from is callers near a region's edge.
type from struct {
	*fake
	shop  http.RoundTripper
	entry regions.Name
}

// RoundTrip implements http.RoundTripper.
func (f from) RoundTrip(r *http.Request) (*http.Response, error) {
	time.Sleep(5 * time.Millisecond)
	f.mu.Lock()
	at := f.lostAt
	f.mu.Unlock()
	lost := !at.IsZero()
	prefers := r.Header.Get(headerPrefer) != ""
	switch {
	case !lost:
	case f.Shop.Home(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")) == eu:
		time.Sleep(time.Until(at.Add(fakeLeases)))
	case prefers:
		time.Sleep(time.Until(at.Add(fakeRoute)))
	}
	if lost && f.entry == eu && time.Since(at) < fakeEntry {
		return nil, errors.New("connection reset")
	}
	res, err := f.send(r, lost)
	if err == nil && prefers && !lost {
		res.Header.Set("Meridian-Served-Region", string(eu))
	}
	return res, err
}

// send hands a request to the shop, twice if that is the bug.
func (f from) send(r *http.Request, lost bool) (*http.Response, error) {
	if !lost || !strings.HasSuffix(r.URL.Path, string(f.bug)) || f.bug == noBug {
		return f.shop.RoundTrip(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	again := r.Clone(r.Context())
	again.Body = io.NopCloser(bytes.NewReader(body))
	r.Body = io.NopCloser(bytes.NewReader(body))
	first, err := f.shop.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	_ = first.Body.Close() // the caller hears of the second
	return f.shop.RoundTrip(again)
}
