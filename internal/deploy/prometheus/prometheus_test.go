package prometheus_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/deploy"
	"github.com/meridian-commerce/meridian/internal/deploy/deploytest"
	"github.com/meridian-commerce/meridian/internal/deploy/observetest"
	"github.com/meridian-commerce/meridian/internal/deploy/prometheus"
	"github.com/meridian-commerce/meridian/internal/sim/topology"
	"github.com/meridian-commerce/meridian/regions"
)

const folder = "deploy/prometheus"

// tree returns a copy of the rules and their tests, with what a catalog renders; ../k8s has what it renders for the operator.
func tree(t *testing.T, c *regions.Set) string {
	t.Helper()
	root := deploytest.Copy(t, folder)
	files, err := prometheus.Render(c, os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	if err := deploy.Write(root, files); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(root, folder)
}

// promtool runs promtool on files of a tree.
func promtool(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	var expanded []string
	for _, a := range args {
		if !strings.Contains(a, "*") {
			expanded = append(expanded, a)
			continue
		}
		names, err := filepath.Glob(filepath.Join(dir, a))
		if err != nil || names == nil {
			t.Fatalf("%s: %v", a, err)
		}
		expanded = append(expanded, names...)
	}
	return deploytest.Run(t.Context(), dir, deploytest.Tool(t, "promtool"), expanded...)
}

func fourRegions(t *testing.T) *regions.Set {
	t.Helper()
	c, err := regions.Parse(deploytest.FourRegions(t))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestConfiguration(t *testing.T) {
	t.Parallel()
	dir := tree(t, fourRegions(t))
	const file = "simulation.yml"
	if out, err := promtool(t, dir, "check", "config", file); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	deploytest.Replace(t, filepath.Join(dir, file), "evaluation_interval: 5s", "evaluation_intervall: 5s")
	if out, err := promtool(t, dir, "check", "config", file); err == nil {
		t.Errorf("a misspelled setting was accepted:\n%s", out)
	}
}

// TestSimulationIsWhereTheSimulatorPutsIt compares the addresses with the simulator's own plan.
func TestSimulationIsWhereTheSimulatorPutsIt(t *testing.T) {
	t.Parallel()
	c := fourRegions(t)
	plan, err := topology.New(c, 0, 2)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(tree(t, c), "simulation.yml"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{fmt.Sprintf(`["%s"], labels: {instance: provider}`, plan.ProviderAdmin)}
	for _, r := range plan.Regions {
		want = append(want, fmt.Sprintf(`["%s"], labels: {instance: %s-edge, cloud_region: %s}`, r.EdgeAdmin, r.Name, r.Name))
		for _, s := range r.Stacks {
			want = append(want, fmt.Sprintf(`["%s"], labels: {instance: %s, cloud_region: %s}`, s.Admin, s.Name, r.Name))
		}
	}
	for _, w := range want {
		if !strings.Contains(string(text), w) {
			t.Errorf("no target %s", w)
		}
	}
	if n := strings.Count(string(text), "targets: "); n != len(want) {
		t.Errorf("%d targets, want %d", n, len(want))
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	for tests, c := range map[string]*regions.Set{
		"tests/slo*.yml": regions.Default(), "tests/alerts.yml": regions.Default(), "tests/well.yml": fourRegions(t), "tests/global.yml": fourRegions(t),
	} {
		t.Run(tests, func(t *testing.T) {
			t.Parallel()
			dir := tree(t, c)
			if out, err := promtool(t, dir, "check", "rules", "--lint-fatal", "rules/*.yml", "rules/global/*.yml"); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
			if out, err := promtool(t, dir, "test", "rules", tests); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// TestRulesTestsFind plants mistakes in rules that the rules' own tests must find. Only the group of tests is run that does.
func TestRulesTestsFind(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]struct{ file, old, with, tests, group string }{
		"syntax":          {"rules/cache.yml", "max by (cloud_region, instance) (meridian_cache_breaker_state) == 2", "max by (cloud_region, instance (meridian_cache_breaker_state) == 2", "tests/alerts.yml", "."},
		"threshold":       {"rules/edge.yml", "< 0.7", "< 0.3", "tests/alerts.yml", "regions that they speak of"},
		"another cause":   {"rules/cache.yml", `cause="credentials"`, `cause!="credentials"`, "tests/alerts.yml", "caches and the database"},
		"drained region":  {"rules/edge.yml", "unless on (region)", "and on (region)", "tests/alerts.yml", "drained"},
		"another's job":   {"rules/targets.yml", `absent(up{job="consul"} == 1)`, `absent(up{job="consuls"} == 1)`, "tests/alerts.yml", "targets"},
		"held elsewhere":  {"rules/global/alerts.yml", "sum by (home, lease) (meridian_lease_held)", "min by (home, lease) (meridian_lease_held)", "tests/global.yml", "all regions"},
		"the authority":   {"rules/edge.yml", "or security_certificate_expiration_ca - time() < 30 * 86400", "", "tests/alerts.yml", "regions that they speak of"},
		"short lives":     {"rules/edge.yml", `clamp_max(meridian_tls_certificate_lifetime_seconds{toward=~"peers|database"} / 6, 30 * 86400)`, "30 * 86400", "tests/alerts.yml", "regions that they speak of"},
		"a later audit":   {"rules/operations.yml", `> (max(kube_cronjob_status_last_successful_time{cronjob="audit"}) or vector(0))`, "> 0", "tests/alerts.yml", "audit that fails"},
		"node anew":       {"rules/global/alerts.yml", "max_over_time(schedules_BACKUP_last_completed_time[4h])", "schedules_BACKUP_last_completed_time", "tests/global.yml", "starts anew"},
		"burn rate":       {"rules/slo.yml", `ratio_rate1h{slo="availability"} > 14.4 * 0.001`, `ratio_rate1h{slo="availability"} > 144 * 0.001`, "tests/slo.yml", "fast burn"},
		"no short window": {"rules/slo.yml", `ratio_rate5m{slo="checkout-latency"} > 14.4 * 0.01`, `ratio_rate1h{slo="checkout-latency"} > 14.4 * 0.01`, "tests/slo.yml", "fast burn"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := tree(t, regions.Default())
			deploytest.Replace(t, filepath.Join(dir, m.file), m.old, m.with)
			if out, err := promtool(t, dir, "test", "rules", "--run", m.group, m.tests); err == nil || !strings.Contains(out, m.tests) {
				t.Errorf("the tests pass:\n%s", out)
			}
		})
	}
}

// TestEveryAlertIsTested: each alert is expected to fire by the rules' tests that have the series it is evaluated with, those
// of one region or of all.
func TestEveryAlertIsTested(t *testing.T) {
	t.Parallel()
	root := deploytest.Root(t)
	rules, err := observetest.Rules(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	var ofOne, ofAll string
	for name, text := range map[string]*string{"alerts": &ofOne, "slo": &ofOne, "slo-ticket": &ofOne, "global": &ofAll} {
		one, err := os.ReadFile(filepath.Join(root, folder, "tests", name+".yml"))
		if err != nil {
			t.Fatal(err)
		}
		*text += string(one)
	}
	for _, r := range rules {
		tests := map[bool]string{false: ofOne, true: ofAll}[r.Global]
		if r.Alert != "" && !strings.Contains(tests, `alertname="`+r.Alert+`"`) {
			t.Errorf("no test expects %s", r.Alert)
		}
	}
}

// TestBurnRateArithmetic holds the windows against the budget that they consume: factor × window ÷ 30 days.
func TestBurnRateArithmetic(t *testing.T) {
	t.Parallel()
	const month = 30 * 24 * time.Hour
	for _, w := range prometheus.Windows() {
		factor, err := strconv.ParseFloat(w.Factor, 64)
		if err != nil {
			t.Fatal(err)
		}
		long, err := time.ParseDuration(regexp.MustCompile(`3d`).ReplaceAllString(w.Long, "72h"))
		if err != nil {
			t.Fatal(err)
		}
		short, err := time.ParseDuration(w.Short)
		if err != nil {
			t.Fatal(err)
		}
		percent := factor * long.Hours() / month.Hours() * 100
		if want, _ := strconv.ParseFloat(strings.TrimSuffix(w.Consumed, " %"), 64); math.Abs(percent-want) > 1e-9 {
			t.Errorf("a burn rate of %s over %s uses %.1f %%, not %s", w.Factor, w.Long, percent, w.Consumed)
		}
		if long/short != 12 {
			t.Errorf("the short window of %s is %s, not a twelfth", w.Long, w.Short)
		}
	}
	var budgets []string
	for _, o := range prometheus.Objectives() {
		budgets = append(budgets, o.Name+" "+o.Percent()+" "+o.Budget())
	}
	want := []string{"availability 99.9 0.001", "latency 99 0.01", "checkout-availability 99.95 0.0005", "checkout-latency 99 0.01"}
	if diff := cmp.Diff(want, budgets); diff != "" {
		t.Error(diff)
	}
}
