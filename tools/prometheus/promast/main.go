// Command promast prints the syntax trees of PromQL expressions, as Prometheus's own parser reads them, so that a
// check can tell which metrics and labels an expression uses. It reads a JSON array of expressions from its standard
// input and writes a JSON array of the same length to its standard output: for each a tree, or an error.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// Result is what became of one expression.
type Result struct {
	Tree  *Node  `json:"tree,omitempty"`
	Error string `json:"error,omitempty"`
}

// Node is a node of a syntax tree. Parentheses, offsets and ranges are left out: they change no label.
type Node struct {
	Kind     string   `json:"kind"`               // selector, aggregation, binary, call, literal
	Name     string   `json:"name,omitempty"`     // of the metric, the operator or the function
	Matchers []string `json:"matchers,omitempty"` // names of the labels that a selector matches
	Labels   []string `json:"labels,omitempty"`   // of by, without, on or ignoring
	Without  bool     `json:"without,omitempty"`  // of an aggregation: labels are dropped, not kept; of a binary: ignoring
	On       bool     `json:"on,omitempty"`       // of a binary: on(labels)
	Include  []string `json:"include,omitempty"`  // of group_left and group_right
	Card     string   `json:"card,omitempty"`     // of a binary between vectors: one-to-one, many-to-one, …
	Strings  []string `json:"strings,omitempty"`  // literal arguments of a call, such as label_replace's
	Children []*Node  `json:"children,omitempty"`
}

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "promast:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	var expressions []string
	if err := json.NewDecoder(in).Decode(&expressions); err != nil {
		return fmt.Errorf("read expressions: %w", err)
	}
	p := parser.NewParser(parser.Options{})
	results := make([]Result, len(expressions))
	for i, text := range expressions {
		expr, err := p.ParseExpr(text)
		if err != nil {
			results[i].Error = err.Error()
			continue
		}
		results[i].Tree = tree(expr)
	}
	return json.NewEncoder(out).Encode(results)
}

func tree(expr parser.Expr) *Node {
	switch e := expr.(type) {
	case *parser.ParenExpr:
		return tree(e.Expr)
	case *parser.UnaryExpr:
		return tree(e.Expr)
	case *parser.StepInvariantExpr:
		return tree(e.Expr)
	case *parser.MatrixSelector:
		return tree(e.VectorSelector)
	case *parser.SubqueryExpr:
		return tree(e.Expr)
	case *parser.VectorSelector:
		return selector(e)
	case *parser.AggregateExpr:
		n := &Node{Kind: "aggregation", Name: e.Op.String(), Labels: e.Grouping, Without: e.Without, Children: []*Node{tree(e.Expr)}}
		if text, ok := e.Param.(*parser.StringLiteral); ok {
			n.Strings = []string{text.Val}
		}
		return n
	case *parser.BinaryExpr:
		n := &Node{Kind: "binary", Name: e.Op.String(), Children: []*Node{tree(e.LHS), tree(e.RHS)}}
		if m := e.VectorMatching; m != nil {
			n.Labels, n.On, n.Without, n.Include, n.Card = m.MatchingLabels, m.On, !m.On, m.Include, m.Card.String()
		}
		return n
	case *parser.Call:
		n := &Node{Kind: "call", Name: e.Func.Name}
		for _, arg := range e.Args {
			if text, ok := arg.(*parser.StringLiteral); ok {
				n.Strings = append(n.Strings, text.Val)
				continue
			}
			n.Children = append(n.Children, tree(arg))
		}
		return n
	default:
		return &Node{Kind: "literal"}
	}
}

func selector(e *parser.VectorSelector) *Node {
	n := &Node{Kind: "selector", Name: e.Name}
	for _, m := range e.LabelMatchers {
		if m.Name == labels.MetricName {
			n.Name = m.Value
			continue
		}
		n.Matchers = append(n.Matchers, m.Name)
	}
	return n
}
