package report

import (
	"fmt"
	"strings"
	"text/template"
)

// Formats are what templates make of figures: ms and seconds of milliseconds, and percent of a ratio. Each takes a number
// or a pointer to one, which may be nil: none.
func Formats() template.FuncMap {
	format := func(format func(*float64) string) func(any) string {
		return func(figure any) string {
			if n, ok := figure.(float64); ok {
				return format(&n)
			}
			n, _ := figure.(*float64)
			return format(n)
		}
	}
	return template.FuncMap{"ms": format(Millis), "seconds": format(seconds), "percent": format(percent)}
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

func seconds(ms *float64) string {
	if ms == nil {
		return "–"
	}
	return fmt.Sprintf("%.1f s", *ms/1000)
}

func percent(r *float64) string {
	if r == nil {
		return "–"
	}
	return strings.TrimSuffix(fmt.Sprintf("%.2f", 100**r), ".00") + " %"
}

// format returns an objective's limit and what was measured.
func (o Objective) format() (limit, actual string) {
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
	return sign + format(&o.Limit), format(o.Actual)
}
