package observetest

// Foreign returns the metrics of other products that dashboards and alerts use, by the names that those products'
// documentation gives them: no test here can scrape them. The labels are those that are used.
func Foreign() []Metric {
	var out []Metric
	for _, source := range []struct {
		why     string
		metrics []Metric
	}{
		{"Prometheus adds them itself: https://prometheus.io/docs/concepts/jobs_instances/ and …/prometheus/latest/configuration/alerting_rules/", []Metric{
			{Name: "up", Kind: Gauge},
			{Name: "ALERTS", Kind: Gauge, Labels: []string{"alertname", "alertstate", "home", "region", "severity", "slo"}},
		}},
		{"CockroachDB, https://www.cockroachlabs.com/docs/stable/metrics: dots become underscores at /_status/vars. Where PostgreSQL is the engine there are none.", []Metric{
			{Name: "seconds_until_license_expiry", Kind: Gauge},
			{Name: "ranges", Kind: Gauge, Labels: []string{"store"}},
			{Name: "replicas_leaders", Kind: Gauge, Labels: []string{"store"}},
			{Name: "ranges_unavailable", Kind: Gauge, Labels: []string{"store"}},
			{Name: "ranges_underreplicated", Kind: Gauge, Labels: []string{"store"}},
			{Name: "capacity", Kind: Gauge, Labels: []string{"store"}},
			{Name: "capacity_available", Kind: Gauge, Labels: []string{"store"}},
			{Name: "liveness_livenodes", Kind: Gauge},
			{Name: "schedules_BACKUP_last_completed_time", Kind: Gauge},
			{Name: "security_certificate_expiration_node", Kind: Gauge},
			{Name: "security_certificate_expiration_ca", Kind: Gauge},
			{Name: "sql_conns", Kind: Gauge},
			{Name: "sql_txn_commit_count", Kind: Counter},
			{Name: "sql_txn_abort_count", Kind: Counter},
			{Name: "sql_service_latency", Kind: Histogram},
		}},
		{"Consul, https://developer.hashicorp.com/consul/docs/reference/agent/telemetry: dots become underscores in Prometheus's format", []Metric{
			{Name: "consul_autopilot_healthy", Kind: Gauge},
			{Name: "consul_agent_tls_cert_expiry", Kind: Gauge},
		}},
		{"kube-state-metrics, https://github.com/kubernetes/kube-state-metrics/tree/main/docs/metrics/workload", []Metric{
			{Name: "kube_job_status_failed", Kind: Gauge, Labels: []string{"job_name"}},
			{Name: "kube_job_status_start_time", Kind: Gauge, Labels: []string{"job_name"}},
			{Name: "kube_cronjob_created", Kind: Gauge, Labels: []string{"cronjob"}},
			{Name: "kube_cronjob_status_last_successful_time", Kind: Gauge, Labels: []string{"cronjob"}},
		}},
		{"Prometheus of itself: https://prometheus.io/docs/practices/remote_write/, and storage/remote of its source", []Metric{
			{Name: "prometheus_remote_storage_queue_highest_sent_timestamp_seconds", Kind: Gauge, Labels: []string{"remote_name", "url"}},
		}},
		{"OpenTelemetry collector, https://opentelemetry.io/docs/collector/internal-telemetry/: Prometheus's format adds _total to counters", []Metric{
			{Name: "otelcol_exporter_send_failed_spans_total", Kind: Counter, Labels: []string{"exporter"}},
		}},
	} {
		for _, m := range source.metrics {
			m.Help = source.why
			out = append(out, m)
		}
	}
	return out
}
