package killregion

import "github.com/meridian-commerce/meridian/regions"

// Figures are what a report says of a region that was lost under load and healed. A nil figure is null: there was nothing
// to measure it from.
type Figures struct {
	Recovery Recovery                 `json:"recovery"`
	Faults   []Fault                  `json:"faults"`
	Orders   Orders                   `json:"orders"`
	Load     Load                     `json:"load"`
	Regions  map[regions.Name]*Region `json:"regions"`
	Others   Others                   `json:"others"`
	Remote   Remote                   `json:"remote"`
	Entries  []Entry                  `json:"entries"`
	Timeline []Second                 `json:"timeline"`
}

// Recovery is how long the callers of the lost region went without. Milliseconds.
type Recovery struct {
	EntryMS       *float64 `json:"entry_ms"`
	RoutingMS     *float64 `json:"routing_ms"`
	DatabaseMS    *float64 `json:"database_ms"`
	ReadsTotalMS  *float64 `json:"reads_total_ms"`
	OrdersTotalMS *float64 `json:"orders_total_ms"`
}

// Fault is one thing that was broken, in milliseconds since the load began.
type Fault struct {
	Kind           string       `json:"kind"`
	Region         regions.Name `json:"region"`
	AtMS           float64      `json:"at_ms"`
	HealedMS       *float64     `json:"healed_ms"`
	Bit            bool         `json:"bit"` // callers noticed
	FailedRequests int          `json:"failed_requests"`
	Processes      []string     `json:"processes"`
	LeasesMovedMS  *float64     `json:"leases_moved_ms"`
}

// Orders counts what became of every order that was asked for, by idempotency key.
type Orders struct {
	Acknowledged int `json:"acknowledged"`
	Unknown      int `json:"unknown"`
	Failed       int `json:"failed"`
	Placed       int `json:"placed"` // rows in the database

	Refusals map[string]int `json:"refusals"` // of the failed ones, by the last answer's reason
}

// Load is what the generator did, and whether its figures can be trusted.
type Load struct {
	Arrivals        int     `json:"arrivals"`
	DroppedArrivals int     `json:"dropped_arrivals"`
	Diverted        int     `json:"diverted"`
	Requests        int     `json:"requests"`
	Rate            float64 `json:"rate"`
	DurationS       float64 `json:"duration_s"`
	MaxStartDelayMS float64 `json:"max_start_delay_ms"`
	Shoppers        int     `json:"shoppers"`
	UTCHour         int     `json:"utc_hour"`
}

// Region is how the callers fared whose home it is and who sit nearest to it.
type Region struct {
	QuorumRTTMS float64 `json:"quorum_rtt_ms"`
	Before      Phase   `json:"before"`
	During      Phase   `json:"during"`
	After       Phase   `json:"after"`
}

// Phase is a part of the run: until the fault, until it was healed, until the end. Times are in
// milliseconds, inside the edge unless the name says caller.
type Phase struct {
	Requests             int      `json:"requests"`
	Failed               int      `json:"failed"`
	SuccessRatio         *float64 `json:"success_ratio"`
	CatalogReads         int      `json:"catalog_reads"`
	CatalogReadP50       *float64 `json:"catalog_read_p50_ms"`
	CatalogReadP99       *float64 `json:"catalog_read_p99_ms"`
	PlacedOrders         int      `json:"placed_orders"`
	PlaceOrderP50        *float64 `json:"place_order_p50_ms"`
	PlaceOrderP99        *float64 `json:"place_order_p99_ms"`
	CallerCatalogReadP50 *float64 `json:"caller_catalog_read_p50_ms"`
	CallerCatalogReadP99 *float64 `json:"caller_catalog_read_p99_ms"`
	CallerPlaceOrderP50  *float64 `json:"caller_place_order_p50_ms"`
	CallerPlaceOrderP99  *float64 `json:"caller_place_order_p99_ms"`
}

// Others is how callers fared, from the fault on, who neither live in the lost region nor enter there.
type Others struct {
	Requests              int       `json:"requests"`
	Failed                int       `json:"failed"`
	SuccessRatio          *float64  `json:"success_ratio"`
	MinWindowSuccessRatio *float64  `json:"min_window_success_ratio"`
	Failures              []Failure `json:"failures"`
}

// Failure is one request that failed.
type Failure struct {
	AtMS   float64      `json:"at_ms"`
	Kind   string       `json:"kind"`
	Home   regions.Name `json:"home"`
	City   string       `json:"city"`
	Code   string       `json:"code"`
	Reason string       `json:"reason"`
	Detail string       `json:"detail"`
}

// Remote is what a home in another region than the entry costs, before the fault, beyond the declared round
// trip between the two.
type Remote struct {
	Reads           int      `json:"reads"`
	ReadOverWANP50  *float64 `json:"read_over_wan_p50_ms"`
	Orders          int      `json:"orders"`
	OrderOverWANP50 *float64 `json:"order_over_wan_p50_ms"`
}

// Entry is a change of an edge's announcement.
type Entry struct {
	AtMS   float64      `json:"at_ms"`
	Region regions.Name `json:"region"`
	Up     bool         `json:"up"`
}

// Second is one second of one region's callers, by home.
type Second struct {
	At                   int          `json:"at_s"`
	Region               regions.Name `json:"region"`
	Requests             int          `json:"requests"`
	Failed               int          `json:"failed"`
	CallerCatalogReadP50 *float64     `json:"caller_catalog_read_p50_ms"`
	CallerPlaceOrderP50  *float64     `json:"caller_place_order_p50_ms"`
}

// Served is how many of the requests did not fail.
func (s Second) Served() int { return s.Requests - s.Failed }
