package decide

import (
	"fmt"
	"strings"

	"github.com/meridian-commerce/meridian/internal/method"
)

// Explain tells the decision for a request as sentences, for people: what the request is, where it belongs,
// what each region's verdict rests on, and what comes of it.
func (p *Policy) Explain(r *Request, d *Decision, v *View) []string {
	steps := []string{explainMethod(r.Method)}
	switch client := r.Location.Client; {
	case client.IsValid() && r.Location.Country != "":
		steps = append(steps, fmt.Sprintf("The caller is %s in %s (%s).", client, r.Location.Country, r.Location.CountryFrom))
	case client.IsValid():
		steps = append(steps, fmt.Sprintf("The caller is %s; its country is unknown.", client))
	default:
		steps = append(steps, "The caller's address is unknown.")
	}
	steps = append(steps, fmt.Sprintf("The caller is located in %s, by %s.", r.Location.Region, r.Location.Source))
	if d.n == 0 {
		return append(steps, "No region may serve it.")
	}
	steps = append(steps, fmt.Sprintf("It belongs to %s: %s.", d.list[0].Region, d.Basis))
	if p.indexOf(r.Prefer) >= 0 && d.Basis != BasisPrefer && d.Basis != BasisRequired {
		steps = append(steps, fmt.Sprintf("The preferred region %s does not count, because the user's rows decide.", r.Prefer))
	}
	if d.Panic {
		steps = append(steps, "Fewer than half of the instances are healthy in every region: all of them are used.")
	}
	for i, c := range d.Candidates() {
		steps = append(steps, fmt.Sprintf("%d. %s (%s): %d of %d instances healthy, %s from this edge in %s: %s.",
			i+1, c.Region, c.Route, c.Healthy, c.Total, c.RTT, p.names[p.edge], explainVerdict(&c, &v[c.index])))
	}
	if d.shared() {
		steps = append(steps, fmt.Sprintf("This caller is at %d of 100, always.", r.Caller%100))
	}
	return append(steps, d.outcome())
}

// shared reports whether more than one region takes callers like this one.
func (d *Decision) shared() bool {
	n := 0
	for _, c := range d.Candidates() {
		if c.Share > 0 {
			n++
		}
	}
	return n > 1
}

func (d *Decision) outcome() string {
	if c, ok := d.Trial(); ok {
		serves, _ := d.First()
		return fmt.Sprintf("It may try %s, which must prove itself; else it is sent to %s, route %s.", c.Region, serves.Region, serves.Route)
	}
	c, ok := d.First()
	switch {
	case ok:
		return fmt.Sprintf("It is sent to %s, route %s.", c.Region, c.Route)
	case d.Forbidden:
		return "Residency forbids every region that could serve it: it is answered 451."
	case d.Drained:
		return "The region of the hard pin is drained: it is answered 503 with Retry-After."
	}
	return "None of them is healthy: it is answered 503 with Retry-After."
}

// explainVerdict tells a region's verdict, and what took away from its health.
func explainVerdict(c *Candidate, s *State) string {
	var why []string
	if c.usable() {
		why = append(why, fmt.Sprintf("health %d", c.Health))
		if s.Weight > 0 && s.Weight < 100 || c.Health == 0 {
			why = append(why, fmt.Sprintf("weight %d", s.Weight))
		}
		if s.Load > softLimit {
			why = append(why, fmt.Sprintf("%.0f %% of its capacity in use", 100*s.Load))
		}
		if s.Ramp > 0 && s.Ramp < 100 {
			why = append(why, fmt.Sprintf("warmed up to %d %%", s.Ramp))
		}
		why = append(why, fmt.Sprintf("share %d %%", c.Share))
	}
	if s.Ejected && c.Verdict != VerdictEjected {
		why = append(why, "ejected")
	}
	if s.Drained && c.Verdict != VerdictDrained {
		why = append(why, "drained")
	}
	if len(why) == 0 {
		return string(c.Verdict)
	}
	return string(c.Verdict) + " (" + strings.Join(why, ", ") + ")"
}

func explainMethod(m method.Method) string {
	kind := "may change something and is not repeated"
	switch {
	case m.Keyed:
		kind += " without an Idempotency-Key"
	case m.ReadOnly:
		kind = "has no side effects"
	case m.Idempotent:
		kind = "is idempotent"
	}
	return fmt.Sprintf("%s is served %s; it %s.", m.Name, map[method.Locality]string{
		method.Global: "by any region (GLOBAL)", method.Home: "at the user's home (HOME)", method.Caller: "where the caller is located (CALLER)",
	}[m.Locality], kind)
}
