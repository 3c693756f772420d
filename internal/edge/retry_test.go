package edge

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/meridian-commerce/meridian/internal/discovery"
	"github.com/meridian-commerce/meridian/internal/nettest"
	"github.com/meridian-commerce/meridian/regions"
)

const appError = `{"code":"unavailable","message":"leases are moving"}`

// TestRetries has two instances at home that fail alike, and one in the next region that works. What counts is
// how often each side is asked, and what the caller learns.
func TestRetries(t *testing.T) {
	t.Parallel()
	status := func(code int) http.HandlerFunc { return answers(code, "text/plain", "no") }
	refused := answers(http.StatusServiceUnavailable, "application/json", appError)
	key := []string{"Idempotency-Key", "k1"}
	for name, tc := range map[string]struct {
		home     http.HandlerFunc
		path     string
		headers  []string
		wantHome int32 // calls to both instances at home
		wantAway int32 // calls to the next region
		want     string
	}{
		"reset, read":               {reset, product, nil, 2, 0, "502 UPSTREAM_FAILED"},
		"reset, idempotent":         {reset, setItem, nil, 2, 0, "502 OUTCOME_UNKNOWN"},
		"reset, with a key":         {reset, place, key, 2, 0, "502 OUTCOME_UNKNOWN"},
		"reset, without a key":      {reset, place, nil, 1, 0, "502 UPSTREAM_FAILED"},
		"reset, with two keys":      {reset, place, append([]string{"Idempotency-Key", "k2"}, key...), 1, 0, "502 UPSTREAM_FAILED"},
		"reset, with a bad key":     {reset, place, []string{"Idempotency-Key", "a b"}, 1, 0, "502 UPSTREAM_FAILED"},
		"reset, key made hop":       {reset, place, append([]string{"Connection", "Idempotency-Key"}, key...), 1, 0, "502 UPSTREAM_FAILED"},
		"502, read":                 {status(502), product, nil, 2, 0, "502 no"},
		"503 of a proxy, read":      {status(503), product, nil, 2, 0, "503 no"},
		"504, with a key":           {status(504), place, key, 2, 0, "502 OUTCOME_UNKNOWN"},
		"504, without a key":        {status(504), place, nil, 1, 0, "504 no"},
		"500 is an answer":          {status(500), product, nil, 1, 0, "500 no"},
		"429 is an answer":          {status(429), product, nil, 1, 0, "429 no"},
		"409 is an answer":          {status(409), place, key, 1, 0, "409 no"},
		"app's 503, with a key":     {refused, place, key, 2, 0, "503 leases are moving"},
		"app's 503, without a key":  {refused, place, nil, 1, 0, "503 leases are moving"},
		"app's 503, read":           {refused, product, nil, 2, 0, "503 leases are moving"},
		"GET of an RPC":             {reset, product + "?encoding=json&message=%7B%7D", nil, 2, 0, "502 UPSTREAM_FAILED"},
		"POST of a path that is no": {reset, "/v1/things", nil, 1, 0, "502 UPSTREAM_FAILED"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			a, b, away := s.add(t, eu, "eu/0", tc.home), s.add(t, eu, "eu/1", tc.home), s.add(t, us, "us/0", echo)
			got := s.send(t, http.MethodPost, tc.path, "{}", tc.headers...)
			if home, n := a.calls.Load()+b.calls.Load(), away.calls.Load(); home != tc.wantHome || n != tc.wantAway {
				t.Errorf("home was asked %d times, want %d; the next region %d times, want %d", home, tc.wantHome, n, tc.wantAway)
			}
			if status, text, _ := strings.Cut(tc.want, " "); fmt.Sprint(got.status) != status || !strings.Contains(got.body, text) {
				t.Errorf("got %d %s, want %s", got.status, got.body, tc.want)
			}
			if a.InFlight()+b.InFlight()+away.InFlight() != 0 {
				t.Error("an instance still counts a request under way")
			}
		})
	}
}

