package observetest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/meridian-commerce/meridian/internal/deploy/deploytest"
	"github.com/meridian-commerce/meridian/internal/deploy/observetest"
	"github.com/meridian-commerce/meridian/regions"
)

// parts is all that is checked.
var parts = []string{
	"deploy/prometheus", "deploy/grafana", "deploy/otel", observetest.Runbooks, observetest.ReferenceFile, "docs/how-to/observe.md", "docs/explanation/slo.md",
}

// check holds a tree against the metrics that its reference lists.
func check(t *testing.T, root string, c *regions.Set) []observetest.Finding {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(observetest.ReferenceFile)))
	if err != nil {
		t.Fatal(err)
	}
	schema, err := observetest.ParseReference(string(text))
	if err != nil {
		t.Fatal(err)
	}
	found, err := observetest.CheckAll(t.Context(), os.DirFS(root), observetest.Promast(deploytest.Tool(t, "promast")), schema, c)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestEverythingAsksForWhatExists(t *testing.T) {
	t.Parallel()
	for _, f := range check(t, deploytest.Root(t), regions.Default()) {
		t.Error(f)
	}
}

// TestPlantedMistakes plants each kind of mistake and expects to be told of it.
func TestPlantedMistakes(t *testing.T) {
	t.Parallel()
	const dashboards, rules = observetest.DashboardFiles, observetest.RuleFiles
	for name, m := range map[string]struct{ file, old, with, want string }{
		"a dashboard on no metric":     {dashboards + "/meridian-cache.json", "rate(meridian_cache_outdated_fills_total{", "rate(meridian_cache_outdated_fill_total{", "no metric that anybody exposes"},
		"a rule on no metric":          {rules + "/cache.yml", "(meridian_cache_breaker_state)", "(meridian_cache_state)", "no metric that anybody exposes"},
		"a matcher of no label":        {dashboards + "/meridian-business.json", `state=\"declined\"`, `status=\"declined\"`, "has no label status"},
		"a sum by no label":            {rules + "/events.yml", "max by (home) (meridian_outbox_oldest_open_seconds) > 600", "max by (region) (meridian_outbox_oldest_open_seconds) > 600", "by or without region"},
		"a legend of no label":         {dashboards + "/meridian-events.json", `"legendFormat": "{{consumer}} {{type}} {{outcome}}"`, `"legendFormat": "{{consumer}} {{type}} {{result}}"`, "names the label result"},
		"a summary of no label":        {rules + "/cache.yml", "{{ $labels.instance }} does without Redis", "{{ $labels.region }} does without Redis", "names the label region"},
		"two sides that never meet":    {rules + "/database.yml", "/ (sum by (cloud_region) (rate(meridian_sql_acquire_waits_total[5m])) > 0)", "/ (sum by (instance) (rate(meridian_sql_acquire_waits_total[5m])) > 0)", "can match nothing"},
		"a rate of a gauge":            {dashboards + "/meridian-edge.json", `"expr": "meridian_edge_requests_in_flight{`, `"expr": "rate(meridian_edge_requests_in_flight[5m]) + meridian_edge_requests_in_flight{`, "which is a gauge"},
		"no buckets":                   {dashboards + "/meridian-edge.json", "sum by (route, le) (rate(meridian_edge_request_duration_seconds_bucket", "sum by (route) (rate(meridian_edge_request_duration_seconds_bucket", "without le"},
		"a rule that is no PromQL":     {rules + "/operations.yml", "min by (cloud_region) (consul_autopilot_healthy)", "min by cloud_region) (consul_autopilot_healthy)", "parse error"},
		"an alert without a runbook":   {rules + "/cache.yml", "          runbook_url: https://github.com/meridian-commerce/meridian/blob/main/docs/runbooks/cache-down.md\n      - alert: CacheHitRatioLow", "      - alert: CacheHitRatioLow", "no runbook_url"},
		"a runbook that is not there":  {rules + "/edge.yml", "runbooks/edge-panic.md", "runbooks/edge-panics.md", "is missing"},
		"a runbook of another alert":   {observetest.Runbooks + "/edge-panic.md", "Alerts: `EdgePanicMode`", "Alerts: `EdgePanic`", "does not speak of EdgePanicMode"},
		"a runbook without mitigation": {observetest.Runbooks + "/edge-panic.md", "## Mitigation", "## What to do", "has no \"## Mitigation\""},
		"a runbook's query":            {observetest.Runbooks + "/cache-down.md", "max by (cloud_region, instance) (meridian_cache_breaker_state)", "max by (cloud_region, instance) (meridian_cache_breaker)", "no metric that anybody exposes"},
		"a severity of its own":        {rules + "/cache.yml", "for: 2m\n        labels: {severity: ticket}", "for: 2m\n        labels: {severity: warning}", "neither page nor ticket"},
		"regions that are a list":      {dashboards + "/meridian-edge.json", "label_values(meridian:region_info, region)", "label_values(meridian_build_info, cloud_region)", "variable region is not the query"},
		"a region on a dashboard":      {dashboards + "/meridian-region.json", `"title": "Memory"`, `"title": "Memory of eu-west-1"`, "names the region eu-west-1"},
		"a dashboard of another name":  {dashboards + "/meridian-cache.json", `"uid": "meridian-cache"`, `"uid": "meridian-caches"`, "its uid is meridian-caches"},
		"two dashboards of one name":   {dashboards + "/meridian-cache.json", `"uid": "meridian-cache"`, `"uid": "meridian-edge"`, "is another dashboard's too"},
		"two panels of one id":         {dashboards + "/meridian-cache.json", `"id": 2,`, `"id": 1,`, "two panels have the id 1"},
		"a panel over another":         {dashboards + "/meridian-global.json", "\"h\": 13,\n        \"w\": 14,", "\"h\": 13,\n        \"w\": 15,", "lies over Regions"},
		"two queries of one name":      {dashboards + "/meridian-global.json", `"refId": "E"`, `"refId": "D"`, `has two queries or a query without a name: "D"`},
		"exemplars of no buckets":      {dashboards + "/meridian-services.json", `histogram_quantile(0.99, sum by (method, le) (rate(meridian_rpc_server_duration_seconds_bucket{`, `sum by (method) (rate(meridian_rpc_server_duration_seconds_count{`, "has exemplars and no buckets"},
		"a heat map of lines":          {dashboards + "/meridian-services.json", `"format": "heatmap"`, `"format": "time_series"`, "another kind than a heatmap shows"},
		"a region without a place":     {rules + "/regions.yml", "labels: {region: eu-west-1, city:", "labels: {region: eu-west-2, city:", "there is none for eu-west-1"},
		"a link to nowhere":            {dashboards + "/meridian-global.json", "/d/meridian-region?", "/d/meridian-regions?", "does not exist"},
		"a unit of its own":            {dashboards + "/meridian-global.json", "\"unit\": \"s\"", "\"unit\": \"secs\"", "Grafana does not know"},
		"a variable of no board":       {dashboards + "/meridian-services.json", "\"name\": \"service\"", "\"name\": \"services\"", "uses the variable service"},
		"an exporter of no name":       {observetest.CollectorFile, "receivers: [otlp]", "receivers: [oltp]", "receivers oltp is used and not defined"},
		"a processor without use":      {observetest.CollectorFile, "[memory_limiter, resource, ", "[memory_limiter, ", "processors resource is defined and not used"},
		"a batch that is thinned":      {observetest.CollectorFile, "probabilistic_sampler, batch]", "batch, probabilistic_sampler]", "does not end with batch"},
		"a default of no name":         {observetest.CollectorFile, "EXPORTER:-debug}", "EXPORTER:-log}", "exporters log is used and not defined"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := deploytest.Copy(t, parts...)
			deploytest.Replace(t, filepath.Join(root, filepath.FromSlash(m.file)), m.old, m.with)
			found := check(t, root, regions.Default())
			for _, f := range found {
				if strings.Contains(f.String(), m.want) {
					return
				}
			}
			t.Errorf("nothing found says %q: %v", m.want, found)
		})
	}
}

