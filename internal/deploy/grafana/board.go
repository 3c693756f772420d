package grafana

import (
	"strings"

	"github.com/meridian-commerce/meridian/regions"
)

const (
	columns = 24
	tag     = "meridian"
)

// board is a dashboard under construction. Panels flow from left to right and from top to bottom.
type board struct {
	dashboard
	x, y, height int
}

// query is an expression of a panel.
type query struct {
	expr, legend string
	exemplars    bool // show the traces of single requests
}

// q returns a query; a legend names labels in double braces.
func q(expr, legend string) query { return query{expr: expr, legend: legend} }

// traced returns a query of a histogram whose buckets have exemplars.
func traced(expr, legend string) query { return query{expr, legend, true} }

var prom = source{"prometheus", "${datasource}"}

func newBoard(c *regions.Set, name, title, description string, withInstance bool) *board {
	b := &board{dashboard: dashboard{
		UID: "meridian-" + name, Title: "Meridian / " + title, Description: description, Tags: []string{tag}, SchemaVersion: schemaVersion,
		GraphTooltip: 1, Refresh: "10s", Time: timeRange{"now-1h", "now"}, Timezone: "browser",
		Templating: templating{[]variable{
			{Type: "datasource", Name: "datasource", Label: "Prometheus", Query: "prometheus", Current: &currentChoice{"Prometheus", "meridian-prometheus"}},
			regionVariable(c),
		}},
		Annotations: annotations{[]annotation{{
			Name: "Alerts", Datasource: prom, Enable: true, IconColor: "red", Expr: `ALERTS{alertstate="firing", severity="page"}`,
			TitleFormat: "{{alertname}}", TextFormat: "{{region}} {{home}} {{cloud_region}} {{instance}}", TagKeys: "severity", Step: "30s",
		}}},
		Links: []link{{Type: "dashboards", Title: "Meridian", Icon: "external link", Tags: []string{tag}, AsDropdown: true, IncludeVars: true, KeepTime: true}},
	}}
	if withInstance {
		b.Templating.List = append(b.Templating.List, variable{
			Type: "query", Name: "instance", Label: "Instance", Query: `label_values(meridian_build_info{cloud_region=~"$region"}, instance)`,
			Datasource: &prom, Refresh: 2, Multi: true, IncludeAll: true, AllValue: ".*", Current: &currentChoice{[]string{"All"}, []string{"$__all"}},
		})
	}
	return b
}

// regionVariable offers the regions of the catalog.
func regionVariable(c *regions.Set) variable {
	v := variable{
		Type: "custom", Name: "region", Label: "Region", Multi: true, IncludeAll: true, AllValue: ".*",
		Current: &currentChoice{[]string{"All"}, []string{"$__all"}}, Options: []choice{{"All", "$__all", true}},
	}
	var names []string
	for _, r := range c.All() {
		names = append(names, string(r.Name))
		v.Options = append(v.Options, choice{string(r.Name), string(r.Name), false})
	}
	v.Query = strings.Join(names, ",")
	return v
}

// row begins a new row of panels under a heading.
func (b *board) row(title string) {
	b.y += b.height
	b.x = 0
	b.height = 0
	open := false
	b.Panels = append(b.Panels, panel{
		ID: len(b.Panels) + 1, Type: "row", Title: title, GridPos: gridPos{1, columns, 0, b.y}, Collapsed: &open, Panels: &[]panel{},
	})
	b.y++
}

// add places a panel.
func (b *board) add(w, h int, p panel, queries ...query) {
	if b.x+w > columns {
		b.y += b.height
		b.x = 0
		b.height = 0
	}
	p.ID = len(b.Panels) + 1
	p.GridPos = gridPos{h, w, b.x, b.y}
	p.Datasource = &prom
	b.x += w
	b.height = max(b.height, h)
	for i, one := range queries {
		t := target{RefID: string(rune('A' + i)), Datasource: prom, Expr: one.expr, LegendFormat: one.legend, Exemplar: one.exemplars, EditorMode: "code"}
		switch p.Type {
		case "timeseries", "heatmap", "state-timeline":
			t.Range = true
		case "stat":
			t.Range = true
		default:
			t.Instant = true
			t.Format = "table"
		}
		if p.Type == "heatmap" {
			t.Format = "heatmap"
		}
		p.Targets = append(p.Targets, t)
	}
	b.Panels = append(b.Panels, p)
}
