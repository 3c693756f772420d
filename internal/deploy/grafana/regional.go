package grafana

import "github.com/meridian-commerce/meridian/regions"

// Parts of expressions. in selects the processes of the chosen regions, and one the chosen instances of them.
const (
	in  = `cloud_region=~"$region"`
	one = in + `, instance=~"$instance"`

	failed   = `meridian_edge_answer_duration_seconds_count{result="failed"}`
	answered = `meridian_edge_answer_duration_seconds_count{result!="canceled"}`
)

// global shows all regions at once.
func global(c *regions.Set) *board {
	b := newBoard(c, "global", "Global", "Every region at a glance: who can be reached, who serves whom, and whether the objectives hold.", false)
	b.add(14, 13, worldMap("Regions", "Part of each region's stacks that the worst-placed edge reaches. A click opens the region.", "percentunit", &limits{.99, .7}),
		q(`meridian:region_info * on (region) group_left () min by (region) (meridian_edge_region_healthy_instances / meridian_edge_region_instances)`, ""))
	b.add(5, 5, figure("Availability, 1 h", "Requests at all edges that were answered, or refused for the caller's own fault.", "percentunit", &limits{.9995, .999}),
		q(`1 - sum(rate(`+failed+`[1h])) / sum(rate(`+answered+`[1h]))`, "availability"))
	b.add(5, 5, figure("Checkout, 1 h", "The same of checkouts alone.", "percentunit", &limits{.9998, .9995}),
		q(`1 - sum(rate(meridian_edge_answer_duration_seconds_count{class="checkout", result="failed"}[1h])) / sum(rate(meridian_edge_answer_duration_seconds_count{class="checkout", result!="canceled"}[1h]))`, "checkout"))
	b.add(5, 4, figure("Requests", "At all edges.", "reqps", nil), q(`sum(rate(`+answered+`[$__rate_interval]))`, "requests"))
	b.add(5, 4, figure("Orders", "Placed, in all regions.", "reqps", nil), q(`sum(rate(meridian_orders_placed_total[$__rate_interval]))`, "orders"))
	b.add(10, 4, list("Alerts that page", "", "alertname", column{"region count", "none", &limits{1, 1}}),
		q(`count by (alertname) (ALERTS{alertstate="firing", severity="page"})`, ""))
	b.row("Regions")
	b.add(12, 9, list("As the edges see them", "The worst of what the edges say.", "region",
		column{"healthy stacks", "percentunit", &limits{.99, .7}}, column{"drained", "bool_yes_no", &limits{1, 2}}, column{"ejected", "bool_yes_no", &limits{1, 1}},
		column{"weight", "percent", &limits{100, 1}}, column{"load", "percentunit", &limits{.7, .9}}),
		q(`min by (region) (meridian_edge_region_healthy_instances / meridian_edge_region_instances)`, ""),
		q(`max by (region) (meridian_edge_region_drained)`, ""), q(`max by (region) (meridian_edge_region_ejected)`, ""),
		q(`min by (region) (meridian_edge_region_weight_percent)`, ""), q(`max by (region) (meridian_edge_region_load_ratio)`, ""))
	b.add(12, 9, timeline("Regions out of service", "Part of the stacks that the worst-placed edge reaches.", "percentunit", &limits{.99, .7}),
		q(`min by (region) (meridian_edge_region_healthy_instances / meridian_edge_region_instances)`, "{{region}}"))
	b.add(8, 8, stacked("Requests by the region that served them", "", "reqps"), q(`sum by (region) (rate(meridian_edge_requests_total[$__rate_interval]))`, "{{region}}"))
	b.add(8, 8, graph("Requests that failed, by edge region", "Part of the requests that were not the caller's to blame.", "percentunit", &limits{.001, .01}),
		q(`sum by (cloud_region) (rate(`+failed+`[$__rate_interval])) / sum by (cloud_region) (rate(`+answered+`[$__rate_interval]))`, "{{cloud_region}}"))
	b.add(8, 8, graph("Answer time p99, by edge region", "Until the answer begins.", "s", &limits{.5, 1}),
		q(`histogram_quantile(0.99, sum by (cloud_region, le) (rate(meridian_edge_answer_duration_seconds_bucket{result="ok"}[$__rate_interval])))`, "{{cloud_region}}"))
	b.add(12, 8, graph("Failovers", "Requests sent to another region than the one that comes first.", "reqps", nil),
		q(`sum by (from, to) (rate(meridian_edge_failovers_total[$__rate_interval]))`, "{{from}} → {{to}}"))
	b.add(12, 8, graph("Error budget burn, 1 h", "1: the budget lasts for exactly 30 days. From 14.4 on someone is paged.", "none", &limits{6, 14.4}),
		q(`meridian:slo_errors:ratio_rate1h{slo="availability"} / 0.001`, "availability, {{cloud_region}}"),
		q(`meridian:slo_errors:ratio_rate1h{slo="checkout-availability"} / 0.0005`, "checkout, {{cloud_region}}"))
	return b
}

