package observetest

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/meridian-commerce/meridian/regions"
)

// Repository is everything in a repository that asks for metrics.
type Repository struct {
	Rules      []Rule
	Dashboards []Dashboard
	Documents  []Query // the queries that documents tell their readers to make
}

// Load reads a repository.
func Load(root fs.FS) (Repository, error) {
	var r Repository
	var err error
	if r.Rules, err = Rules(root); err != nil {
		return r, err
	}
	if r.Dashboards, err = Dashboards(root); err != nil {
		return r, err
	}
	r.Documents, err = RunbookQueries(root, Runbooks+"/*.md", "docs/how-to/observe.md", "docs/explanation/slo.md")
	return r, err
}

// Queries returns all that is asked, what is recorded first.
func (r Repository) Queries() []Query {
	var out []Query
	for _, rule := range r.Rules {
		out = append(out, rule.Query())
	}
	for _, d := range r.Dashboards {
		out = append(out, d.Queries()...)
	}
	return append(out, r.Documents...)
}

// CheckAll holds a repository against the metrics that exist and the regions of a catalog, and returns all that is
// wrong with it. An error means that the check could not be made.
func CheckAll(ctx context.Context, root fs.FS, parse Parser, schema Schema, c *regions.Set) ([]Finding, error) {
	r, err := Load(root)
	if err != nil {
		return nil, err
	}
	out, err := Check(ctx, parse, schema.With(Foreign()...), r.Queries())
	if err != nil {
		return nil, err
	}
	alerts, err := CheckAlerts(root, r.Rules)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, n := range c.Names() {
		names = append(names, string(n))
	}
	out = append(append(out, alerts...), CheckDashboards(r.Dashboards, names)...)
	out = append(out, checkRegions(r.Rules, names)...)
	text, err := fs.ReadFile(root, CollectorFile)
	if err != nil {
		return nil, fmt.Errorf("observe: %w", err)
	}
	connected, err := CheckCollector(text)
	return append(out, connected...), err
}

// checkRegions finds regions that the rules which name one leave out.
func checkRegions(rules []Rule, regions []string) []Finding {
	named := map[string]map[string]bool{} // rule → regions
	for _, r := range rules {
		if region := r.Labels["region"]; region != "" {
			name := r.Record + r.Alert
			if named[name] == nil {
				named[name] = map[string]bool{}
			}
			named[name][region] = true
		}
	}
	var out []Finding
	for _, name := range []string{"meridian:region_info", "RegionUnobserved", "RegionWithoutStacks"} {
		for _, region := range regions {
			if !named[name][region] {
				out = append(out, Finding{RuleFiles + ": " + name, "there is none for " + region})
			}
		}
	}
	return out
}
