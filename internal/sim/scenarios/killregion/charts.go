package killregion

import (
	_ "embed"
	"fmt"
	"html/template"
	"math"
	"strings"

	"github.com/meridian-commerce/meridian/internal/sim/report"
	"github.com/meridian-commerce/meridian/regions"
)

//go:embed charts.html.tmpl
var chartsTemplate string

// Sizes of a region's drawing, in pixels of its view box, and the top of the logarithmic scale of latencies, which begins
// at 1 ms.
const (
	plotWidth, plotLeft    = 960.0, 44.0
	barsHeight, lineHeight = 70.0, 110.0
	slowest                = 20_000.0 // ms
)

// view is what the charts show.
type view struct {
	Figures
	ByRegion              map[regions.Name][]Second
	Most                  int       // requests in a second
	PerSecond, PerRequest float64   // pixels
	Scale                 []float64 // of latencies, ms
	Ticks                 []int     // of time, seconds
}

// mark is a moment or a stretch of time with a label.
type mark struct {
	MS              float64
	X, Class, Label string
}

// charts draws the recovery, and every region's requests and latencies over the run's time.
func (f Figures) charts() (template.HTML, error) {
	v := view{Figures: f, ByRegion: map[regions.Name][]Second{}, Most: 1, Scale: []float64{1, 10, 100, 1000, 10000}}
	length := 1
	for _, s := range f.Timeline {
		v.ByRegion[s.Region] = append(v.ByRegion[s.Region], s)
		v.Most = max(v.Most, s.Requests)
		length = max(length, s.At+1)
	}
	v.PerSecond = (plotWidth - plotLeft) / float64(length)
	v.PerRequest = barsHeight / float64(v.Most)
	for at := 0; at < length; at += max(10, length/100*10) {
		v.Ticks = append(v.Ticks, at)
	}
	x := func(second float64) string { return fmt.Sprintf("%.1f", plotLeft+second*v.PerSecond) }
	t, err := template.New("charts").Funcs(report.Formats()).Funcs(template.FuncMap{
		"start":  func(second int) string { return x(float64(second)) },
		"middle": func(second int) string { return x(float64(second) + 0.5) },
		"y": func(ms float64) string {
			return fmt.Sprintf("%.1f", lineHeight*(1-math.Log(min(max(ms, 1), slowest))/math.Log(slowest)))
		},
		"mark": func(ms float64, class, label string) mark { return mark{ms, x(ms / 1000), class, label} },
	}).Parse(chartsTemplate)
	if err != nil {
		return "", fmt.Errorf("kill-region: parse charts: %w", err)
	}
	var b strings.Builder
	if err := t.Execute(&b, v); err != nil {
		return "", fmt.Errorf("kill-region: draw charts: %w", err)
	}
	return template.HTML(b.String()), nil //nolint:gosec // G203: the template has escaped all that it was given
}
