package discovery

import (
	"cmp"
	"log/slog"
	"net/netip"
	"slices"
	"time"
)

// SlowStart is how long an instance or a region that came back takes to get its full share.
const SlowStart = 10 * time.Second

const (
	tolerated   = 5               // requests in a row that may come to nothing before an instance is ejected
	witnesses   = 3               // addresses at least that they came from: no caller ejects an instance alone
	forgetAfter = 5 * time.Minute // without an ejection: the next one is as the first
)

// Recovery says how what failed comes back.
type Recovery struct {
	Eject     time.Duration // how long the first ejection in a row lasts; the nth lasts n times as long
	MaxEject  time.Duration // at most
	SlowStart time.Duration // until a region that came back has its full share
}

func (r Recovery) orDefault() Recovery {
	return cmp.Or(r, Recovery{Eject: 5 * time.Second, MaxEject: 5 * time.Minute, SlowStart: SlowStart})
}

// ejection is whether an instance or a region is left alone, and how often in a row it was. View.mu guards it.
type ejection struct {
	on    bool
	count int
	until time.Time
}

// begin starts an ejection and returns how long it lasts.
func (e *ejection) begin(now time.Time, r Recovery) time.Duration {
	// An instance that did well for long is not held to its past.
	if now.Sub(e.until) > forgetAfter {
		e.count = 0
	}
	e.count++
	lasts := min(time.Duration(e.count)*r.Eject, r.MaxEject)
	e.on = true
	e.until = now.Add(lasts)
	return lasts
}

// standing is a region's, with what it rests on. View.mu guards it.
type standing struct {
	Standing
	lived bool // it had a healthy instance
	past  ejection
}

// serving reports whether an instance is healthy and not ejected.
func (t *tracked) serving() bool { return t.check.healthy && !t.ejection.on }

// Report takes in what came of a request that reached an instance, or was to reach it: whether it was answered
// by a stack, rather than by a gateway's error, a reset or a time-out. Failures in a row eject the instance for
// a while, but never more than half of a region's; when all that are left fail too, the region. from is the address
// (of IPv6, its network) of whose request it was, and the zero Addr for what no caller can bring about, such as a
// connection that is refused: requests of one address alone eject nothing, whatever they come to. Endpoints that
// are not in the view are ignored. It takes no lock unless something failed.
func (v *View) Report(e *Endpoint, ok bool, from netip.Addr) {
	if ok {
		// Read before it is written, so that the usual case, a success after a success, writes nothing shared.
		if e.failures.Load() != 0 {
			e.failures.Store(0)
		}
		if v.ejected.Load() > 0 {
			v.proved(e)
		}
		return
	}
	e.fail(from)
	if tooMany, _ := e.failing(); tooMany || v.ejected.Load() > 0 {
		v.failed(e)
	}
}

// fail counts one more failure in a row.
func (e *Endpoint) fail(from netip.Addr) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.failures.Add(1) == 1 {
		e.seen = e.seen[:0] // a success was in between
	}
	if len(e.seen) < witnesses && !slices.Contains(e.seen, from) {
		e.seen = append(e.seen, from)
	}
}

// failing reports whether there were too many failures in a row, and whether there were such as no caller can bring about
// alone, without which there are never too many.
func (e *Endpoint) failing() (tooMany, confirmed bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	confirmed = len(e.seen) >= witnesses || slices.Contains(e.seen, netip.Addr{})
	return confirmed && e.failures.Load() >= tolerated, confirmed
}

// find returns what is tracked of an endpoint. The caller holds mu.
func (v *View) find(e *Endpoint) (*regionState, *tracked) {
	s, ok := v.states[e.Region]
	if !ok {
		return nil, nil
	}
	// The same id at another address is another instance, and this report is not about it.
	if t := s.instances[e.ID]; t != nil && t.endpoint == e {
		return s, t
	}
	return nil, nil
}

