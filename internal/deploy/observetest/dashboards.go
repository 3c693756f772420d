package observetest

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Dashboard is the part of a Grafana dashboard that is checked.
type Dashboard struct {
	File       string
	UID        string
	Title      string
	Templating struct {
		List []struct{ Name, Type, Query string }
	}
	Annotations struct {
		List []struct{ Name, Expr, TitleFormat, TextFormat string }
	}
	Panels []Panel
	text   string
}

// Panel is the part of a panel that is checked.
type Panel struct {
	ID      int
	Type    string
	Title   string
	GridPos struct{ H, W, X, Y int }
	Targets []struct {
		RefID, Expr, LegendFormat, Format string
		Range, Instant, Exemplar          bool
		Datasource                        struct{ UID string }
	}
	FieldConfig struct {
		Defaults struct {
			Unit  string
			Links []struct{ URL string }
		}
	}
}

// Dashboards reads every dashboard of a repository.
func Dashboards(root fs.FS) ([]Dashboard, error) {
	names, err := fs.Glob(root, DashboardFiles+"/*.json")
	if err != nil || len(names) == 0 {
		return nil, fmt.Errorf("observe: %d dashboards in %s (%w)", len(names), DashboardFiles, err)
	}
	var out []Dashboard
	for _, name := range names {
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return nil, fmt.Errorf("observe: %w", err)
		}
		d := Dashboard{File: path.Base(name), text: string(text)}
		if err := json.Unmarshal(text, &d); err != nil {
			return nil, fmt.Errorf("observe: %s: %w", name, err)
		}
		out = append(out, d)
	}
	return out, nil
}

// labelValues is the query of a variable that offers the values of a label.
var labelValues = regexp.MustCompile(`^label_values\((.+), ([a-z_]+)\)$`)

// Queries returns what the dashboard asks, its variables and annotations included.
func (d Dashboard) Queries() []Query {
	var out []Query
	for _, v := range d.Templating.List {
		if v.Type != "query" {
			continue
		}
		q := Query{Where: d.File + ": variable " + v.Name, Expr: v.Query}
		if m := labelValues.FindStringSubmatch(v.Query); m != nil {
			q.Expr = m[1]
			q.Texts = []string{"{{" + m[2] + "}}"}
		}
		out = append(out, q)
	}
	for _, a := range d.Annotations.List {
		out = append(out, Query{Where: d.File + ": annotation " + a.Name, Expr: a.Expr, Texts: []string{a.TitleFormat, a.TextFormat}})
	}
	for _, p := range d.Panels {
		for _, t := range p.Targets {
			out = append(out, Query{Where: d.File + ": " + p.Title + " " + t.RefID, Expr: t.Expr, Texts: []string{t.LegendFormat}})
		}
	}
	return out
}

// everyRegion offers the regions of the catalog: the rules record a place for each, also while it cannot be scraped.
const everyRegion = "label_values(meridian:region_info, region)"

// units is the units that the dashboards use, by Grafana's names for them.
var units = []string{"none", "reqps", "ops", "s", "ns", "percentunit", "percent", "bytes", "bool_yes_no"}

var (
	variableUse   = regexp.MustCompile(`\$\{?([a-zA-Z_]+)`)
	dashboardLink = regexp.MustCompile(`/d/([a-z-]+)`)
)

// CheckDashboards finds what of the dashboards does not hold together: identifiers that are used twice, panels that
// overlap, queries of another kind than their panel shows, units and variables that do not exist, links that lead nowhere,
// and regions, which a dashboard asks for and never names.
func CheckDashboards(all []Dashboard, regions []string) []Finding {
	var out []Finding
	uids := map[string]bool{}
	for _, d := range all {
		if uids[d.UID] {
			out = append(out, Finding{d.File, "its uid " + d.UID + " is another dashboard's too"})
		}
		uids[d.UID] = true
	}
	for _, d := range all {
		out = append(out, d.check(regions)...)
		for _, m := range dashboardLink.FindAllStringSubmatch(d.text, -1) {
			if !uids[m[1]] {
				out = append(out, Finding{d.File, "it links to the dashboard " + m[1] + ", which does not exist"})
			}
		}
	}
	return out
}

func (d Dashboard) check(regions []string) []Finding {
	var out []Finding
	say := func(format string, args ...any) { out = append(out, Finding{d.File, fmt.Sprintf(format, args...)}) }
	known := map[string]bool{}
	for _, v := range d.Templating.List {
		known[v.Name] = true
		if v.Name == "region" && (v.Type != "query" || v.Query != everyRegion) {
			say("its variable region is not the query %s", everyRegion)
		}
	}
	if !known["region"] {
		say("it has no variable region")
	}
	if d.UID+".json" != d.File {
		say("its uid is %s", d.UID)
	}
	for _, r := range regions {
		if strings.Contains(d.text, r) {
			say("it names the region %s", r)
		}
	}
	for _, m := range variableUse.FindAllStringSubmatch(d.text, -1) {
		if !known[m[1]] && !strings.HasPrefix(m[1], "__") {
			say("it uses the variable %s, which it does not have", m[1])
		}
	}
	ids := map[int]bool{}
	for i, p := range d.Panels {
		if ids[p.ID] {
			say("two panels have the id %d", p.ID)
		}
		ids[p.ID] = true
		if p.Type != "row" && len(p.Targets) == 0 {
			say("%s asks nothing", p.Title)
		}
		if u := p.FieldConfig.Defaults.Unit; u != "" && !slices.Contains(units, u) {
			say("%s has the unit %s, which Grafana does not know", p.Title, u)
		}
		for _, wrong := range p.asks() {
			say("%s %s", p.Title, wrong)
		}
		if p.GridPos.X+p.GridPos.W > 24 {
			say("%s is wider than the page", p.Title)
		}
		for _, other := range d.Panels[:i] {
			if p.overlaps(other) {
				say("%s lies over %s", p.Title, other.Title)
			}
		}
	}
	return out
}

// asks finds what is wrong with how a panel asks: graphs show a range of time, tables and maps one moment as a table.
func (p Panel) asks() []string {
	var out []string
	ids := map[string]bool{}
	for _, t := range p.Targets {
		if ids[t.RefID] || t.RefID == "" {
			out = append(out, fmt.Sprintf("has two queries or a query without a name: %q", t.RefID))
		}
		ids[t.RefID] = true
		if t.Datasource.UID != "${datasource}" {
			out = append(out, t.RefID+" asks another source than the chosen one")
		}
		if t.Exemplar && !strings.Contains(t.Expr, "_bucket") {
			out = append(out, t.RefID+" has exemplars and no buckets")
		}
		moment := p.Type == "table" || p.Type == "geomap"
		if t.Instant != moment || t.Range == moment || moment && t.Format != "table" || p.Type == "heatmap" && t.Format != "heatmap" {
			out = append(out, t.RefID+" is a query of another kind than a "+p.Type+" shows")
		}
	}
	return out
}

func (p Panel) overlaps(o Panel) bool {
	a := p.GridPos
	b := o.GridPos
	return a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H
}
