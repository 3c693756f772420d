package capacity

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"go.yaml.in/yaml/v3"
)

// Result is what a command prints: a plan, and the forecast that it rests on, if there is one.
type Result struct {
	Forecast *Forecast `json:"forecast,omitempty"`
	Plan     Plan      `json:"plan"`
}

// Format is how a result is printed.
type Format string

// The formats.
const (
	Table Format = "table"
	JSON  Format = "json"
	YAML  Format = "yaml"
)

// Print writes a result. The same result is always the same text.
func Print(w io.Writer, r Result, f Format) error {
	var text []byte
	var err error
	switch f {
	case Table:
		text = table(r)
	case JSON:
		text, err = json.MarshalIndent(r, "", "  ")
		text = append(text, '\n')
	case YAML:
		text, err = asYAML(r)
	default:
		return invalid("a plan is printed as table, json or yaml, not as %q", f)
	}
	if err == nil {
		_, err = w.Write(text)
	}
	if err != nil {
		return fmt.Errorf("capacity: print: %w", err)
	}
	return nil
}

// asYAML has the names of the JSON in the same order.
func asYAML(r Result) ([]byte, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err //nolint:wrapcheck // its caller says of what
	}
	var n yaml.Node
	if err := yaml.Unmarshal(text, &n); err != nil {
		return nil, err //nolint:wrapcheck // as above
	}
	plain(&n)
	return yaml.Marshal(&n) //nolint:wrapcheck // as above
}

// plain takes JSON's braces and quotes away where YAML does without.
func plain(n *yaml.Node) {
	n.Style = 0
	for _, c := range n.Content {
		plain(c)
	}
}

// printer is text that grows by lines.
type printer struct{ bytes.Buffer }

func (p *printer) line(format string, args ...any) {
	fmt.Fprintf(&p.Buffer, format+"\n", args...)
}

