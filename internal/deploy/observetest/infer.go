package observetest

import (
	"fmt"
	"slices"
	"strings"
)

// Node is a node of a PromQL syntax tree, as tools/prometheus/promast prints it.
type Node struct {
	Kind     string   `json:"kind"`
	Name     string   `json:"name"`
	Matchers []string `json:"matchers"`
	Labels   []string `json:"labels"`
	Without  bool     `json:"without"`
	On       bool     `json:"on"`
	Include  []string `json:"include"`
	Card     string   `json:"card"`
	Strings  []string `json:"strings"`
	Children []*Node  `json:"children"`
}

// selected returns the names of the series that the tree selects.
func (n *Node) selected() []string {
	var out []string
	if n.Kind == "selector" {
		out = append(out, n.Name)
	}
	for _, child := range n.Children {
		out = append(out, child.selected()...)
	}
	return out
}

// inference finds the labels of an expression's result, and what of it cannot be.
type inference struct {
	schema Schema
	wrong  []string
}

func (i *inference) say(format string, args ...any) {
	i.wrong = append(i.wrong, fmt.Sprintf(format, args...))
}

// labels returns the labels that the series of a tree have; scalar is true for what has none by nature.
func (i *inference) labels(n *Node) (found set, scalar bool) {
	switch n.Kind {
	case "selector":
		return i.selector(n), false
	case "aggregation":
		return i.aggregation(n), false
	case "binary":
		return i.binary(n)
	case "call":
		return i.call(n)
	}
	return set{}, true
}

func (i *inference) selector(n *Node) set {
	if n.Name == "" {
		i.say("a selector names no metric")
		return set{}
	}
	_, labels, ok := i.schema.series(n.Name)
	if !ok {
		i.say("%s is no metric that anybody exposes", n.Name)
		return newSet(n.Matchers...)
	}
	for _, m := range n.Matchers {
		if !labels[m] {
			i.say("%s has no label %s; it has %s", n.Name, m, strings.Join(labels.names(), ", "))
		}
	}
	return labels
}

func (i *inference) aggregation(n *Node) set {
	child, _ := i.labels(n.Children[0])
	for _, l := range n.Labels {
		if !child[l] {
			i.say("%s by or without %s: what it aggregates has %s", n.Name, l, strings.Join(child.names(), ", "))
		}
	}
	switch {
	case n.Name == "topk" || n.Name == "bottomk" || n.Name == "limitk":
		return child
	case n.Without:
		return child.minus(n.Labels...)
	case n.Name == "count_values":
		return newSet(n.Labels...).plus(n.Strings...)
	}
	return newSet(n.Labels...)
}

func (i *inference) binary(n *Node) (set, bool) {
	left, noLeft := i.labels(n.Children[0])
	right, noRight := i.labels(n.Children[1])
	switch {
	case noLeft && noRight:
		return set{}, true
	case noLeft:
		return right, false
	case noRight:
		return left, false
	}
	i.match(n, left, right)
	switch {
	case n.Name == "or":
		return left.plus(right.names()...), false
	case n.Name == "and" || n.Name == "unless":
		return left, false
	case n.Card == "many-to-one":
		return left.plus(n.Include...), false
	case n.Card == "one-to-many":
		return right.plus(n.Include...), false
	case n.On:
		return newSet(n.Labels...), false
	}
	return left.minus(n.Labels...), false
}

// match checks that the two sides of an operator can meet.
func (i *inference) match(n *Node, left, right set) {
	if n.On {
		for _, l := range n.Labels {
			if !left[l] || !right[l] {
				i.say("%s on (%s): left has %s, right has %s", n.Name, l, strings.Join(left.names(), ", "), strings.Join(right.names(), ", "))
			}
		}
	} else if n.Name != "or" {
		l := left.minus(n.Labels...).names()
		r := right.minus(n.Labels...).names()
		if !slices.Equal(l, r) {
			i.say("%s can match nothing: left has %s, right has %s", n.Name, strings.Join(l, ", "), strings.Join(r, ", "))
		}
	}
	one := right
	if n.Card == "one-to-many" {
		one = left
	}
	for _, l := range n.Include {
		if !one[l] {
			i.say("group includes %s, which the other side has not: %s", l, strings.Join(one.names(), ", "))
		}
	}
}

func (i *inference) call(n *Node) (set, bool) {
	switch n.Name {
	case "vector", "time", "pi":
		return set{}, n.Name != "vector"
	case "scalar":
		i.labels(n.Children[0])
		return set{}, true
	}
	var labels set
	for _, child := range n.Children {
		if found, scalar := i.labels(child); !scalar {
			labels = found
		}
	}
	switch n.Name {
	case "absent", "absent_over_time":
		if n.Children[0].Kind != "selector" {
			return set{}, false
		}
		return newSet(n.Children[0].Matchers...), false
	case "histogram_quantile":
		if !labels["le"] {
			i.say("histogram_quantile of something without le")
		}
		return labels.minus("le"), false
	case "label_replace":
		if len(n.Strings) == 4 && !labels[n.Strings[2]] {
			i.say("label_replace reads %s, which is not there", n.Strings[2])
		}
		return labels.plus(n.Strings[0]), false
	case "rate", "irate", "increase":
		i.counts(n)
	}
	return labels, false
}

// counts checks that what is rated is a counter.
func (i *inference) counts(n *Node) {
	of := n.Children[0]
	if m, _, ok := i.schema.series(of.Name); of.Kind == "selector" && ok && m.Kind != Counter && m.Kind != Recorded {
		i.say("%s of %s, which is a %s", n.Name, of.Name, m.Kind)
	}
}
