package grafana

import "github.com/meridian-commerce/meridian/regions"

// edges shows what the edges decide.
func edges(c *regions.Set) *board {
	b := newBoard(c, "edge", "Edge", "Where requests are sent and why, what is retried, and what is refused.", true)
	b.row("Where requests go")
	b.add(8, 9, stacked("Requests by route", "Why the region was chosen.", "reqps"), q(`sum by (route) (rate(meridian_edge_requests_total{`+one+`}[$__rate_interval]))`, "{{route}}"))
	b.add(8, 9, stacked("Requests by code", "", "reqps"), q(`sum by (code) (rate(meridian_edge_requests_total{`+one+`}[$__rate_interval]))`, "{{code}}"))
	b.add(8, 9, graph("Duration p99 by route", "To the last byte of the answer; streams are left out.", "s", nil),
		traced(`histogram_quantile(0.99, sum by (route, le) (rate(meridian_edge_request_duration_seconds_bucket{`+one+`}[$__rate_interval])))`, "{{route}}"))
	b.row("Regions as these edges see them")
	b.add(6, 8, graph("Healthy stacks", "", "none", nil), q(`min by (region) (meridian_edge_region_healthy_instances{`+one+`})`, "{{region}}"))
	b.add(6, 8, graph("Load", "Part of their capacity that the region's stacks say they use.", "percentunit", &limits{.7, .9}), q(`max by (region) (meridian_edge_region_load_ratio{`+one+`})`, "{{region}}"))
	b.add(6, 8, graph("Operators' share", "What operators leave the region of its share.", "percent", nil), q(`min by (region) (meridian_edge_region_weight_percent{`+one+`} * (1 - meridian_edge_region_drained{`+one+`}))`, "{{region}}"))
	b.add(6, 8, timeline("Membership from", "1: from the region's own Consul.", "none", &limits{1, .5}),
		q(`max by (region, source) (meridian_edge_region_membership_source{`+one+`})`, "{{region}} {{source}}"))
	b.row("When attempts fail")
	b.add(6, 8, graph("Retries and hedges", "Retries by what ended the attempt before; hedges are second requests for reads that took long.", "reqps", nil), q(`sum by (cause) (rate(meridian_edge_retries_total{`+one+`}[$__rate_interval]))`, "{{cause}}"),
		q(`sum by (result) (rate(meridian_edge_hedges_total{`+one+`}[$__rate_interval]))`, "hedge {{result}}"))
	b.add(6, 8, graph("Failovers", "", "reqps", nil), q(`sum by (from, to) (rate(meridian_edge_failovers_total{`+one+`}[$__rate_interval]))`, "{{from}} → {{to}}"))
	b.add(6, 8, graph("Retry budget exhausted", "Retries not made.", "reqps", &limits{.01, 1}), q(`sum by (cloud_region) (rate(meridian_edge_retry_budget_exhausted_total{`+one+`}[$__rate_interval]))`, "{{cloud_region}}"))
	b.add(6, 8, graph("Panic mode", "Requests sent to stacks whether healthy or not.", "reqps", &limits{.01, 1}), q(`sum by (cloud_region) (rate(meridian_edge_panic_requests_total{`+one+`}[$__rate_interval]))`, "{{cloud_region}}"))
	b.row("Admission")
	b.add(6, 8, stacked("Refused", "By class and reason.", "reqps"), q(`sum by (class, reason) (rate(meridian_admission_rejected_total{`+one+`}[$__rate_interval])) > 0`, "{{class}} {{reason}}"))
	b.add(6, 8, graph("Limit of requests under way", "As adapted to each region's latency; 0 is no limit.", "none", nil), q(`min by (region) (meridian_admission_limit{`+one+`})`, "{{region}} limit"), q(`max by (region) (meridian_admission_in_flight{`+one+`})`, "{{region}} under way"))
	b.add(6, 8, graph("Requests under way", "By edge.", "none", nil), q(`meridian_edge_requests_in_flight{`+one+`}`, "{{instance}}"))
	b.add(6, 8, graph("Certificate", "Time until it expires, where the edge serves TLS itself.", "s", &limits{14 * 86400, 2 * 86400}), q(`min by (instance) (meridian_tls_certificate_expiry_timestamp_seconds{`+one+`}) - time()`, "{{instance}}"))
	return b
}

