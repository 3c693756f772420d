package observetest

import (
	"fmt"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Expose adds to the schema what a process exposes: a scrape in Prometheus's text format. A metric that is there
// already gets the labels that it lacks. The error names a line that is none of the format, or a metric that has no
// type or that two processes expose as different things.
func (s Schema) Expose(text string) error {
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		return fmt.Errorf("observe: %w", err)
	}
	for name, family := range families {
		m := s[name]
		kind := Kind(strings.ToLower(family.GetType().String()))
		switch {
		case family.GetType() == dto.MetricType_UNTYPED:
			return fmt.Errorf("observe: %s has no TYPE", name)
		case m.Kind != "" && m.Kind != kind:
			return fmt.Errorf("observe: %s is a %s, and a %s elsewhere", name, kind, m.Kind)
		}
		m.Name = name
		m.Kind = kind
		m.Help = strings.ReplaceAll(family.GetHelp(), "\n", " ")
		for _, series := range family.GetMetric() {
			for _, label := range series.GetLabel() {
				if !slices.Contains(m.Labels, label.GetName()) {
					m.Labels = append(slices.Clone(m.Labels), label.GetName())
				}
			}
		}
		slices.Sort(m.Labels)
		s[name] = m
	}
	return nil
}
