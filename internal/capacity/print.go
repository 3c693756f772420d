package capacity

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"text/template"

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
		text, err = table(r)
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
		return nil, err // its caller says of what
	}
	var n yaml.Node
	if err := yaml.Unmarshal(text, &n); err != nil {
		return nil, err // as above
	}
	plain(&n)
	return yaml.Marshal(&n) // as above
}

// plain takes JSON's braces and quotes away where YAML does without.
func plain(n *yaml.Node) {
	n.Style = 0
	for _, c := range n.Content {
		plain(c)
	}
}

//go:embed table.tmpl
var tables string

// table returns a result as tables and sentences for a person.
func table(r Result) ([]byte, error) {
	t, err := template.New("table").Funcs(template.FuncMap{
		"count": count, "part": part, "wrapped": wrapped,
		"times": func(a, b float64) float64 { return a * b }, "over": func(a, b float64) float64 { return a / b },
	}).Parse(tables)
	if err != nil {
		return nil, err // its caller says of what
	}
	var aligned, out bytes.Buffer
	w := tabwriter.NewWriter(&aligned, 0, 0, 2, ' ', 0)
	if err := errors.Join(t.Execute(w, r), w.Flush()); err != nil {
		return nil, err
	}
	for line := range strings.Lines(aligned.String()) {
		out.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return out.Bytes(), nil
}

// lineWidth is how long lines of prose are.
const lineWidth = 118

// wrapped is prose after a label, the further lines indented.
func wrapped(label, text string) string {
	const indent = "    "
	var out strings.Builder
	line := label
	for i, word := range strings.Fields(text) {
		if i > 0 && len([]rune(line))+1+len([]rune(word)) > lineWidth {
			out.WriteString(line + "\n")
			line = indent + word
			continue
		}
		if i > 0 {
			line += " "
		}
		line += word
	}
	return out.String() + line
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
