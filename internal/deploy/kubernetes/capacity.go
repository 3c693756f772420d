package kubernetes

// Shares of a region's capacity, in percent, that stay free even while another region is lost, so that what happens
// anyway does not add up to an outage.
const (
	disruption = 10 // pods that a PodDisruptionBudget lets go at once
	growth     = 10 // of the load, while the autoscaler reacts
)

// zoneCount is over how many a region's pods are spread.
const zoneCount = 3

// spike is how many times the everyday peak the autoscaler may follow.
const spike = 10

// part is a Deployment that scales by its load. Its figures are declared for a small shop: docs/how-to says how to
// replace them by what was measured.
type part struct {
	name   string
	peak   int    // pods that a region's everyday peak keeps fully busy
	full   int    // requests under way at which a pod is fully busy
	metric string // what its /metrics calls them
}

func parts() []part {
	return []part{
		// 105 µs of a processor for each request (docs/performance.md), a tenth of a second to the home region and back.
		{"edge", 2, 950, "meridian_edge_requests_in_flight"},
		{"browse", 2, 48, "meridian_rpc_server_in_flight"},
		// Six of them hold a database connection, the rest read.
		{"checkout", 2, 12, "meridian_rpc_server_in_flight"},
	}
}

// utilization returns the share of its capacity, in percent, that a region of n may use on an ordinary day. If one of
// the n is lost, each survivor's load grows by n/(n-1), and it must still have the reserves for disruption and growth.
// A single region has no survivors to think of.
func utilization(n int) int {
	reserve := 100 - disruption - growth
	if n < 2 {
		return reserve
	}
	return (n - 1) * reserve / n
}

// minReplicas returns the pods of a region of n whose everyday peak keeps so many pods fully busy: enough to carry the
// share of a lost region without waiting for the autoscaler, and as many in each zone, so that whichever is lost takes a
// third of them and no more.
func minReplicas(n, peak int) int { return zoneCount * ceil(100*peak, utilization(n)*zoneCount) }

// maxReplicas returns how far the autoscaler may go: to the same room at ten times the peak.
func maxReplicas(n, peak int) int { return ceil(100*spike*peak, utilization(n)) }

// scaler is a part's autoscaler among n regions.
type scaler struct {
	Name, Metric string
	Min, Max     int
	Utilization  int // percent of a requested processor
	InFlight     int // thousandths of a request for each pod
}

func scalers(n int) []scaler {
	var out []scaler
	for _, p := range parts() {
		out = append(out, scaler{
			Name: p.name, Metric: p.metric, Min: minReplicas(n, p.peak), Max: maxReplicas(n, p.peak),
			Utilization: utilization(n), InFlight: 10 * p.full * utilization(n),
		})
	}
	return out
}

func ceil(a, b int) int { return (a + b - 1) / b }

// Event is something that happens to a region on an ordinary day.
type Event string

// What the pages promise something for.
const (
	Rollout  Event = "a version is rolled out, or back"
	Drain    Event = "nodes are drained"
	LostZone Event = "a zone is lost"
	Spike    Event = "a spike fills the nodes"
)

// Parts of a region that do not scale by load.
const (
	workers     = 3 // one works, two stand by
	workerPart  = "worker"
	consulAgent = "consul" // one on each node
)

// Running returns how many pods of each part a region of n has at least, on so many nodes.
func Running(n, nodes int) map[string]int {
	out := map[string]int{workerPart: workers, consulAgent: nodes}
	for _, p := range parts() {
		out[p.name] = minReplicas(n, p.peak)
	}
	return out
}

// Ready returns how many of the pods that run stay ready while something happens, as docs/explanation/capacity-arithmetic.md
// promises it.
func Ready(during Event, n, nodes int) map[string]int {
	out := Running(n, nodes)
	for part, pods := range out {
		switch {
		case during == LostZone:
			out[part] = pods - ceil(pods, zoneCount)
		case during == Drain && part != consulAgent: // whose pods stay until their node goes
			out[part] = pods - ceil(pods*disruption, 100)
		case during == Rollout && part == consulAgent: // one node after the other
			out[part] = pods - 1
		}
	}
	return out
}