// database shows what the product needs of the database, and what CockroachDB says of itself.
func database(c *regions.Set) *board {
	b := newBoard(c, "database", "Database", "Connections and transactions as the stacks see them, and CockroachDB's own figures where it is the engine.", true)
	b.row("Connections")
	b.add(8, 8, graph("Pool in use", "", "percentunit", &limits{.7, .9}), q(`meridian_sql_connections_acquired{`+one+`} / meridian_sql_connections_max{`+one+`}`, "{{instance}}"))
	b.add(8, 8, graph("Waits for a connection", "Times per second that all were busy.", "ops", nil), q(`rate(meridian_sql_acquire_waits_total{`+one+`}[$__rate_interval])`, "{{instance}}"))
	b.add(8, 8, graph("Time waited", "Seconds of waiting in each second, over all requests.", "s", nil), q(`rate(meridian_sql_acquire_waited_seconds_total{`+one+`}[$__rate_interval])`, "{{instance}}"))
	b.row("Transactions")
	b.add(8, 8, stacked("Committed", "", "ops"), q(`sum by (cloud_region) (rate(meridian_sql_transactions_committed_total{`+one+`}[$__rate_interval]))`, "{{cloud_region}}"))
	b.add(8, 8, graph("Run again, for each that was committed", "They contend for the same rows.", "none", &limits{.1, .5}),
		q(`sum by (cloud_region) (rate(meridian_sql_transactions_retried_total{`+one+`}[$__rate_interval])) / sum by (cloud_region) (rate(meridian_sql_transactions_committed_total{`+one+`}[$__rate_interval]))`, "{{cloud_region}}"))
	b.add(8, 8, graph("Given up, and of unknown outcome", "", "ops", &limits{.01, .05}),
		q(`sum by (cloud_region) (rate(meridian_sql_transactions_exhausted_total{`+one+`}[$__rate_interval]))`, "{{cloud_region}} given up"),
		q(`sum by (cloud_region) (rate(meridian_sql_transactions_ambiguous_total{`+one+`}[$__rate_interval]))`, "{{cloud_region}} unknown"))
	b.row("CockroachDB's own")
	b.add(4, 6, figure("License", "Time until it expires.", "s", &limits{21 * 86400, 86400}), q(`max(seconds_until_license_expiry)`, "license"))
	b.add(4, 6, figure("Live nodes", "", "none", nil), q(`max(liveness_livenodes)`, "nodes"))
	b.add(4, 6, figure("Ranges unavailable", "", "none", &limits{1, 1}), q(`sum(ranges_unavailable)`, "ranges"))
	b.add(4, 6, figure("Ranges underreplicated", "", "none", &limits{1, 1000}), q(`sum(ranges_underreplicated)`, "ranges"))
	b.add(8, 6, graph("Storage left", "", "percentunit", &limits{.3, .2}), q(`capacity_available{`+in+`} / capacity{`+in+`}`, "{{instance}}"))
	b.add(8, 8, graph("Statement time p99", "", "ns", nil), q(`histogram_quantile(0.99, sum by (cloud_region, le) (rate(sql_service_latency_bucket{`+in+`}[$__rate_interval])))`, "{{cloud_region}}"))
	b.add(8, 8, graph("Commits and aborts", "", "ops", nil), q(`sum by (cloud_region) (rate(sql_txn_commit_count{`+in+`}[$__rate_interval]))`, "{{cloud_region}} commits"), q(`sum by (cloud_region) (rate(sql_txn_abort_count{`+in+`}[$__rate_interval]))`, "{{cloud_region}} aborts"))
	b.add(8, 8, graph("Connections", "", "none", nil), q(`sum by (instance) (sql_conns{`+in+`})`, "{{instance}}"))
	return b
}

