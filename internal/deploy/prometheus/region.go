package prometheus

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/meridian-commerce/meridian/internal/deploy"
)

const (
	rules     = "deploy/prometheus/rules"    // of a region's own Prometheus; below, global is of where all regions come together
	resources = "deploy/k8s/base/rules.yaml" // the former, for the Prometheus operator
)

// Job is what a region's own Prometheus scrapes under one name. Nothing lists its targets: pods are found by the monitors of
// deploy/k8s, and the rest by the addresses of a name.
type Job struct {
	Name     string
	What     string // its targets, for people
	Severity string // of the alert that none is reached; "": there is no alert
	Always   bool   // whether simulations and Compose have it too
}

// Jobs returns what every region has to scrape. Alerts look at these, and a monitor or a ScrapeConfig of deploy/k8s finds
// each.
func Jobs() []Job {
	return []Job{
		{"meridian-edge", "edge", "page", true},
		{"meridian-stack", "stack", "page", true},
		{"cockroachdb", "node of the database", "ticket", false},
		{"consul", "server of Consul", "ticket", false},
		{"kube-state-metrics", "kube-state-metrics", "ticket", false},
		{"otel-collector", "collector of traces", "ticket", false},
		{"prometheus", "Prometheus", "", false},
	}
}

// ruleFile is a file of rules as the operator takes it.
type ruleFile struct {
	Name string // of the resource
	Spec string // its groups, indented
}

// ofARegion returns the rules that a region's own Prometheus evaluates: those that are rendered, and those that are written
// by hand below root.
func ofARegion(root fs.FS, rendered []deploy.File) ([]ruleFile, error) {
	texts := map[string][]byte{}
	names, err := fs.Glob(root, rules+"/*.yml")
	if err != nil {
		return nil, fmt.Errorf("prometheus: %s: %w", rules, err)
	}
	for _, name := range names {
		if texts[name], err = fs.ReadFile(root, name); err != nil {
			return nil, fmt.Errorf("prometheus: %w", err)
		}
	}
	for _, f := range rendered {
		if path.Dir(f.Path) == rules {
			texts[f.Path] = f.Content
		}
	}
	var out []ruleFile
	for name, text := range texts {
		_, groups, found := bytes.Cut(text, []byte("\ngroups:\n"))
		if !found {
			return nil, fmt.Errorf("prometheus: %s has no groups", name)
		}
		out = append(out, ruleFile{strings.TrimSuffix(path.Base(name), ".yml"), indented("groups:\n" + string(groups))})
	}
	slices.SortFunc(out, func(a, b ruleFile) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func indented(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if line != "\n" {
			out.WriteString("  ")
		}
		out.WriteString(line)
	}
	return strings.TrimSuffix(out.String(), "\n")
}
