package observetest

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// CollectorFile is where the OpenTelemetry collector's configuration is, from the root of the repository.
const CollectorFile = "deploy/otel/collector.yaml"

// collector is the part of the collector's configuration that says what is connected to what.
type collector struct {
	Extensions map[string]any `yaml:"extensions"`
	Receivers  map[string]any `yaml:"receivers"`
	Processors map[string]any `yaml:"processors"`
	Exporters  map[string]any `yaml:"exporters"`
	Service    struct {
		Extensions []string                       `yaml:"extensions"`
		Pipelines  map[string]map[string][]string `yaml:"pipelines"`
		Telemetry  map[string]any                 `yaml:"telemetry"`
	} `yaml:"service"`
}

// choice is a component that the environment names, and its default.
var choice = regexp.MustCompile(`^\$\{env:[A-Z_]+:-([a-z_/]+)\}$`)

// CheckCollector finds what of a collector's configuration is not connected: components that pipelines use and nobody
// defines, components that are defined and not used, and pipelines that have no way in or out. A component that the
// environment chooses may be any that is defined.
func CheckCollector(text []byte) ([]Finding, error) {
	var c collector
	if err := yaml.Unmarshal(text, &c); err != nil {
		return nil, fmt.Errorf("observe: %s: %w", CollectorFile, err)
	}
	var out []Finding
	used := map[string]map[string]bool{}
	use := func(kind, name string, defined map[string]any) {
		if used[kind] == nil {
			used[kind] = map[string]bool{}
		}
		if chosen := choice.FindStringSubmatch(name); chosen != nil {
			name = chosen[1]
			for other := range defined {
				used[kind][other] = true
			}
		}
		used[kind][name] = true
		if _, ok := defined[name]; !ok {
			out = append(out, Finding{CollectorFile, fmt.Sprintf("%s %s is used and not defined", kind, name)})
		}
	}
	kinds := map[string]map[string]any{"receivers": c.Receivers, "processors": c.Processors, "exporters": c.Exporters}
	for _, pipeline := range slices.Sorted(maps.Keys(c.Service.Pipelines)) {
		parts := c.Service.Pipelines[pipeline]
		for _, kind := range []string{"receivers", "exporters"} {
			if len(parts[kind]) == 0 {
				out = append(out, Finding{CollectorFile, fmt.Sprintf("pipeline %s has no %s", pipeline, kind)})
			}
		}
		for _, kind := range slices.Sorted(maps.Keys(parts)) {
			for _, name := range parts[kind] {
				use(kind, name, kinds[kind])
			}
		}
		out = append(out, order(pipeline, parts["processors"])...)
	}
	for _, name := range c.Service.Extensions {
		use("extensions", name, c.Extensions)
	}
	kinds["extensions"] = c.Extensions
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		for _, name := range slices.Sorted(maps.Keys(kinds[kind])) {
			if !used[kind][name] {
				out = append(out, Finding{CollectorFile, fmt.Sprintf("%s %s is defined and not used", kind, name)})
			}
		}
	}
	return out, nil
}

// order checks the places that the collector's documentation gives to two processors.
func order(pipeline string, processors []string) []Finding {
	var out []Finding
	if len(processors) == 0 || !strings.HasPrefix(processors[0], "memory_limiter") {
		out = append(out, Finding{CollectorFile, fmt.Sprintf("pipeline %s does not begin with memory_limiter", pipeline)})
	}
	if len(processors) == 0 || !strings.HasPrefix(processors[len(processors)-1], "batch") {
		out = append(out, Finding{CollectorFile, fmt.Sprintf("pipeline %s does not end with batch", pipeline)})
	}
	return out
}