// cache shows the regional caches.
func cache(c *regions.Set) *board {
	b := newBoard(c, "cache", "Cache", "The regional caches: what they save, and what happens when Redis is away.", true)
	const hits = `outcome=~"hit|stale"`
	b.add(8, 8, graph("Hit ratio", "Part of the fetches that needed no load from the database.", "percentunit", &limits{.8, .5}),
		q(`sum by (cloud_region) (rate(meridian_cache_fetches_total{`+one+`, `+hits+`}[$__rate_interval])) / sum by (cloud_region) (rate(meridian_cache_fetches_total{`+one+`}[$__rate_interval]))`, "{{cloud_region}}"))
	b.add(8, 8, stacked("Fetches", "By where the value came from.", "ops"), q(`sum by (outcome) (rate(meridian_cache_fetches_total{`+one+`}[$__rate_interval]))`, "{{outcome}}"))
	b.add(8, 8, timeline("Breaker", "0: Redis is used, 1: probed, 2: bypassed.", "none", &limits{1, 2}), q(`meridian_cache_breaker_state{`+one+`}`, "{{instance}}"))
	b.add(8, 8, graph("Failed commands", "", "ops", &limits{.1, 10}), q(`sum by (operation) (rate(meridian_cache_errors_total{`+one+`}[$__rate_interval]))`, "{{operation}}"))
	b.add(8, 8, graph("Refreshes in the background", "", "ops", nil), q(`sum by (outcome) (rate(meridian_cache_refreshes_total{`+one+`}[$__rate_interval]))`, "{{outcome}}"))
	b.add(8, 8, graph("Fills that came too late", "A newer version or an invalidation came first, so that they were not kept.", "ops", nil), q(`sum by (cloud_region) (rate(meridian_cache_outdated_fills_total{`+one+`}[$__rate_interval]))`, "{{cloud_region}}"))
	b.add(12, 8, graph("Changes of the catalog: time until this region's cache knows", "", "s", &limits{5, 15}),
		q(`histogram_quantile(0.5, sum by (cloud_region, le) (rate(meridian_catalog_change_lag_seconds_bucket{`+one+`}[$__rate_interval])))`, "{{cloud_region}} p50"),
		q(`histogram_quantile(0.99, sum by (cloud_region, le) (rate(meridian_catalog_change_lag_seconds_bucket{`+one+`}[$__rate_interval])))`, "{{cloud_region}} p99"))
	b.add(12, 8, graph("Rate limits: questions to Redis", "By result.", "ops", nil), q(`sum by (cloud_region, result) (rate(meridian_admission_redis_questions_total{`+one+`}[$__rate_interval]))`, "{{cloud_region}} {{result}}"))
	return b
}

// events shows the outbox, the relay, the bus and payments, by the region whose rows they are about.
func events(c *regions.Set) *board {
	b := newBoard(c, "events", "Events and payments", "From an order's event in the outbox to its payment. Here the region is the home of the rows, not where the work is done.", false)
	const home = `home=~"$region"`
	b.row("Outbox and bus")
	b.add(6, 8, graph("Oldest open event", "", "s", &limits{60, 600}), q(`max by (home) (meridian_outbox_oldest_open_seconds{`+home+`})`, "{{home}}"))
	b.add(6, 8, graph("Open events", "And which consumer has not taken them.", "none", nil), q(`max by (home) (meridian_outbox_open_events{`+home+`})`, "{{home}}"),
		q(`max by (home, consumer) (meridian_outbox_pending_deliveries{`+home+`})`, "{{home}} {{consumer}}"))
	b.add(6, 8, graph("Time to the bus p99", "From an event's creation, repetitions included.", "s", &limits{5, 15}), q(`histogram_quantile(0.99, sum by (home, le) (rate(meridian_outbox_publish_lag_seconds_bucket{`+home+`}[$__rate_interval])))`, "{{home}}"))
	b.add(6, 8, stacked("Published", "By type.", "ops"), q(`sum by (type) (rate(meridian_outbox_published_total{`+home+`}[$__rate_interval]))`, "{{type}}"))
	b.add(8, 8, graph("Taken from the bus", "By what became of it.", "ops", nil), q(`sum by (consumer, type, outcome) (rate(meridian_bus_events_total{`+home+`}[$__rate_interval]))`, "{{consumer}} {{type}} {{outcome}}"))
	b.add(8, 8, timeline("Leases: who does the work", "1: held.", "none", &limits{1, .5}), q(`max by (home, lease, cloud_region) (meridian_lease_held{`+home+`}) > 0`, "{{home}} {{lease}} in {{cloud_region}}"))
	b.add(8, 8, graph("Leases lost", "In 15 minutes.", "none", &limits{1, 3}), q(`sum by (home, lease) (increase(meridian_lease_lost_total{`+home+`}[15m]))`, "{{home}} {{lease}}"))
	b.row("Payments")
	b.add(6, 8, graph("Oldest pending payment", "That the provider has neither authorized nor declined.", "s", &limits{30, 120}), q(`max by (home) (meridian_payment_oldest_pending_seconds{`+home+`})`, "{{home}}"))
	b.add(6, 8, stacked("Open payments", "By state; authorized ones wait for their order's fulfillment.", "none"), q(`sum by (state) (meridian_payment_open{`+home+`})`, "{{state}}"))
	b.add(6, 8, stacked("Settled", "By state reached.", "ops"), q(`sum by (state) (rate(meridian_payment_settled_total{`+home+`}[$__rate_interval]))`, "{{state}}"))
	b.add(6, 8, graph("Steps that failed and are tried again", "", "ops", &limits{.1, 1}), q(`sum by (home, state) (rate(meridian_payment_unsettled_total{`+home+`}[$__rate_interval]))`, "{{home}} {{state}}"))
	return b
}

