// Package observetest holds what asks for metrics (dashboards, rules, alerts, runbooks) against what has them. A query for
// a metric or a label that nobody exposes is no error to Prometheus: it is an empty graph, and an alert that never
// fires. Here it is a finding.
//
// The metrics that Meridian's processes expose are listed in docs/reference/metrics.md, which an end-to-end test
// compares with a scrape of a running simulation; those of other products are listed in Foreign, each with its source.
package observetest

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Kind is the type of a metric.
type Kind string

// The kinds. A recorded series is Recorded: what it is depends on its expression.
const (
	Counter   Kind = "counter"
	Gauge     Kind = "gauge"
	Histogram Kind = "histogram"
	Summary   Kind = "summary"
	Recorded  Kind = "recorded"
)

// Metric is one metric: its labels are those of the exposition, without those that Prometheus adds to every target.
type Metric struct {
	Name   string
	Kind   Kind
	Labels []string // sorted
	Help   string
}

// Schema is the metrics that exist, by name.
type Schema map[string]Metric

// TargetLabels returns the labels that the scrape configuration gives to the series of every target.
func TargetLabels() []string { return []string{"cloud_region", "instance", "job"} }

// With returns the schema with more metrics.
func (s Schema) With(more ...Metric) Schema {
	out := maps.Clone(s)
	for _, m := range more {
		out[m.Name] = m
	}
	return out
}

// series finds the metric that a series belongs to, and the labels of the series.
func (s Schema) series(name string) (Metric, set, bool) {
	if m, ok := s[name]; ok && m.Kind != Histogram {
		return m, m.labels(), true
	}
	for suffix, extra := range map[string]string{"_bucket": "le", "_sum": "", "_count": ""} {
		m, ok := s[strings.TrimSuffix(name, suffix)]
		if !ok || !strings.HasSuffix(name, suffix) || (m.Kind != Histogram && m.Kind != Summary) {
			continue
		}
		labels := m.labels()
		if extra != "" {
			labels = labels.plus(extra)
		}
		m.Kind = Counter
		return m, labels, true
	}
	return Metric{}, nil, false
}

func (m Metric) labels() set {
	labels := newSet(m.Labels...)
	if m.Kind == Recorded {
		return labels
	}
	return labels.plus(TargetLabels()...)
}

// set is a set of label names.
type set map[string]bool

func newSet(names ...string) set { return set{}.plus(names...) }

func (s set) plus(names ...string) set {
	out := maps.Clone(s)
	if out == nil {
		out = set{}
	}
	for _, n := range names {
		out[n] = true
	}
	return out
}

func (s set) minus(names ...string) set {
	out := maps.Clone(s)
	for _, n := range names {
		delete(out, n)
	}
	return out
}

func (s set) names() []string { return slices.Sorted(maps.Keys(s)) }

// row is a line of the table in docs/reference/metrics.md.
var row = regexp.MustCompile("^\\| `([a-zA-Z_:][a-zA-Z0-9_:]*)` \\| ([a-z]+) \\| (.*?) \\| (.*) \\|$")

// ParseReference reads the metrics out of the tables of docs/reference/metrics.md. The error names a metric that is
// listed twice, or says that there is none.
func ParseReference(text string) (Schema, error) {
	out := Schema{}
	for line := range strings.Lines(text) {
		found := row.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if found == nil {
			continue
		}
		m := Metric{Name: found[1], Kind: Kind(found[2]), Help: strings.ReplaceAll(found[4], `\|`, "|")}
		for label := range strings.FieldsSeq(found[3]) {
			m.Labels = append(m.Labels, strings.Trim(label, "`,"))
		}
		if _, twice := out[m.Name]; twice {
			return nil, fmt.Errorf("observe: %s is listed twice", m.Name)
		}
		out[m.Name] = m
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("observe: the reference lists no metric")
	}
	return out, nil
}

// Reference returns the text of docs/reference/metrics.md, between its heading and its end.
func (s Schema) Reference() string {
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(s)) {
		m := s[name]
		var labels []string
		for _, l := range m.Labels {
			labels = append(labels, "`"+l+"`")
		}
		fmt.Fprintf(&out, "| `%s` | %s | %s | %s |\n", m.Name, m.Kind, strings.Join(labels, " "), strings.ReplaceAll(m.Help, "|", `\|`))
	}
	return out.String()
}