// proved readmits an ejected region when a request succeeded there in a trial.
func (v *View) proved(e *Endpoint) {
	v.mu.Lock()
	defer v.mu.Unlock()
	s, _ := v.find(e)
	now := time.Now()
	if s == nil || !s.standing.Trial(now) {
		return
	}
	s.standing.Ejected = false
	s.standing.Since = now
	s.standing.slowStart = v.recovery.SlowStart
	v.log.Info("region is readmitted", slog.String("region", string(s.name)))
	v.publish()
}

// failed ejects an instance that failed too often, or its region when the region is on trial or fails as a whole.
func (v *View) failed(e *Endpoint) {
	v.mu.Lock()
	defer v.mu.Unlock()
	s, t := v.find(e)
	if s == nil {
		return
	}
	now := time.Now()
	tooMany, confirmed := e.failing()
	switch {
	case s.standing.Ejected:
		// While the region is ejected, only a trial's failure says something new; and one caller's trials, as all that one
		// caller does, nothing.
		if s.standing.Trial(now) && confirmed {
			v.ejectRegion(s, now, "a request failed there again")
			v.publish()
		}
	case !tooMany || t.ejection.on:
	case v.mayEject(s):
		v.ejectInstance(t, now)
		v.publish()
	case s.failsAsAWhole() && v.livesBeside(s):
		v.ejectRegion(s, now, "requests fail on all of its instances")
		v.publish()
	}
}

// mayEject reports whether one more instance may be ejected: never more than half.
func (v *View) mayEject(s *regionState) bool {
	ejected := s.count(func(t *tracked) bool { return t.ejection.on })
	return 2*(ejected+1) <= len(s.instances)
}

// failsAsAWhole reports whether every serving instance has failed too often.
func (s *regionState) failsAsAWhole() bool {
	return s.count(func(t *tracked) bool {
		tooMany, _ := t.endpoint.failing()
		return t.serving() && !tooMany
	}) == 0
}

// livesBeside reports whether another region is in service and has an instance that serves.
func (v *View) livesBeside(s *regionState) bool {
	for _, other := range v.states {
		if other != s && !other.standing.Ejected && other.count((*tracked).serving) > 0 {
			return true
		}
	}
	return false
}

// ejectInstance leaves an instance alone for a while. The caller holds mu and publishes.
func (v *View) ejectInstance(t *tracked, now time.Time) {
	lasts := t.ejection.begin(now, v.recovery)
	e := t.endpoint
	e.failures.Store(0)
	v.log.Warn("instance is ejected", slog.String("instance", e.ID), slog.String("region", string(e.Region)), slog.Duration("for", lasts))
	time.AfterFunc(lasts, func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		// The instance may have left, or been replaced, in the meantime.
		if _, now := v.find(e); now != t {
			return
		}
		t.ejection.on = false
		t.since = time.Now()
		v.log.Info("instance is no longer ejected", slog.String("instance", e.ID), slog.String("region", string(e.Region)))
		v.publish()
	})
}

// ejectRegion takes a region out of service until it proved itself. The caller holds mu and publishes.
func (v *View) ejectRegion(s *regionState, now time.Time, why string) {
	lasts := s.standing.past.begin(now, v.recovery)
	s.standing.Ejected = true
	s.standing.Until = s.standing.past.until
	for _, t := range s.instances {
		t.endpoint.failures.Store(0)
	}
	v.log.Warn("region is ejected", slog.String("region", string(s.name)), slog.Duration("for", lasts), slog.String("why", why))
}

// noticeLosses ejects regions that have lost their last serving instance, so that one which comes and goes does
// not take its callers with it each time. When no region in service is left, it is more likely that this process
// sees nothing than that all are lost: then none is ejected. The caller holds mu.
func (v *View) noticeLosses(list []Region, now time.Time) {
	inService := 0
	for _, r := range list {
		s := v.states[r.Name]
		lives := len(r.Healthy) > 0
		if s.standing.lived && !lives {
			v.ejectRegion(s, now, "it has no healthy instance")
		}
		s.standing.lived = lives
		if lives && !s.standing.Ejected {
			inService++
		}
	}
	for _, r := range list {
		// Serving from a region that may be lost is better than serving from none.
		if inService == 0 {
			v.states[r.Name].standing.Ejected = false
		}
	}
}