func TestARunbookThatNoAlertNames(t *testing.T) {
	t.Parallel()
	root := deploytest.Copy(t, parts...)
	if err := os.WriteFile(filepath.Join(root, "docs", "runbooks", "forgotten.md"), []byte("# Forgotten\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	found := check(t, root, regions.Default())
	if len(found) != 1 || !strings.Contains(found[0].String(), "forgotten.md: no alert names this runbook") {
		t.Errorf("found %v", found)
	}
}

// TestAFourthRegionIsMissed: files of three regions are not enough for a catalog of four.
func TestAFourthRegionIsMissed(t *testing.T) {
	t.Parallel()
	c, err := regions.Parse(deploytest.FourRegions(t))
	if err != nil {
		t.Fatal(err)
	}
	missed := map[string]bool{}
	for _, f := range check(t, deploytest.Root(t), c) {
		if !strings.Contains(f.What, "sa-east-1") {
			t.Error(f)
		}
		missed[f.Where] = true
	}
	if len(missed) != 3 {
		t.Errorf("three rules name regions; found %v", missed)
	}
}

// TestDashboardsFitGrafanasSchema holds every field against the types that Grafana publishes, and plants fields that they lack.
func TestDashboardsFitGrafanasSchema(t *testing.T) {
	t.Parallel()
	check := deploytest.Tool(t, "dashcheck")
	root := deploytest.Copy(t, observetest.DashboardFiles)
	dir := filepath.Join(root, filepath.FromSlash(observetest.DashboardFiles))
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	if out, err := deploytest.Run(t.Context(), root, check, files...); err != nil || len(files) != 8 {
		t.Errorf("%d dashboards: %v\n%s", len(files), err, out)
	}
	for _, m := range [][2]string{
		{`"graphTooltip": 1`, `"graphTooltips": 1`},
		{`"type": "geomap"`, `"type": "geomap", "gridpos": {}`},
		{`"mouseWheelZoom": false`, `"mouseWheelZoom": "no"`},
		{`"latitude": "lat"`, `"lat": "lat"`},
	} {
		global := filepath.Join(dir, "meridian-global.json")
		before, err := os.ReadFile(global)
		if err != nil {
			t.Fatal(err)
		}
		deploytest.Replace(t, global, m[0], m[1])
		if out, err := deploytest.Run(t.Context(), root, check, global); err == nil {
			t.Errorf("%s was accepted:\n%s", m[1], out)
		}
		if err := os.WriteFile(global, before, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