// TestRetrySucceeds has one instance that fails and one more, at home or away, that works.
func TestRetrySucceeds(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		first http.HandlerFunc
		other regions.Name
		want  string
	}{
		"reset, another instance":     {reset, eu, "200 home"},
		"reset, another region":       {reset, us, "200 failover"},
		"502, another region":         {answers(502, "text/html", "<p>"), us, "200 failover"},
		"app's 503, another instance": {answers(503, "application/json", appError), eu, "200 home"},
		"app's 503, another region":   {answers(503, "application/json", appError), us, "503 home"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			first := s.add(t, eu, "eu/0", tc.first)
			var bodies []string
			s.add(t, tc.other, "other", func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				bodies = append(bodies, string(body))
				w.Header().Set("Key", r.Header.Get("Idempotency-Key"))
			})
			s.stacks[1].Acquire() // so that the first instance is asked first
			body := strings.Repeat("body", 50_000)
			got := s.send(t, http.MethodPost, place, body, "Idempotency-Key", "k1")
			if line := fmt.Sprintf("%d %s", got.status, got.Get("Meridian-Route")); line != tc.want {
				t.Errorf("got %s, want %s", line, tc.want)
			}
			if got.status == http.StatusOK && (len(bodies) != 1 || bodies[0] != body || got.Get("Key") != "k1") {
				t.Error("the request was not repeated as it was")
			}
			if n := first.calls.Load(); n != 1 {
				t.Errorf("the first instance was asked %d times", n)
			}
		})
	}
}

// TestOnlySuccessIsDefiniteAfterDoubt: the first attempt may have been done, so the second one's refusal is
// not the caller's answer.
func TestOnlySuccessIsDefiniteAfterDoubt(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]int{200: 200, 201: 201, 409: 502, 401: 502, 503: 502, 500: 502} {
		s := newSite(t)
		s.add(t, eu, "eu/0", reset)
		s.add(t, us, "us/0", answers(status, "application/json", appError))
		if got := s.send(t, http.MethodPost, place, "{}", "Idempotency-Key", "k"); got.status != want {
			t.Errorf("reset, then %d: got %d, want %d", status, got.status, want)
		}
		if got := s.send(t, http.MethodPost, product, "{}"); got.status != status {
			t.Errorf("a read: reset, then %d: got %d", status, got.status)
		}
	}
}

func TestRefusedConnections(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for i := range 2 {
		s.add(t, eu, fmt.Sprintf("eu/%d", i), echo).kill()
	}
	s.add(t, us, "us/0", echo)
	got := s.send(t, http.MethodPost, place, "{}") // no key: but nothing was sent
	if got.status != http.StatusOK || got.Get("Stack") != "us/0" || got.Get("Meridian-Route") != "failover" {
		t.Errorf("got %d %v", got.status, got.Header)
	}
	slices.Sort(s.reported)
	if diff := cmp.Diff([]string{"eu/0", "eu/1"}, s.reported); diff != "" {
		t.Errorf("reported failures: %s", diff)
	}
	if n := s.edge.budget.retries.Load(); n != 0 {
		t.Errorf("%d retries are still claimed", n)
	}
}

func TestLongBodies(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxReplay+1)
	s := newSite(t)
	first := s.add(t, eu, "eu/0", reset)
	s.add(t, us, "us/0", echo)
	if got := s.send(t, http.MethodPost, setItem, long); got.status != http.StatusBadGateway || first.calls.Load() != 1 {
		t.Errorf("a body that cannot be repeated: %d after %d calls", got.status, first.calls.Load())
	}
	first.kill()
	if got := s.send(t, http.MethodPost, setItem, long); got.status != http.StatusOK || got.body != long {
		t.Errorf("a long body of which nothing was sent: %d", got.status)
	}
	chunked := struct{ io.Reader }{strings.NewReader(long)}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+setItem, chunked)
	if err != nil {
		t.Fatal(err)
	}
	res, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if body, err := io.ReadAll(res.Body); err != nil || string(body) != long {
		t.Errorf("a long body of unknown length: %d bytes, %v", len(body), err)
	}
}

func TestNothingHealthy(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.add(t, eu, "eu/0", echo).kill()
	s.add(t, us, "us/0", echo).kill()
	s.lose("eu/0")
	got := s.send(t, http.MethodPost, place, "{}", "Meridian-Region", "eu-west-1")
	if got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, "PINNED_REGION_UNHEALTHY") || got.Get("Retry-After") != "1" {
		t.Errorf("hard pin: got %d %s", got.status, got.body)
	}
	s.lose("us/0")
	got = s.send(t, http.MethodPost, place, "{}")
	if got.status != http.StatusServiceUnavailable || got.Get("Retry-After") == "" || got.Get("Content-Type") != "application/json" ||
		got.Get("Meridian-Edge-Region") != string(eu) || got.Get("Meridian-Served-Region") != "" {
		t.Errorf("got %d %v", got.status, got.Header)
	}
	if !strings.Contains(got.body, `"code":"unavailable"`) || !strings.Contains(got.body, `"reason":"NO_HEALTHY_REGION"`) {
		t.Errorf("got %s", got.body)
	}
}

