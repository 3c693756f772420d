package compose_test

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/meridian-commerce/meridian/internal/deploy/deploytest"
	"github.com/meridian-commerce/meridian/internal/deploy/observetest"
)

const scrapeFile = "deploy/compose/prometheus.yml"

// checkScrapes wants every target of the Prometheus configuration at root to be a service of the project that
// Prometheus reaches, labeled as dashboards and rules expect, and every process of the product to be a target.
func checkScrapes(t *testing.T, root string, p *project) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, scrapeFile))
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		ScrapeConfigs []struct {
			Job    string `yaml:"job_name"`
			Static []struct {
				Targets []string          `yaml:"targets"`
				Labels  map[string]string `yaml:"labels"`
			} `yaml:"static_configs"`
			DNS []struct {
				Names []string `yaml:"names"`
			} `yaml:"dns_sd_configs"`
			Relabel []struct {
				Target string `yaml:"target_label"`
			} `yaml:"relabel_configs"`
		} `yaml:"scrape_configs"`
	}
	if err := yaml.Unmarshal(text, &config); err != nil {
		return []string{err.Error()}
	}
	var out, hosts, labels []string
	for _, c := range config.ScrapeConfigs {
		for _, s := range c.Static {
			for _, target := range s.Targets {
				host, _, _ := net.SplitHostPort(target)
				hosts = append(hosts, host)
			}
			for name := range s.Labels {
				labels = append(labels, name)
			}
		}
		for _, d := range c.DNS {
			hosts = append(hosts, d.Names...)
		}
		for _, r := range c.Relabel {
			labels = append(labels, r.Target)
		}
	}
	for _, name := range labels {
		if !slices.Contains(observetest.TargetLabels(), name) {
			out = append(out, "no dashboard knows the label "+name)
		}
	}
	for _, host := range hosts {
		if len(p.at(p.Services["prometheus"], host)) == 0 {
			out = append(out, "Prometheus cannot reach "+host)
		}
	}
	for name, s := range p.Services {
		if (strings.HasPrefix(s.Image, "meridian:") || strings.HasPrefix(s.Image, "cockroachdb/")) && s.Restart != "no" && !slices.Contains(hosts, name) {
			out = append(out, "Prometheus does not ask "+name)
		}
	}
	return out
}

func TestPrometheusScrapesTheProject(t *testing.T) {
	t.Parallel()
	root := deploytest.Root(t)
	p, err := resolve(t, root, "full", baseFile)
	if err != nil {
		t.Fatal(err)
	}
	if out := checkScrapes(t, root, p); len(out) > 0 {
		t.Error(strings.Join(out, "\n"))
	}
	for _, tc := range []struct{ old, with, says string }{
		{`["us1-edge:9090"]`, `["us1-edges:9090"]`, "Prometheus cannot reach us1-edges"},
		{`["us1-edge:9090"]`, `["eu1-edge:9090"]`, "Prometheus does not ask us1-edge"},
		{"us1-db-3", "us1-db-4", "Prometheus cannot reach us1-db-4"},
		{"{instance: provider}", "{region: nowhere}", "no dashboard knows the label region"},
	} {
		changed := deploytest.Copy(t, scrapeFile)
		deploytest.Replace(t, filepath.Join(changed, scrapeFile), tc.old, tc.with)
		if out := checkScrapes(t, changed, p); !slices.Contains(out, tc.says) {
			t.Errorf("want %q, found:\n%s", tc.says, strings.Join(out, "\n"))
		}
	}
}

func TestPromtoolTakesTheConfiguration(t *testing.T) {
	t.Parallel()
	promtool := deploytest.Tool(t, "promtool")
	root := deploytest.Copy(t, scrapeFile, "deploy/prometheus/rules")
	file := filepath.Join(root, "deploy", "prometheus", "prometheus.yml") // beside rules, as in the container
	text, err := os.ReadFile(filepath.Join(root, scrapeFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := deploytest.Run(t.Context(), root, promtool, "check", "config", file); err != nil || strings.Contains(out, " 0 rule files") {
		t.Errorf("%v: %s", err, out)
	}
	deploytest.Replace(t, file, "rule_files:", "rules_files:")
	if out, err := deploytest.Run(t.Context(), root, promtool, "check", "config", file); err == nil {
		t.Errorf("a misspelled key passes: %s", out)
	}
}
