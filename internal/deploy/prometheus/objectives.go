package prometheus

import (
	"fmt"
	"strconv"
	"strings"
)

// Objective is a service level objective: which part of the requests has to be good. Each holds in every region by
// itself, as seen by that region's edges.
type Objective struct {
	Name    string  // as the label slo
	Alert   string  // name of its alerts
	Good    float64 // part that has to be good
	What    string  // what is good, as the end of a sentence
	All     string  // selector of the requests that count, of the histogram's count
	GoodAre string  // selector of the good ones among them; of its buckets where it is about time
}

const answers = "meridian_edge_answer_duration_seconds"

// Objectives returns the objectives. Refused requests count as served: they were at fault, or one too many of their
// caller's. A caller who left is not counted.
func Objectives() []Objective {
	const all, checkout = `class!="background"`, `class="checkout"`
	return []Objective{
		{
			Name: "availability", Alert: "AvailabilityBudgetBurn", Good: .999, What: "answered, or refused for a reason that lies with the caller",
			All: answers + "_count{" + all + `, result!="canceled"}`, GoodAre: answers + "_count{" + all + `, result=~"ok|refused"}`,
		},
		{
			Name: "latency", Alert: "LatencyBudgetBurn", Good: .99, What: "answered within 0.5 s",
			All: answers + "_count{" + all + `, result="ok"}`, GoodAre: answers + "_bucket{" + all + `, result="ok", le="0.5"}`,
		},
		{
			Name: "checkout-availability", Alert: "CheckoutAvailabilityBudgetBurn", Good: .9995, What: "answered, or refused for a reason that lies with the caller",
			All: answers + "_count{" + checkout + `, result!="canceled"}`, GoodAre: answers + "_count{" + checkout + `, result=~"ok|refused"}`,
		},
		{
			Name: "checkout-latency", Alert: "CheckoutLatencyBudgetBurn", Good: .99, What: "answered within 2.5 s",
			All: answers + "_count{" + checkout + `, result="ok"}`, GoodAre: answers + "_bucket{" + checkout + `, result="ok", le="2.5"}`,
		},
	}
}

// Budget returns the part that may be bad, without a binary fraction's noise.
func (o Objective) Budget() string { return short(1 - o.Good) }

// Percent returns the objective in percent.
func (o Objective) Percent() string { return short(o.Good * 100) }

// Errors returns the expression of the part that is bad over a window, for each region.
func (o Objective) Errors(window string) string {
	over := func(selector string) string {
		return fmt.Sprintf("sum by (cloud_region) (rate(%s[%s]))", selector, window)
	}
	return "1 - " + over(o.GoodAre) + " / " + over(o.All)
}

// Window is a burn-rate alert: it fires while the budget burns Factor times as fast as it would to be used up exactly
// at the end of 30 days, over both a long window and a short one. The long one says that it is worth an alert, the
// short one that it goes on, so that the alert ends soon after its cause. The figures are those of Google's Site
// Reliability Workbook, chapter 5.
type Window struct {
	Long, Short string
	Factor      string
	Consumed    string // part of the 30 days' budget that is gone when the alert fires
	Severity    string // page or ticket
}

// Windows returns the windows, the most urgent first.
func Windows() []Window {
	return []Window{
		{"1h", "5m", "14.4", "2 %", "page"},
		{"6h", "30m", "6", "5 %", "page"},
		{"3d", "6h", "1", "10 %", "ticket"},
	}
}

// slo is what the template of the objectives' rules works with.
type slo struct {
	Objectives []Objective
	Windows    []Window
}

// Ranges returns every window's length once.
func (slo) Ranges() []string { return []string{"5m", "30m", "1h", "6h", "3d"} }

func short(f float64) string {
	return strings.TrimSuffix(strings.TrimRight(strconv.FormatFloat(f, 'f', 6, 64), "0"), ".")
}