// region shows the chosen regions in detail.
func region(c *regions.Set) *board {
	b := newBoard(c, "region", "Region", "One region: what its edges and stacks do and need.", true)
	b.row("What callers at this region's edges get")
	b.add(6, 8, graph("Requests", "By class.", "reqps", nil), q(`sum by (class) (rate(meridian_edge_answer_duration_seconds_count{`+in+`}[$__rate_interval]))`, "{{class}}"))
	b.add(6, 8, graph("Failed", "Part of each class.", "percentunit", &limits{.001, .01}),
		q(`sum by (class) (rate(meridian_edge_answer_duration_seconds_count{`+in+`, result="failed"}[$__rate_interval])) / sum by (class) (rate(meridian_edge_answer_duration_seconds_count{`+in+`, result!="canceled"}[$__rate_interval]))`, "{{class}}"))
	b.add(6, 8, graph("Answer time p50", "", "s", nil),
		q(`histogram_quantile(0.5, sum by (class, le) (rate(meridian_edge_answer_duration_seconds_bucket{`+in+`, result="ok"}[$__rate_interval])))`, "{{class}}"))
	b.add(6, 8, graph("Answer time p99", "", "s", &limits{.5, 1}),
		q(`histogram_quantile(0.99, sum by (class, le) (rate(meridian_edge_answer_duration_seconds_bucket{`+in+`, result="ok"}[$__rate_interval])))`, "{{class}}"))
	b.row("What this region's stacks do")
	b.add(8, 8, stacked("Calls", "By service.", "reqps"), q(`sum by (service) (rate(meridian_rpc_server_duration_seconds_count{`+one+`}[$__rate_interval]))`, "{{service}}"))
	b.add(8, 8, graph("Under way", "By instance.", "none", nil), q(`sum by (instance) (meridian_rpc_server_in_flight{`+one+`})`, "{{instance}}"))
	b.add(8, 8, graph("Leases held", "Regions whose background work an instance does.", "none", nil),
		q(`sum by (instance, lease) (meridian_lease_held{`+one+`})`, "{{instance}} {{lease}}"))
	b.add(8, 7, timeline("Ready, writable", "0: the stack wants no requests, or cannot write its region's rows.", "none", &limits{1, .5}),
		q(`meridian_health_ready{`+one+`}`, "{{instance}} ready"), q(`meridian_health_writable{`+one+`}`, "{{instance}} writable"))
	b.add(8, 7, graph("Load", "Part of what a stack can do that is in use; edges begin to share a region's requests at 0.7.", "percentunit", &limits{.7, .9}), q(`meridian_health_load{`+one+`}`, "{{instance}}"))
	b.add(8, 7, graph("Relay behind", "How long a stack's relay has had events left to publish.", "s", &limits{5, 60}), q(`meridian_health_relay_behind_seconds{`+one+`}`, "{{instance}}"))
	b.row("Processes")
	b.add(6, 8, graph("Processor", "1 is one core.", "none", nil), q(`rate(process_cpu_seconds_total{`+one+`}[$__rate_interval])`, "{{instance}}"))
	b.add(6, 8, graph("Memory", "", "bytes", nil), q(`process_resident_memory_bytes{`+one+`}`, "{{instance}}"))
	b.add(6, 8, graph("Goroutines", "", "none", nil), q(`go_goroutines{`+one+`}`, "{{instance}}"))
	b.add(6, 8, graph("Open files", "Part of what is allowed.", "percentunit", &limits{.7, .9}), q(`process_open_fds{`+one+`} / process_max_fds{`+one+`}`, "{{instance}}"))
	b.add(24, 6, list("Builds", "What runs.", "instance", column{"processes", "none", nil}), q(`count by (instance, version, commit) (meridian_build_info{`+one+`})`, ""))
	return b
}

