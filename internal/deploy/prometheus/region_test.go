package prometheus_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/meridian-commerce/meridian/internal/deploy/deploytest"
	"github.com/meridian-commerce/meridian/internal/deploy/observetest"
	"github.com/meridian-commerce/meridian/internal/deploy/prometheus"
	"github.com/meridian-commerce/meridian/regions"
)

// elsewhere lists what no target of a region exposes, and who does.
func elsewhere() map[string]string {
	return map[string]string{
		"meridian_audit_violated":                    "the node exporter of a machine on which the audit runs, without Kubernetes",
		"meridian_audit_completed_timestamp_seconds": "the same",
	}
}

// series are the series that a file of rules' tests has, by metric and labels.
type series struct {
	Metric string
	Labels map[string]string
}

var labelOf = regexp.MustCompile(`(\w+)="([^"]*)"`)

func inputs(t *testing.T, file string) []series {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(deploytest.Root(t), folder, "tests", file))
	if err != nil {
		t.Fatal(err)
	}
	var tests struct {
		Tests []struct {
			Input []struct{ Series string } `yaml:"input_series"`
		}
	}
	if err := yaml.Unmarshal(text, &tests); err != nil {
		t.Fatal(err)
	}
	var out []series
	for _, one := range tests.Tests {
		for _, in := range one.Input {
			s := series{Labels: map[string]string{}}
			s.Metric, _, _ = strings.Cut(in.Series, "{")
			for _, m := range labelOf.FindAllStringSubmatch(in.Series, -1) {
				s.Labels[m[1]] = m[2]
			}
			out = append(out, s)
		}
	}
	if len(out) == 0 {
		t.Fatalf("%s has no series", file)
	}
	return out
}

// foreign returns the series that no target of one region has.
func foreign(all []series) []series {
	var jobs []string
	for _, j := range prometheus.Jobs() {
		jobs = append(jobs, j.Name)
	}
	var out []series
	for _, s := range all {
		if s.Labels["cloud_region"] != "eu-west-1" || !slices.Contains(jobs, s.Labels["job"]) && elsewhere()[s.Metric] == "" {
			out = append(out, s)
		}
	}
	return out
}

// TestRegionsAreAlone: what a region's own Prometheus evaluates is tested with what the targets of one region tell, which the
// overlays of deploy/k8s are held to by a test of theirs.
func TestRegionsAreAlone(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"alerts.yml", "well.yml"} {
		for _, s := range foreign(inputs(t, file)) {
			t.Errorf("%s: no target of the region has %s%v", file, s.Metric, s.Labels)
		}
	}
	for _, planted := range []series{
		{"up", map[string]string{"job": "meridian-edge", "cloud_region": "us-east-1"}},
		{"up", map[string]string{"job": "redis", "cloud_region": "eu-west-1"}},
	} {
		if len(foreign([]series{planted})) == 0 {
			t.Errorf("%v is taken for a series of eu-west-1", planted.Labels)
		}
	}
}

// TestWellIsWhole: a region that is well has every job, and every metric that an alert asks for.
func TestWellIsWhole(t *testing.T) {
	t.Parallel()
	parse := observetest.Promast(deploytest.Tool(t, "promast"))
	rules, err := observetest.Rules(os.DirFS(deploytest.Root(t)))
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{"meridian:region_info": true}
	jobs := map[string]bool{}
	for _, s := range inputs(t, "well.yml") {
		there[s.Metric] = true
		jobs[s.Labels["job"]] = s.Metric == "up" || jobs[s.Labels["job"]]
	}
	for _, j := range prometheus.Jobs() {
		if !jobs[j.Name] {
			t.Errorf("nothing is up of %s", j.Name)
		}
	}
	var expressions []string
	for _, r := range rules {
		there[r.Record] = true
		expressions = append(expressions, r.Expr)
	}
	asked, err := observetest.Asked(t.Context(), parse, expressions...)
	if err != nil {
		t.Fatal(err)
	}
	if len(asked) < 40 {
		t.Errorf("the rules ask for %v, which cannot be all", asked)
	}
	for _, name := range asked {
		if !there[name] && elsewhere()[name] == "" {
			t.Errorf("nothing tells %s, which a rule asks for", name)
		}
	}
}

// TestAlertsThatNeedOtherRegions plants the alerts of all regions among those of one, where they must be found by what a
// region tells that is well.
func TestAlertsThatNeedOtherRegions(t *testing.T) {
	t.Parallel()
	dir := tree(t, regions.Default())
	planted, err := filepath.Glob(filepath.Join(dir, "rules/global/*.yml"))
	if err != nil || len(planted) < 2 {
		t.Fatalf("%d files of all regions (%v)", len(planted), err)
	}
	for _, file := range planted {
		if err := os.Rename(file, filepath.Join(dir, "rules", "planted-"+filepath.Base(file))); err != nil {
			t.Fatal(err)
		}
	}
	out, err := promtool(t, dir, "test", "rules", "tests/well.yml")
	if err == nil {
		t.Error("the tests pass")
	}
	rules, err := observetest.Rules(os.DirFS(deploytest.Root(t)))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules {
		// By the edges of one region alone nothing is partitioned, and by its nodes that made none no backup is overdue: these
		// would be wrong by silence.
		if r.Global && r.Alert != "" && r.Alert != "RegionPartitioned" && r.Alert != "BackupOverdue" && !strings.Contains(out, `alertname="`+r.Alert+`"`) {
			t.Errorf("%s does not fire where only one region is seen; it belongs there", r.Alert)
		}
	}
}

// TestResources: the operator's resources are the rules of one region, each file of them, and nothing else.
func TestResources(t *testing.T) {
	t.Parallel()
	dir := tree(t, regions.Default())
	text, err := os.ReadFile(filepath.Join(dir, "../k8s/base/rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]any{}
	for dec := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var resource struct {
			Kind     string
			Metadata struct{ Name string }
			Spec     any
		}
		if err := dec.Decode(&resource); err != nil {
			break // the end, or what the comparison shows
		}
		got[resource.Kind+" "+resource.Metadata.Name] = resource.Spec
	}
	want := map[string]any{}
	files, err := filepath.Glob(filepath.Join(dir, "rules/*.yml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var groups any
		if err := yaml.Unmarshal(text, &groups); err != nil {
			t.Fatal(err)
		}
		want["PrometheusRule "+strings.TrimSuffix(filepath.Base(file), ".yml")] = groups
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
