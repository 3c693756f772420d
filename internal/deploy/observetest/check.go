package observetest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
)

// Query is an expression that somebody asks Prometheus.
type Query struct {
	Where  string   // for a person: the file, and the panel, rule or line
	Expr   string   // PromQL; Grafana's variables may occur in it
	Record string   // name that the result is recorded under, or ""
	Adds   []string // labels that its rule or the alert adds to the result
	Texts  []string // legends, annotations and links that may name labels of the result
}

// Finding is something that is wrong.
type Finding struct{ Where, What string }

// String returns the finding as a line of output.
func (f Finding) String() string { return f.Where + ": " + f.What }

// Parser turns expressions into trees, or into errors: one of each for each expression.
type Parser func(ctx context.Context, expressions []string) ([]Parsed, error)

// Parsed is what became of an expression.
type Parsed struct {
	Tree  *Node  `json:"tree"`
	Error string `json:"error"`
}

// Promast returns the Parser that is the program promast in a file.
func Promast(program string) Parser {
	return func(ctx context.Context, expressions []string) ([]Parsed, error) {
		in, err := json.Marshal(expressions)
		if err != nil {
			return nil, fmt.Errorf("observe: %w", err)
		}
		cmd := exec.CommandContext(ctx, program)
		cmd.Stdin = bytes.NewReader(in)
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("observe: promast: %w", err)
		}
		var parsed []Parsed
		if err := json.Unmarshal(out, &parsed); err != nil || len(parsed) != len(expressions) {
			return nil, fmt.Errorf("observe: promast answered %.200q (%w)", out, err)
		}
		return parsed, nil
	}
}

// Check holds queries against a schema. Queries that record come first, in the order in which they build on each other.
// An error means that the check could not be made.
func Check(ctx context.Context, parse Parser, schema Schema, queries []Query) ([]Finding, error) {
	expressions := make([]string, len(queries))
	for i, q := range queries {
		expressions[i] = plain(q.Expr)
	}
	parsed, err := parse(ctx, expressions)
	if err != nil {
		return nil, err
	}
	var out []Finding
	for n, q := range queries {
		if parsed[n].Error != "" {
			out = append(out, Finding{q.Where, parsed[n].Error})
			continue
		}
		i := &inference{schema: schema}
		labels, _ := i.labels(parsed[n].Tree)
		labels = labels.plus(q.Adds...)
		for _, text := range q.Texts {
			for _, l := range named(text) {
				if !labels[l] && l != "__name__" {
					i.say("%q names the label %s; the result has %s", text, l, strings.Join(labels.names(), ", "))
				}
			}
		}
		for _, wrong := range i.wrong {
			out = append(out, Finding{q.Where, wrong})
		}
		if q.Record != "" {
			schema = schema.With(recorded(schema, q.Record, labels))
		}
	}
	return out, nil
}

// Asked returns the names of the series that expressions ask for, sorted. An error is of the parser or of an expression.
func Asked(ctx context.Context, parse Parser, expressions ...string) ([]string, error) {
	texts := make([]string, len(expressions))
	for i, e := range expressions {
		texts[i] = plain(e)
	}
	parsed, err := parse(ctx, texts)
	if err != nil {
		return nil, err
	}
	names := set{}
	for i, p := range parsed {
		if p.Error != "" {
			return nil, fmt.Errorf("observe: %s: %s", expressions[i], p.Error)
		}
		names = names.plus(p.Tree.selected()...)
	}
	return names.names(), nil
}

// recorded returns the metric that a rule records. Several rules may record under one name, with labels that tell them
// apart.
func recorded(schema Schema, name string, labels set) Metric {
	return Metric{Name: name, Kind: Recorded, Labels: labels.plus(schema[name].Labels...).names()}
}

var (
	interval = regexp.MustCompile(`\$\{?__(rate_interval|interval|range)\}?`)
	template = regexp.MustCompile(`\{\{\s*\$?(?:labels\.)?([a-zA-Z_][a-zA-Z0-9_]*)\b[^}]*\}\}|\$\{__field\.labels\.([a-zA-Z_]+)\}`)
)

// plain replaces Grafana's durations by one; its other variables stand inside of strings and stay.
func plain(expr string) string { return interval.ReplaceAllString(expr, "5m") }

// named returns the labels that a legend, an annotation or a link refers to.
func named(text string) []string {
	var out []string
	for _, m := range template.FindAllStringSubmatch(text, -1) {
		if name := m[1] + m[2]; name != "value" {
			out = append(out, name)
		}
	}
	return out
}
