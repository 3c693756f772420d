package edge

import (
	"log/slog"
	"net/netip"
	"time"

	"github.com/meridian-commerce/meridian/internal/discovery"
	"github.com/meridian-commerce/meridian/internal/edge/decide"
	"github.com/meridian-commerce/meridian/regions"
)

const (
	maxTrials    = 3           // requests under way that try one ejected region
	trialTimeout = time.Second // for the headers of a trial's answer, because somebody waits for it
)

// decide decides for a request that came at a time, with what is known now.
func (e *Edge) decide(r *decide.Request, came time.Time) decide.Decision {
	view := e.regionView(r.Method.Module, came)
	return e.policy.Load().Decide(r, &view)
}

// regionView returns what a decision rests on: the instances that serve the request's module.
func (e *Edge) regionView(module string, now time.Time) (v decide.View) {
	list := e.view.Snapshot().For(module).Regions()
	for i := range min(len(list), len(v)) {
		r := &list[i]
		v[i] = decide.State{
			Healthy: len(r.Healthy), Total: len(r.Members),
			Drained: r.Control.Drained(now), Weight: r.Control.Weight,
			Ejected: r.Ejected, Trial: r.Trial(now), Ramp: r.Ramp(now), Load: r.Load(),
		}
	}
	return v
}

// measured takes in round trips between regions; the edge decides by the order that comes of them.
func (e *Edge) measured(found map[discovery.Pair]time.Duration) {
	changed := e.ranking.Observe(func(a, b regions.Name) (time.Duration, bool) {
		d, ok := found[discovery.PairOf(a, b)]
		return d, ok
	})
	proximity := e.ranking.Proximity()
	policy, err := decide.NewPolicy(e.regions, e.region, proximity)
	if err != nil {
		e.log.Warn("the measured round trips rank no regions", slog.Any("error", err))
		return
	}
	e.policy.Store(policy)
	if changed {
		e.log.Info("measured round trips changed which regions are near", slog.Any("order", proximity.From(e.region)))
	}
}

// trial returns an instance of the ejected region where the request belongs, when a few may find out whether it
// works again and repeating this one is harmless.
func (e *Edge) trial(cl *class, o *outgoing, c *course) (target, bool) {
	candidate, ok := c.decision.Trial()
	if !ok || !cl.repeatable || !o.body.whole() {
		return target{}, false
	}
	m, ok := pick(e.view.Snapshot().For(cl.Method.Module).Region(candidate.Region).Healthy, c.tried, discovery.Member.Fresh)
	if !ok {
		return target{}, false
	}
	under := e.trials[candidate.Region]
	if under.Add(1) > maxTrials {
		under.Add(-1)
		return target{}, false
	}
	c.trial = under
	e.metrics.trials.WithLabelValues(string(candidate.Region)).Inc()
	return target{m, candidate.Route}, true
}

// endTrial gives the place among the trials back.
func (c *course) endTrial() {
	if c.trial != nil {
		c.trial.Add(-1)
		c.trial = nil
	}
}

// callerHash is the same for the same user, or else address, at every edge.
func callerHash(subject string, client netip.Addr) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211 // FNV-1a
	h := uint64(offset)
	if subject == "" {
		for _, b := range client.As16() {
			h = (h ^ uint64(b)) * prime
		}
	}
	for i := range len(subject) {
		h = (h ^ uint64(subject[i])) * prime
	}
	h ^= h >> 33 // so that the low digits depend on every bit
	h *= 0xff51afd7ed558ccd
	return h ^ h>>33
}