// table prints rows of cells, aligned, without trailing blanks.
func (p *printer) table(rows [][]string) {
	var text strings.Builder
	t := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, cells := range rows {
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	_ = t.Flush()
	for line := range strings.Lines(text.String()) {
		p.line("%s", strings.TrimRight(line, " \n"))
	}
}

// table returns a result as tables and sentences for a person.
func table(r Result) []byte {
	p := &printer{}
	if r.Forecast != nil {
		p.forecast(*r.Forecast)
	}
	verdict := "accepted: with any one region lost, nothing passes its limit"
	if !r.Plan.Accepted {
		verdict = "REFUSED"
	}
	d := r.Plan.Demand
	p.line("%s orders/s at the peak (%s times %s), %s requests/s", count(d.OrdersPerSecond), count(d.OrdersPerSecond/d.Growth), count(d.Growth), count(d.RequestsPerSecond))
	p.line("%s", verdict)
	for _, why := range r.Plan.Refusals {
		p.line("  %s", why)
	}
	p.regions(r.Plan)
	p.losses(r.Plan)
	p.storage(r.Plan.Storage)
	p.bill(r.Plan)
	p.line("\nWARNINGS")
	for _, warning := range r.Plan.Warnings {
		p.wrapped("  "+warning.Code+": ", warning.Text)
	}
	p.line("\nASSUMPTIONS")
	for _, a := range r.Plan.Assumptions {
		p.wrapped("  "+a.Name+": ", a.Value+" ["+a.Basis+"]")
	}
	return p.Bytes()
}

func (p *printer) forecast(f Forecast) {
	p.line("FORECAST of %d days from %d days until %s, by %s", f.Horizon, f.Days, f.Until, f.Method)
	p.line("  mean error over the last %d days (MAPE): seasonal naive %.1f %%, Holt-Winters %.1f %%", f.Backtest, f.Naive*100, f.Smoothed*100)
	p.line("  orders a day: %s on average, %s at most, on %s; so far %s at most, on %s\n", count(f.Mean), count(f.Peak), f.PeakDay, count(f.PastPeak), f.PastDay)
}

func (p *printer) regions(plan Plan) {
	machines := func(m Machines) string { return fmt.Sprintf("%d %s", m.Count, m.Kind) }
	rows := [][]string{{"REGION", "SHARE", "ORDERS/S", "REQUESTS/S", "EDGE", "BROWSE", "CHECKOUT", "WORKER", "NODES", "DATABASE", "DISK EACH", "CACHE"}}
	why := [][]string{{"DECIDED BY", "EDGE", "BROWSE", "CHECKOUT", "DATABASE", "CACHE"}}
	for _, r := range plan.Regions {
		rows = append(rows, []string{
			string(r.Region), fmt.Sprintf("%.0f %%", r.Share*100), count(r.OrdersPerSecond), count(r.RequestsPerSecond),
			fmt.Sprint(r.Edge.Count), fmt.Sprint(r.Browse.Count), fmt.Sprint(r.Checkout.Count), fmt.Sprint(r.Worker.Count),
			machines(r.Nodes), machines(r.Database), count(r.DiskGiB) + " GiB", machines(r.Cache),
		})
		why = append(why, []string{string(r.Region), r.Edge.Bound, r.Browse.Bound, r.Checkout.Bound, r.Database.Bound, r.Cache.Bound})
	}
	p.line("")
	p.table(rows)
	p.line("")
	p.table(why)
}

func (p *printer) losses(plan Plan) {
	rows := [][]string{{"LOST", "CALLERS GO TO", "SURVIVOR", "ORDERS/S", "COMMIT", "EDGE", "BROWSE", "CHECKOUT", "POOLS", "DATABASE", "CACHE", ""}}
	for _, l := range plan.Losses {
		lost := string(l.Region)
		to := string(l.TakenBy)
		if to == "" {
			to = "nobody"
		}
		if len(l.Others) == 0 {
			rows = append(rows, []string{lost, to, "none"})
		}
		for _, s := range l.Others {
			over := ""
			if s.Over {
				over = "OVER ITS LIMIT"
			}
			rows = append(rows, []string{
				lost, to, string(s.Region), count(s.OrdersPerSecond), commit(l, s),
				part(s.Edge), part(s.Browse), part(s.Checkout), part(s.Connections), part(s.Database), part(s.Cache), over,
			})
			lost = ""
			to = ""
		}
	}
	p.line("")
	p.table(rows)
}

// commit is how long a survivor's quorum takes.
func commit(l Loss, s Survivor) string {
	if !l.Quorum {
		return "none"
	}
	return fmt.Sprintf("%.0f ms", s.CommitMillis)
}

func (p *printer) storage(s Storage) {
	p.line("\nSTORAGE")
	p.line("  %s orders a day of %.0f bytes: %s GiB a month of one copy; and %s GiB that are swept after a week", count(s.OrdersPerDay), s.BytesPerOrder, count(s.MonthGiB), count(s.KeptGiB))
	p.line("  disks for %d copies and %d months: %s GiB in all", s.Copies, s.Months, count(s.DiskGiB))
}

func (p *printer) bill(plan Plan) {
	b := plan.Cost
	p.line("\nA MONTH, %s, list prices of %s", b.Currency, b.Date)
	var rows [][]string
	for _, c := range b.Items {
		rows = append(rows, []string{"  " + c.Name, fmt.Sprintf("%12.0f", c.Month)})
	}
	p.table(append(rows, []string{"  total", fmt.Sprintf("%12.0f", b.Month)}))
	for _, r := range plan.Regions {
		p.line("  of that %s: %.0f", r.Region, r.Month)
	}
}

// lineWidth is how long lines of prose are.
const lineWidth = 118

// wrapped prints prose after a label, the further lines indented.
func (p *printer) wrapped(label, text string) {
	line := label
	indent := "    "
	for i, word := range strings.Fields(text) {
		if i > 0 && len([]rune(line))+1+len([]rune(word)) > lineWidth {
			p.line("%s", line)
			line = indent + word
			continue
		}
		if i > 0 {
			line += " "
		}
		line += word
	}
	p.line("%s", line)
}

// count prints a figure with as many digits as it is good for.
func count(x float64) string {
	switch {
	case x >= 100 || x == float64(int64(x)):
		return fmt.Sprintf("%.0f", x)
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	default:
		return fmt.Sprintf("%.2f", x)
	}
}

func part(x float64) string { return fmt.Sprintf("%.0f %%", x*100) }
