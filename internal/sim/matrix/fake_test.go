package matrix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/meridian-commerce/meridian/internal/sim/cluster"
	"github.com/meridian-commerce/meridian/internal/sim/internet"
	"github.com/meridian-commerce/meridian/regions"
)

const us, eu, ap = regions.Name("us-east-1"), regions.Name("eu-west-1"), regions.Name("ap-southeast-1")

// bug is what a fake does wrong.
type bug int

const (
	noBug         bug = iota
	editsTwice        // a cart edit while the region is lost is done twice
	ordersTwice       // so is an order
	signsUpTwice      // so is a sign-up, and the caller is told of the second
	forgetsOrders     // an order is acknowledged and not kept
	toothless         // faults reach nothing
)

// fake is a shop of three regions, a simulation and an internet in one. While eu is lost, what prefers it takes
// a while, its rows take longer, and its entry is withdrawn after a while.
type fake struct {
	bug bug

	mu      sync.Mutex
	lostAt  time.Time // zero: eu lives
	changes []internet.Change
	keeps   kept
	tokens  int
	forgot  int // edges that were started anew
}

const (
	fakeRoute, fakeEntry, fakeLeases = 600 * time.Millisecond, 1500 * time.Millisecond, 4 * time.Second
	// places of the callers, by region
	inUS, inEU, inAP = "New York", "Dublin", "Singapore"
)

func newFake(b bug) *fake {
	return &fake{bug: b, keeps: kept{orders: map[string][]string{}, carts: map[string]int64{}, names: map[string]int{}}}
}

func (f *fake) world() world {
	return world{
		catalog: regions.Default(), sim: f, net: f, cities: internet.Cities(), doors: map[regions.Name]entrance{eu: f},
		effects: func(_ context.Context, l *ledger) (effects, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			return l.judge(f.keeps, l.acknowledged()), nil
		},
	}
}

// Kill implements Simulation.
func (f *fake) Kill(_ context.Context, target string) (cluster.FaultReport, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	if strings.HasSuffix(target, "/edge") {
		f.forgot++
	}
	report := cluster.FaultReport{Target: target, At: now, Processes: []string{target}}
	if target != string(eu) || f.bug == toothless {
		return report, nil
	}
	f.lostAt, report.LeasesMoveAt = now, now.Add(fakeLeases)
	f.changes = append(f.changes, internet.Change{At: now.Add(fakeEntry), Region: eu})
	return report, nil
}

// Break implements Simulation: every fault of the region is its loss, and one of a part is none.
func (f *fake) Break(ctx context.Context, fault cluster.Fault) (cluster.FaultReport, error) {
	return f.Kill(ctx, fault.Target)
}

// Heal implements Simulation.
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

// Changes implements Network.
func (f *fake) Changes() []internet.Change {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changes
}

// Nearest implements Access.
func (f *fake) Nearest(city string) regions.Name {
	return map[string]regions.Name{inUS: us, inEU: eu, inAP: ap}[city]
}

// RTT implements Access.
func (f *fake) RTT(string, regions.Name) time.Duration { return time.Millisecond }

// Caller implements Access.
func (f *fake) Caller(city string, _ netip.Addr) (http.RoundTripper, error) {
	return from{f, f.Nearest(city)}, nil
}

// from is callers near a region's edge.
type from struct {
	*fake
	entry regions.Name
}

// RoundTrip implements http.RoundTripper.
func (f from) RoundTrip(r *http.Request) (*http.Response, error) {
	lost := f.wait(r)
	if lost && f.entry == eu && f.since() < fakeEntry {
		return nil, errors.New("connection reset")
	}
	text := []byte(r.URL.Query().Get("message"))
	if r.Method == http.MethodPost {
		text, _ = io.ReadAll(r.Body)
	}
	status, body := f.serve(r, text, lost)
	served := f.entry
	if r.Header.Get(headerPrefer) != "" && !lost {
		served = eu
	}
	return &http.Response{
		StatusCode: status, Status: fmt.Sprint(status), Header: http.Header{"Meridian-Edge-Region": {string(f.entry)}, "Meridian-Served-Region": {string(served)}},
		Body: io.NopCloser(strings.NewReader(body)),
	}, nil
}

func (f *fake) since() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return time.Since(f.lostAt)
}

// wait takes the time that a request takes, and says whether eu is lost to it.
func (f from) wait(r *http.Request) bool {
	time.Sleep(5 * time.Millisecond)
	f.mu.Lock()
	at := f.lostAt
	f.mu.Unlock()
	switch {
	case at.IsZero():
		return false
	case strings.HasPrefix(r.Header.Get("Authorization"), "Bearer eu"):
		time.Sleep(time.Until(at.Add(fakeLeases)))
	case r.Header.Get(headerPrefer) != "":
		time.Sleep(time.Until(at.Add(fakeRoute)))
	}
	return true
}

func (f from) serve(r *http.Request, text []byte, lost bool) (status int, body string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	user := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch r.URL.Path {
	case listProducts:
		return 200, `{"products": [{"handle": "mug", "variants": [{"sku": "M", "prices": [{"currency": "EUR"}, {"currency": "USD"}]}]}]}`
	case signUp:
		return f.signUp(text, lost)
	case getCart, setItem:
		if f.keeps.carts[user]++; r.URL.Path == getCart {
			f.keeps.carts[user]--
		} else if lost && f.bug == editsTwice {
			f.keeps.carts[user] += 100
		}
		return 200, fmt.Sprintf(`{"cart": {"etag": "v%d"}}`, f.keeps.carts[user])
	case placeOrder:
		key, id := r.Header.Get("Idempotency-Key"), fmt.Sprintf("order %d", len(f.keeps.orders))
		if !lost || f.bug != forgetsOrders {
			f.keeps.orders[key] = append(f.keeps.orders[key], id)
		}
		if lost && f.bug == ordersTwice {
			f.keeps.orders[key] = append(f.keeps.orders[key], id+" again")
		}
		return 200, fmt.Sprintf(`{"order": {"id": %q}}`, id)
	}
	return 200, "{}"
}

// signUp opens an account, whose id is its token.
func (f from) signUp(text []byte, lost bool) (status int, body string) {
	var said struct{ DisplayName string }
	if err := json.Unmarshal(text, &said); err != nil {
		return 400, err.Error()
	}
	f.keeps.names[said.DisplayName]++
	if lost && f.bug == signsUpTwice {
		return 409, `{"code": "already_exists"}`
	}
	f.tokens++
	id := fmt.Sprintf("%s-%d", f.entry[:2], f.tokens)
	return 200, fmt.Sprintf(`{"accessToken": %q, "account": {"id": %q, "homeRegion": %q}}`, id, id, f.entry)
}