// TestTimeout: an instance that answers nothing is given up when its time is over, not earlier, and another one is asked.
func TestTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSiteOn(t, nettest.NewMemory())
		s.edge.timeout = headerTimeout
		first := s.add(t, eu, "eu/0", hang(t))
		began := time.Now()
		got := s.send(t, http.MethodPost, product, "{}")
		if took := time.Since(began); got.status != http.StatusGatewayTimeout || !strings.Contains(got.body, "UPSTREAM_TIMEOUT") || took != headerTimeout {
			t.Errorf("got %d %s after %v", got.status, got.body, took)
		}
		s.add(t, us, "us/0", echo)
		began = time.Now()
		got = s.send(t, http.MethodPost, product, "{}")
		if took := time.Since(began); got.status != http.StatusOK || got.Get("Stack") != "us/0" || took < headerTimeout || took > headerTimeout+retryPause {
			t.Errorf("got %d from %s after %v", got.status, got.Get("Stack"), took)
		}
		if n := first.calls.Load(); n != 2 {
			t.Errorf("the hanging instance was asked %d times", n)
		}
	})
}

// TestInstanceGoesDown: requests that wait for an instance which stops answering probes are tried elsewhere at
// once if that is harmless, and not on an instance that is silent too.
func TestInstanceGoesDown(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.edge.timeout = time.Minute
	silent := hang(t)
	first, second := s.add(t, eu, "eu/0", silent), s.add(t, eu, "eu/1", silent)
	second.Endpoint = discovery.NewEndpoint(second.ID, second.Addr, eu, "all", 0) // it never answered a probe
	second.Acquire()                                                              // so that the first is asked first
	s.add(t, us, "us/0", echo)
	var wait sync.WaitGroup
	wait.Go(func() {
		if got := s.send(t, http.MethodPost, place, "{}", "Idempotency-Key", "k"); got.status != http.StatusOK || got.Get("Stack") != "us/0" {
			t.Errorf("got %d from %s: %s", got.status, got.Get("Stack"), got.body)
		}
	})
	eventually(t, "the request waits", func() bool { return first.calls.Load() == 1 })
	first.down()
	wait.Wait()
	if n := second.calls.Load(); n != 0 {
		t.Errorf("the other silent instance was asked %d times", n)
	}
}

func TestInstanceGoesDownUnderAPost(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	release := make(chan struct{})
	first := s.add(t, eu, "eu/0", func(w http.ResponseWriter, _ *http.Request) {
		<-release
		_, _ = io.WriteString(w, "late")
	})
	other := s.add(t, us, "us/0", echo)
	var wait sync.WaitGroup
	wait.Go(func() {
		if got := s.send(t, http.MethodPost, place, "{}"); got.body != "late" {
			t.Errorf("got %d %s", got.status, got.body)
		}
	})
	eventually(t, "the request waits", func() bool { return first.calls.Load() == 1 })
	first.down()
	close(release)
	wait.Wait()
	if n := other.calls.Load(); n != 0 {
		t.Errorf("a request that may not be repeated was sent %d times more", n)
	}
}

func TestBudgetBoundsRetries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSiteOn(t, nettest.NewMemory())
		fail := answers(http.StatusBadGateway, "text/plain", "no")
		first := s.add(t, eu, "eu/0", func(w http.ResponseWriter, r *http.Request) { fail(w, r) })
		for range budgetLeast {
			if !s.edge.reads.take() {
				t.Fatal("the least budget is not there")
			}
		}
		other := s.add(t, us, "us/0", echo)
		if got := s.send(t, http.MethodPost, product, "{}"); got.status != http.StatusBadGateway || first.calls.Load() != 1 || other.calls.Load() != 0 {
			t.Errorf("over budget: got %d after %d and %d calls", got.status, first.calls.Load(), other.calls.Load())
		}
		fail = reset
		var wait sync.WaitGroup
		wait.Go(func() {
			if got := s.send(t, http.MethodPost, product, "{}"); got.status != http.StatusOK {
				t.Errorf("over budget for a while: got %d", got.status)
			}
		})
		eventually(t, "the first attempt breaks", func() bool { return first.calls.Load() == 2 })
		s.edge.reads.give()
		wait.Wait()
	})
}