// business shows orders and money, by home region.
func business(c *regions.Set) *board {
	b := newBoard(c, "business", "Business", "Orders and money, by the customers' home region. Amounts are in the minor units of their currency: 250 EUR is 2.50 €, 250 JPY is ¥250.", false)
	const home = `home=~"$region"`
	b.add(6, 5, figure("Orders in this time range", "", "none", nil), q(`sum(increase(meridian_orders_placed_total{`+home+`}[$__range]))`, "orders"))
	b.add(6, 5, figure("Refused in this time range", "Orders that could not be placed, whatever the reason.", "none", nil), q(`sum(increase(meridian_orders_refused_total{`+home+`}[$__range]))`, "refused"))
	b.add(6, 5, figure("Declined in this time range", "Payments that the provider declined.", "none", nil), q(`sum(increase(meridian_payment_settled_total{`+home+`, state="declined"}[$__range]))`, "declined"))
	b.add(6, 5, figure("Looks at products in this time range", "As far as they are written.", "none", nil), q(`sum(increase(meridian_catalog_views_written_total{`+in+`}[$__range]))`, "looks"))
	b.add(12, 9, stacked("Orders an hour", "", "none"), q(`sum by (home) (rate(meridian_orders_placed_total{`+home+`}[$__rate_interval])) * 3600`, "{{home}}"))
	b.add(12, 9, graph("Ordered an hour", "In minor units, by currency.", "none", nil), q(`sum by (currency) (rate(meridian_orders_placed_minor_units_total{`+home+`}[$__rate_interval])) * 3600`, "{{currency}}"))
	b.add(12, 9, graph("Captured an hour", "Money taken, in minor units, by currency.", "none", nil), q(`sum by (currency) (rate(meridian_payment_captured_minor_units_total{`+home+`}[$__rate_interval])) * 3600`, "{{currency}}"))
	b.add(12, 9, graph("Orders refused", "By reason.", "ops", nil), q(`sum by (reason) (rate(meridian_orders_refused_total{`+home+`}[$__rate_interval]))`, "{{reason}}"))
	b.add(12, 9, graph("Average order", "In minor units, by currency.", "none", nil),
		q(`sum by (currency) (rate(meridian_orders_placed_minor_units_total{`+home+`}[$__rate_interval])) / sum by (currency) (rate(meridian_orders_placed_total{`+home+`}[$__rate_interval]))`, "{{currency}}"))
	b.add(12, 9, list("Invariants at the last audit", "1: it does not hold.", "invariant", column{"violated", "bool_yes_no", &limits{1, 1}}), q(`max by (invariant) (meridian_audit_violated)`, ""))
	return b
}