// services shows rate, errors and duration of every procedure.
func services(c *regions.Set) *board {
	b := newBoard(c, "services", "Services", "Rate, errors and duration of every procedure, as the stacks measure them. A point in the heat map leads to its trace.", true)
	b.Templating.List = append(b.Templating.List, variable{
		Type: "query", Name: "service", Label: "Service", Query: `label_values(meridian_rpc_server_duration_seconds_count, service)`,
		Datasource: &prom, Refresh: 2, Multi: true, IncludeAll: true, AllValue: ".*", Current: &currentChoice{[]string{"All"}, []string{"$__all"}},
	})
	const sel = one + `, service=~"$service"`
	const ok = `code=~"ok|canceled|invalid_argument|not_found|already_exists|permission_denied|unauthenticated|failed_precondition|aborted|resource_exhausted|out_of_range"`
	b.row("By service")
	b.add(8, 9, stacked("Rate", "", "reqps"), q(`sum by (service) (rate(meridian_rpc_server_duration_seconds_count{`+sel+`}[$__rate_interval]))`, "{{service}}"))
	b.add(8, 9, graph("Errors", "Part of the calls that failed and were not the caller's to blame.", "percentunit", &limits{.001, .01}),
		q(`1 - sum by (service) (rate(meridian_rpc_server_duration_seconds_count{`+sel+`, `+ok+`}[$__rate_interval])) / sum by (service) (rate(meridian_rpc_server_duration_seconds_count{`+sel+`}[$__rate_interval]))`, "{{service}}"))
	b.add(8, 9, graph("Duration p99", "WatchOrder is left out: it lasts as long as its caller looks.", "s", &limits{.5, 1}),
		q(`histogram_quantile(0.99, sum by (service, le) (rate(meridian_rpc_server_duration_seconds_bucket{`+sel+`, method!="WatchOrder"}[$__rate_interval])))`, "{{service}}"))
	b.row("By procedure")
	b.add(8, 10, graph("Rate", "", "reqps", nil), q(`sum by (method) (rate(meridian_rpc_server_duration_seconds_count{`+sel+`}[$__rate_interval]))`, "{{method}}"))
	b.add(8, 10, graph("Answers that are no success", "", "reqps", nil),
		q(`sum by (method, code) (rate(meridian_rpc_server_duration_seconds_count{`+sel+`, code!="ok"}[$__rate_interval]))`, "{{method}} {{code}}"))
	b.add(8, 10, graph("Duration p50 and p99", "", "s", nil),
		q(`histogram_quantile(0.5, sum by (method, le) (rate(meridian_rpc_server_duration_seconds_bucket{`+sel+`, method!="WatchOrder"}[$__rate_interval])))`, "{{method}} p50"),
		traced(`histogram_quantile(0.99, sum by (method, le) (rate(meridian_rpc_server_duration_seconds_bucket{`+sel+`, method!="WatchOrder"}[$__rate_interval])))`, "{{method}} p99"))
	b.add(24, 10, heat("Duration", "Of all chosen calls but watches; magenta points are single requests and lead to their traces.", "s"),
		traced(`sum by (le) (rate(meridian_rpc_server_duration_seconds_bucket{`+sel+`, method!="WatchOrder"}[$__rate_interval]))`, "{{le}}"))
	b.row("Under way")
	b.add(12, 8, graph("Calls and streams", "", "none", nil), q(`sum by (method) (meridian_rpc_server_in_flight{`+sel+`})`, "{{method}}"))
	b.add(12, 8, graph("Payment provider", "The sandbox provider's own answers, where it is scraped.", "reqps", nil),
		q(`sum by (method, code) (rate(meridian_http_server_duration_seconds_count[$__rate_interval]))`, "{{method}} {{code}}"))
	return b
}
