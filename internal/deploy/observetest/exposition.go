package observetest

import (
	"fmt"
	"slices"
	"strings"
)

// Expose adds to the schema what a process exposes: a scrape in Prometheus's text format. A metric that is there
// already gets the labels that it lacks. The error names a line that is none of the format, or a metric that two
// processes expose as different things.
func (s Schema) Expose(text string) error {
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if err := s.expose(line); err != nil {
			return fmt.Errorf("observe: %q: %w", line, err)
		}
	}
	return nil
}

func (s Schema) expose(line string) error {
	switch words := strings.SplitN(line, " ", 4); {
	case line == "":
	case len(words) == 4 && words[1] == "HELP":
		m := s[words[2]]
		m.Name, m.Help = words[2], strings.NewReplacer(`\\`, `\`, `\n`, " ").Replace(words[3])
		s[m.Name] = m
	case len(words) == 4 && words[1] == "TYPE":
		m := s[words[2]]
		if kind := Kind(words[3]); m.Kind != "" && m.Kind != kind {
			return fmt.Errorf("it was a %s elsewhere", m.Kind)
		}
		m.Name, m.Kind = words[2], Kind(words[3])
		s[m.Name] = m
	case line[0] != '#':
		return s.sample(line)
	}
	return nil
}

// sample adds the labels of one series.
func (s Schema) sample(line string) error {
	name, rest, labeled := strings.Cut(line, "{")
	if !labeled {
		name, _, _ = strings.Cut(line, " ")
	}
	m, ok := s[family(s, name)]
	if !ok {
		return fmt.Errorf("it has no TYPE")
	}
	for labeled && !strings.HasPrefix(rest, "}") {
		label, quoted, ok := strings.Cut(rest, `="`)
		end := closing(quoted)
		if !ok || end < 0 {
			return fmt.Errorf("its labels do not end")
		}
		label = strings.TrimPrefix(label, ",")
		part := label == "le" && m.Kind == Histogram || label == "quantile" && m.Kind == Summary
		if !part && !slices.Contains(m.Labels, label) {
			m.Labels = append(slices.Clone(m.Labels), label)
			slices.Sort(m.Labels)
		}
		rest = quoted[end+1:]
	}
	s[m.Name] = m
	return nil
}

// closing returns the place of the quote that ends a label's value, or -1.
func closing(quoted string) int {
	for i := 0; i < len(quoted); i++ {
		switch quoted[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

// family returns the metric that a series is a part of.
func family(s Schema, name string) string {
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		base, found := strings.CutSuffix(name, suffix)
		if m, ok := s[base]; found && ok && (m.Kind == Histogram || m.Kind == Summary) {
			return base
		}
	}
	return name
}
