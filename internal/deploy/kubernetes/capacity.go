package kubernetes

// Shares of a region's capacity, in percent, that stay free even while another region is lost, so that what happens
// anyway does not add up to an outage.
const (
	disruption = 10 // pods that a PodDisruptionBudget lets go at once
	growth     = 10 // of the load, while the autoscaler reacts
)

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
		{"browse", 2, 64, "meridian_rpc_server_in_flight"},
		// Eight of them hold a database connection, the rest read.
		{"checkout", 2, 16, "meridian_rpc_server_in_flight"},
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
// share of a lost region without waiting for the autoscaler, and one in each of three zones.
func minReplicas(n, peak int) int { return max(3, ceil(100*peak, utilization(n))) }

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
