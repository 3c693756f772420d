package observetest

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Where things are, from the root of the repository.
const (
	RuleFiles      = "deploy/prometheus/rules"
	DashboardFiles = "deploy/grafana/dashboards"
	Runbooks       = "docs/runbooks"
	ReferenceFile  = "docs/reference/metrics.md"
)

// global is the folder of rules that need the series of all regions.
const global = "global"

// RunbookURL is what the runbook_url of every alert begins with; the name of a file in Runbooks follows.
const RunbookURL = "https://github.com/meridian-commerce/meridian/blob/main/" + Runbooks + "/"

// Rule is a recording or an alerting rule.
type Rule struct {
	File        string            // below RuleFiles
	Global      bool              // whether it needs the series of all regions
	Record      string            `yaml:"record"`
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

// Rules reads every rule file of a repository: those of a region's own Prometheus in the order of their names, then those
// of where all regions come together; recording rules first.
func Rules(root fs.FS) ([]Rule, error) {
	var names []string
	for _, folder := range []string{RuleFiles, RuleFiles + "/" + global} {
		found, err := fs.Glob(root, folder+"/*.yml")
		if err != nil || len(found) == 0 {
			return nil, fmt.Errorf("observe: %d rule files in %s (%w)", len(found), folder, err)
		}
		names = append(names, found...)
	}
	var records, alerts []Rule
	for _, name := range names {
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return nil, fmt.Errorf("observe: %w", err)
		}
		var file struct {
			Groups []struct {
				Rules []Rule `yaml:"rules"`
			} `yaml:"groups"`
		}
		if err := yaml.Unmarshal(text, &file); err != nil {
			return nil, fmt.Errorf("observe: %s: %w", name, err)
		}
		for _, g := range file.Groups {
			for _, r := range g.Rules {
				r.File = strings.TrimPrefix(name, RuleFiles+"/")
				r.Global = path.Dir(r.File) == global
				if r.Record != "" {
					records = append(records, r)
				} else {
					alerts = append(alerts, r)
				}
			}
		}
	}
	return append(records, alerts...), nil
}

// Query returns what the rule asks.
func (r Rule) Query() Query {
	q := Query{Where: r.File + ": " + r.Alert + r.Record, Expr: r.Expr, Record: r.Record, Adds: slices.Collect(maps.Keys(r.Labels))}
	for _, name := range slices.Sorted(maps.Keys(r.Annotations)) {
		q.Texts = append(q.Texts, r.Annotations[name])
	}
	return q
}

// RunbookOf returns the file name of the alert's runbook, or "".
func (r Rule) RunbookOf() string {
	name, ok := strings.CutPrefix(r.Annotations["runbook_url"], RunbookURL)
	if !ok {
		return ""
	}
	return name
}

// headings are what every runbook has, in this order.
var headings = []string{"## Meaning", "## Impact", "## First look", "## Mitigation", "## Follow-up"}

// CheckAlerts holds the alerts against what each must have, and against the runbooks, which must each be named by an
// alert and name those alerts.
func CheckAlerts(root fs.FS, rules []Rule) ([]Finding, error) {
	var out []Finding
	alerts := map[string][]string{} // by runbook
	for _, r := range rules {
		if r.Alert == "" {
			continue
		}
		where := r.File + ": " + r.Alert
		if s := r.Labels["severity"]; s != "page" && s != "ticket" {
			out = append(out, Finding{where, fmt.Sprintf("severity %q is neither page nor ticket", s)})
		}
		for _, name := range []string{"summary", "description"} {
			if r.Annotations[name] == "" {
				out = append(out, Finding{where, "it has no " + name})
			}
		}
		book := r.RunbookOf()
		if book == "" {
			out = append(out, Finding{where, "it has no runbook_url that begins with " + RunbookURL})
			continue
		}
		if !slices.Contains(alerts[book], r.Alert) {
			alerts[book] = append(alerts[book], r.Alert)
		}
	}
	books, err := checkRunbooks(root, alerts)
	return append(out, books...), err
}

func checkRunbooks(root fs.FS, alerts map[string][]string) ([]Finding, error) {
	var out []Finding
	names, err := fs.Glob(root, Runbooks+"/*.md")
	if err != nil {
		return nil, fmt.Errorf("observe: %w", err)
	}
	for _, name := range names {
		base := path.Base(name)
		if base != "README.md" && alerts[base] == nil {
			out = append(out, Finding{name, "no alert names this runbook"})
		}
	}
	for _, book := range slices.Sorted(maps.Keys(alerts)) {
		name := Runbooks + "/" + book
		if !slices.Contains(names, name) {
			out = append(out, Finding{name, "this runbook of " + strings.Join(alerts[book], ", ") + " is missing"})
			continue
		}
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return nil, fmt.Errorf("observe: %w", err)
		}
		out = append(out, checkRunbook(name, string(text), alerts[book])...)
	}
	return out, nil
}

func checkRunbook(name, text string, alerts []string) []Finding {
	var out []Finding
	for _, a := range alerts {
		if !strings.Contains(text, "`"+a+"`") {
			out = append(out, Finding{name, "it does not speak of " + a + ", which names it"})
		}
	}
	rest := text
	for _, h := range headings {
		_, after, ok := strings.Cut(rest, "\n"+h+"\n")
		if !ok {
			return append(out, Finding{name, fmt.Sprintf("it has no %q in its place", h)})
		}
		rest = after
	}
	return out
}

// promqlBlock is a fenced block of PromQL, one expression to a line.
var promqlBlock = regexp.MustCompile("(?ms)^```promql\n(.*?)^```")

// RunbookQueries returns the queries that runbooks, and other documents of the given patterns, tell a reader to make.
func RunbookQueries(root fs.FS, patterns ...string) ([]Query, error) {
	var out []Query
	for _, pattern := range patterns {
		names, err := fs.Glob(root, pattern)
		if err != nil {
			return nil, fmt.Errorf("observe: %w", err)
		}
		for _, name := range names {
			text, err := fs.ReadFile(root, name)
			if err != nil {
				return nil, fmt.Errorf("observe: %w", err)
			}
			for _, block := range promqlBlock.FindAllStringSubmatch(string(text), -1) {
				for line := range strings.SplitSeq(strings.TrimSpace(block[1]), "\n") {
					if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
						out = append(out, Query{Where: name + ": " + line, Expr: line})
					}
				}
			}
		}
	}
	return out, nil
}
