package decide

import "fmt"

// Explain tells the decision for a request as sentences, for people.
func (p *Policy) Explain(r Request, d Decision) []string {
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
	if len(d.Candidates) == 0 {
		return append(steps, "No region may serve it.")
	}
	first := d.Candidates[0]
	steps = append(steps, fmt.Sprintf("It belongs to %s: %s.", first.Region, d.Basis))
	if p.known(r.Prefer) && d.Basis != BasisPrefer && d.Basis != BasisRequired {
		steps = append(steps, fmt.Sprintf("The preferred region %s does not count, because the user's rows decide.", r.Prefer))
	}
	for i, c := range d.Candidates {
		steps = append(steps, fmt.Sprintf("%d. %s (%s): %d of %d instances healthy, %s from this edge in %s.",
			i+1, c.Region, c.Route, c.Healthy, c.Total, c.RTT, p.edge))
	}
	if c, ok := d.First(); ok {
		return append(steps, fmt.Sprintf("It is sent to %s, route %s.", c.Region, c.Route))
	}
	return append(steps, "None of them is healthy: it is answered 503 with Retry-After.")
}

func explainMethod(m Method) string {
	kind := "may change something and is not repeated without an Idempotency-Key"
	switch {
	case m.ReadOnly:
		kind = "has no side effects"
	case m.Idempotent:
		kind = "is idempotent"
	}
	return fmt.Sprintf("%s is served %s; it %s.", m.Name, map[Locality]string{
		Global: "by any region (GLOBAL)", Home: "at the user's home (HOME)", Caller: "where the caller is located (CALLER)",
	}[m.Locality], kind)
}
