package failovermatrix

import (
	"cmp"
	"slices"
	"time"

	"github.com/meridian-commerce/meridian/internal/sim/cluster"
	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/internet"
	"github.com/meridian-commerce/meridian/regions"
)

// sustained is for how long every request must succeed for the first of them to count as a recovery.
const sustained = 2 * time.Second

// observation is what was seen of one fault.
type observation struct {
	fault           fault
	hurt            cluster.FaultReport
	healing, healed time.Time
	samples         []history.Op // by their start
	changes         []internet.Change
}

// row sums an observation up.
func (o observation) row(p *probes) Row {
	entry, others := o.withdrawals(p.lost)
	r := Row{
		Fault: o.fault.name, What: o.fault.what, At: o.hurt.At.UTC(), HeldMs: history.Millis(o.healing.Sub(o.hurt.At)), HealedMs: history.Millis(o.healed.Sub(o.healing)),
		WithdrawnMs: history.MillisTo(entry, o.hurt.At), LeasesMs: history.MillisTo(o.hurt.LeasesMoveAt, o.hurt.At),
	}
	from := cmp.Or(entry, o.hurt.At)
	r.Alive = o.figure(p, groupAlive, o.hurt.At)
	r.Home = o.figure(p, groupHome, o.hurt.At)
	r.Entry = o.figure(p, groupEntry, from)
	r.Both = o.figure(p, groupBoth, from)
	// A control plane or one instance that is lost has done its work when it is gone; an entry, when it is withdrawn.
	r.Bit = len(o.hurt.Processes)+len(o.hurt.Links) > 0
	if o.fault.entry {
		r.Bit = !entry.IsZero()
	}
	r.LateMs = history.Millis(o.late(p))
	r.Disturbed = r.LateMs > history.Millis(latest) || others
	return r
}

// latest is how late a probe may ask in a measurement that counts.
const latest = 400 * time.Millisecond

// late returns by how much a probe that asks at fixed times was late at worst.
func (o observation) late(p *probes) time.Duration {
	var worst time.Duration
	last := map[int]time.Time{}
	for _, s := range o.samples {
		pr := p.all[s.Client]
		if before, ok := last[s.Client]; ok && !pr.closed {
			worst = max(worst, s.Invoked.Sub(before)-pr.every)
		}
		last[s.Client] = s.Invoked
	}
	return worst
}

// withdrawals returns when the lost region's edge was withdrawn for this fault, the zero time if it was not, and whether
// an edge of a living region was: it did not get to answer.
func (o observation) withdrawals(lost regions.Name) (entry time.Time, others bool) {
	for _, c := range o.changes {
		switch {
		case c.Up || !c.At.After(o.hurt.At) || !c.At.Before(o.healed):
		case c.Region != lost:
			others = true
		case entry.IsZero():
			entry = c.At
		}
	}
	return entry, others
}

// figure measures the probes of a group, from a moment on.
func (o observation) figure(p *probes, g group, from time.Time) Figure {
	f := Figure{}
	var slowest time.Duration
	for _, pr := range p.all {
		if pr.group != g {
			continue
		}
		mine := slices.DeleteFunc(slices.Clone(o.samples), func(s history.Op) bool { return s.Client != pr.number })
		took, ok := recovery(mine, from, o.healing)
		part := Part{Probe: pr.name}
		if ok {
			part.RecoveredMs = new(history.Millis(took))
			slowest = max(slowest, took)
		}
		for _, s := range mine {
			switch {
			case s.Invoked.After(o.healing):
				part.Healing.take(s, pr.repeatable)
			case s.Invoked.Before(from) && s.Returned.After(o.hurt.At) && from.After(o.hurt.At):
				part.Until.take(s, pr.repeatable)
			case s.Returned.After(from):
				part.During.take(s, pr.repeatable)
			}
		}
		part.Why = reasons(mine, from, o.healing)
		f.Parts = append(f.Parts, part)
		f.Until.add(part.Until)
		f.During.add(part.During)
		f.Healing.add(part.Healing)
	}
	if !slices.ContainsFunc(f.Parts, func(p Part) bool { return p.RecoveredMs == nil }) {
		f.RecoveredMs = new(history.Millis(slowest))
	}
	return f
}

// reasons lists why requests failed, each once.
func reasons(samples []history.Op, from, to time.Time) []string {
	var out []string
	for _, s := range samples {
		if served(s) || !s.Returned.After(from) || !s.Invoked.Before(to) || len(out) == 3 {
			continue
		}
		if why := s.Err().Error(); !slices.Contains(out, why) {
			out = append(out, why)
		}
	}
	return out
}

// recovery returns how long after a moment the first new request was answered well of which all that follow
// for a while succeed, too; false if there is none before the end. Samples are of one probe, by their start.
func recovery(samples []history.Op, from, end time.Time) (time.Duration, bool) {
	var first *history.Op
	for i := range samples {
		s := &samples[i]
		if s.Invoked.Before(from) || s.Invoked.After(end) {
			continue
		}
		switch {
		case !served(*s):
			first = nil
		case first == nil:
			first = s
		case s.Invoked.Sub(first.Invoked) >= sustained:
			return first.Returned.Sub(from), true
		}
	}
	// A probe that waits for its answers may have been kept waiting until the end.
	if first == nil || end.Sub(first.Invoked) < sustained {
		return 0, false
	}
	return first.Returned.Sub(from), true
}
