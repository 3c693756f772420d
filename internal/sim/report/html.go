package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/meridian-commerce/meridian/regions"
)

//go:embed charts.html.tmpl
var chartsTemplate string

// charts draws the recovery and every region's requests and latencies over the run's time.
func (l Loss) charts() (template.HTML, error) {
	t, err := template.New("charts").Funcs(template.FuncMap{"ms": Millis, "percent": percent}).Parse(chartsTemplate)
	if err != nil {
		return "", fmt.Errorf("report: parse charts: %w", err)
	}
	var b strings.Builder
	if err := t.Execute(&b, view{Loss: l, Strips: strips(l), Split: split(l.Recovery)}); err != nil {
		return "", fmt.Errorf("report: draw charts: %w", err)
	}
	return template.HTML(b.String()), nil //nolint:gosec // G203: the template has escaped all that it was given
}

// view is what the charts show.
type view struct {
	Loss
	Strips []strip
	Split  []span
}

// Sizes of a strip's drawing, in pixels of its view box.
const (
	plotWidth, plotLeft    = 960.0, 44.0
	barsHeight, lineHeight = 70.0, 110.0
	slowest                = 20_000.0 // ms, the top of the logarithmic scale that begins at 1
)

// strip is one region's drawing: requests per second above, latencies below, over the run's time.
type strip struct {
	Region        regions.Name
	Lost          bool
	Bars          []bar
	Reads, Orders string // polyline points
	Marks         []mark
	Ticks         []tick // of time
	Scale         []tick // of latency
	Most          int    // requests in a second
}

type bar struct {
	X, Width              float64
	ServedY, ServedHeight float64
	FailedY, FailedHeight float64
	Title                 string
}

type mark struct {
	X     float64
	Class string
	Label string
}

type tick struct {
	At    float64
	Label string
}

// span is one part of the recovery's bar, in percent.
type span struct {
	Class, Label string
	Share, MS    float64
}

func strips(r Loss) []strip {
	last := 1
	most := 1
	for _, s := range r.Timeline {
		last = max(last, s.At+1)
		most = max(most, s.Requests)
	}
	x := func(second float64) float64 { return plotLeft + second/float64(last)*(plotWidth-plotLeft) }
	var out []strip
	for _, name := range slices.Sorted(maps.Keys(r.Regions)) {
		s := strip{Region: name, Most: most, Lost: len(r.Faults) > 0 && r.Faults[0].Region == name}
		var reads, orders strings.Builder
		for _, sec := range r.Timeline {
			if sec.Region != name {
				continue
			}
			s.Bars = append(s.Bars, barOf(sec, x(float64(sec.At)), x(float64(sec.At)+0.85)-x(float64(sec.At)), most))
			point(&reads, x(float64(sec.At)+0.5), sec.CallerCatalogReadP50)
			point(&orders, x(float64(sec.At)+0.5), sec.CallerPlaceOrderP50)
		}
		s.Reads = reads.String()
		s.Orders = orders.String()
		s.Marks = marks(r, x)
		step := max(10, last/100*10)
		for at := 0; at < last; at += step {
			s.Ticks = append(s.Ticks, tick{x(float64(at)), fmt.Sprintf("%ds", at)})
		}
		for _, ms := range []float64{1, 10, 100, 1000, 10000} {
			s.Scale = append(s.Scale, tick{height(ms), Millis(&ms)})
		}
		out = append(out, s)
	}
	return out
}

func barOf(s Second, x, width float64, most int) bar {
	unit := barsHeight / float64(most)
	served := float64(s.Requests-s.Failed) * unit
	failed := float64(s.Failed) * unit
	return bar{
		X: x, Width: width, ServedY: barsHeight - served, ServedHeight: served,
		FailedY: barsHeight - served - failed, FailedHeight: failed,
		Title: fmt.Sprintf("second %d: %d served, %d failed", s.At, s.Requests-s.Failed, s.Failed),
	}
}

func point(b *strings.Builder, x float64, ms *float64) {
	if ms != nil {
		fmt.Fprintf(b, "%.1f,%.1f ", x, height(*ms))
	}
}

// height places a latency on the logarithmic scale.
func height(ms float64) float64 {
	return lineHeight * (1 - math.Log(min(max(ms, 1), slowest))/math.Log(slowest))
}

func marks(r Loss, x func(float64) float64) []mark {
	var out []mark
	add := func(ms float64, class, label string) { out = append(out, mark{x(ms / 1000), class, label}) }
	for _, f := range r.Faults {
		add(f.AtMS, "fault", f.Kind)
		if f.LeasesMovedMS != nil {
			add(*f.LeasesMovedMS, "note", "leases moved")
		}
		if f.HealedMS != nil {
			add(*f.HealedMS, "heal", "healed")
		}
	}
	for _, e := range r.Entries {
		if e.Up {
			add(e.AtMS, "note", "entry "+string(e.Region)+" restored")
		} else {
			add(e.AtMS, "note", "entry "+string(e.Region)+" withdrawn")
		}
	}
	return out
}

// split divides the time until orders were back, or reads if those took longer.
func split(r Recovery) []span {
	parts := []span{{Class: "entry", Label: "entry"}, {Class: "routing", Label: "routing"}, {Class: "database", Label: "database"}}
	total := 0.0
	for i, ms := range []*float64{r.EntryMS, r.RoutingMS, r.DatabaseMS} {
		if ms == nil {
			return nil
		}
		parts[i].MS = *ms
		total += *ms
	}
	for i := range parts {
		parts[i].Share = 100 * parts[i].MS / max(total, 1)
	}
	return parts
}

// Millis is a time in milliseconds for people; nil: none.
func Millis(ms *float64) string {
	switch {
	case ms == nil:
		return "–"
	case *ms >= 1000:
		return strings.TrimSuffix(fmt.Sprintf("%.2f", *ms/1000), ".00") + " s"
	case *ms >= 100:
		return fmt.Sprintf("%.0f ms", *ms)
	case *ms < 10:
		return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", *ms), "0"), ".") + " ms"
	default:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", *ms), ".0") + " ms"
	}
}

func percent(r *float64) string {
	if r == nil {
		return "–"
	}
	return strings.TrimSuffix(fmt.Sprintf("%.2f", 100**r), ".00") + " %"
}

// formatObjective returns an objective's limit and what was measured.
func formatObjective(o Objective) [2]string {
	sign := "≤ "
	format := func(n *float64) string { return fmt.Sprintf("%g %s", *n, o.Unit) }
	switch o.Unit {
	case "ms":
		format = Millis
	case "ratio":
		format = percent
	}
	if o.AtLeast {
		sign = "≥ "
	}
	return [2]string{sign + format(&o.Limit), format(o.Actual)}
}