// What waits for a lost region's leases holds its own retries, not those of reads that any region answers.
func TestBudgetsAreApart(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.add(t, eu, "eu/0", reset)
	s.add(t, us, "us/0", echo)
	for s.edge.budget.take() {
		continue
	}
	if got := s.send(t, http.MethodPost, product, "{}"); got.status != http.StatusOK {
		t.Errorf("a GLOBAL read behind an exhausted budget of others: %d %s", got.status, got.body)
	}
}

func TestBudgetProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var b budget
		live, retries := 0, 0
		for _, step := range rapid.SliceOf(rapid.SampledFrom([]string{"enter", "enter", "enter", "leave", "take", "take", "give"})).Draw(t, "steps") {
			switch {
			case step == "enter":
				b.enter()
				live++
			case step == "leave" && live > 0:
				b.leave()
				live--
			case step == "give" && retries > 0:
				b.give()
				retries--
			case step == "take":
				allowed := retries < max(budgetLeast, live/budgetShare)
				if b.take() != allowed {
					t.Fatalf("%d live, %d retries: allowed should be %v", live, retries, allowed)
				}
				if allowed {
					retries++
				}
			}
		}
	})
}

func TestPick(t *testing.T) {
	t.Parallel()
	var members []discovery.Member
	for i := range 3 {
		members = append(members, discovery.Member{Endpoint: discovery.NewEndpoint(fmt.Sprint(i), "", eu, "", 0)})
	}
	members[0].Acquire()
	seen := map[string]int{}
	for range 200 {
		m, ok := pick(members, nil, nil)
		if !ok {
			t.Fatal("nothing was picked")
		}
		seen[m.ID]++
	}
	if seen["0"] != 0 || seen["1"] == 0 || seen["2"] == 0 {
		t.Errorf("picks by load: %v", seen)
	}
	if m, ok := pick(members, []*discovery.Endpoint{members[1].Endpoint, members[2].Endpoint}, nil); !ok || m.ID != "0" {
		t.Error("what was not tried is not picked")
	}
	if _, ok := pick(members, nil, discovery.Member.Fresh); ok {
		t.Error("an instance that never answered counts as fresh")
	}
	if _, ok := pick(nil, nil, nil); ok {
		t.Error("picked of nothing")
	}
}

// TestBrokenConnectionsAreNotRetriedBySomeoneElse keeps connections alive first: an HTTP client likes to
// repeat what breaks on a kept-alive connection by itself.
func TestBrokenConnectionsAreNotRetriedBySomeoneElse(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		method, path, body string
		headers            []string
		want               int32
	}{
		"GET":                    {http.MethodGet, product, "", nil, 2},
		"empty POST with a key":  {http.MethodPost, place, "", []string{"Idempotency-Key", "k"}, 2},
		"POST with a key":        {http.MethodPost, place, "{}", []string{"Idempotency-Key", "k"}, 2},
		"POST without a key":     {http.MethodPost, place, "{}", nil, 1},
		"empty POST without":     {http.MethodPost, place, "", nil, 1},
		"POST of a read":         {http.MethodPost, product, "{}", nil, 2},
		"HEAD of what is no RPC": {http.MethodHead, "/", "", nil, 2},
		"OPTIONS of no RPC":      {http.MethodOptions, "/", "", nil, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			var broken sync.Map
			var calls [2]*stack
			for i := range calls {
				calls[i] = s.add(t, eu, fmt.Sprintf("eu/%d", i), func(w http.ResponseWriter, r *http.Request) {
					if _, ok := broken.Load("yes"); ok {
						reset(w, r)
					}
					time.Sleep(10 * time.Millisecond) // so that each instance has several connections
				})
			}
			var warm sync.WaitGroup
			for range 12 {
				warm.Go(func() { s.send(t, http.MethodGet, product, "") })
			}
			warm.Wait()
			broken.Store("yes", true)
			before := calls[0].calls.Load() + calls[1].calls.Load()
			s.send(t, tc.method, tc.path, tc.body, tc.headers...)
			if n := calls[0].calls.Load() + calls[1].calls.Load() - before; n != tc.want {
				t.Errorf("the request reached stacks %d times, want %d", n, tc.want)
			}
			eventually(t, "the budget is given back", func() bool { return s.edge.budget.retries.Load() == 0 && s.edge.budget.live.Load() == 0 })
		})
	}
}
