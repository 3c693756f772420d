package report

import (
	"encoding/xml"
	"fmt"
	"maps"
	"slices"
	"time"
)

// testSuite is a report as continuous integration reads it: JUnit's XML, as far as its readers agree on it.
type testSuite struct {
	XMLName  xml.Name   `xml:"testsuite"`
	Name     string     `xml:"name,attr"`
	Tests    int        `xml:"tests,attr"`
	Failures int        `xml:"failures,attr"`
	Skipped  int        `xml:"skipped,attr"`
	At       string     `xml:"timestamp,attr"`
	Cases    []testCase `xml:"testcase"`
}

// testCase is one invariant or one objective.
type testCase struct {
	Class   string   `xml:"classname,attr"`
	Name    string   `xml:"name,attr"`
	Failure *outcome `xml:"failure,omitempty"`
	Skipped *outcome `xml:"skipped,omitempty"`
}

type outcome struct {
	Message string `xml:"message,attr"`
}

// junit makes a test of each invariant and of each objective. A missed objective is skipped rather than failed unless
// the run is strict, because it may tell more about the machine than about the system.
func (r Report) junit() testSuite {
	suite := testSuite{Name: r.Scenario, At: r.StartedAt.UTC().Format(time.RFC3339)}
	add := func(kind, name string, failure, skipped *outcome) {
		suite.Cases = append(suite.Cases, testCase{r.Scenario + "." + kind, name, failure, skipped})
		suite.Tests++
		if failure != nil {
			suite.Failures++
		}
		if skipped != nil {
			suite.Skipped++
		}
	}
	broken := map[string]*outcome{}
	for _, name := range r.Invariants {
		broken[name] = nil
	}
	for _, v := range r.Violations {
		broken[v.Invariant] = &outcome{v.Detail}
	}
	for _, name := range slices.Sorted(maps.Keys(broken)) {
		add("invariant", name, broken[name], nil)
	}
	for _, o := range r.Objectives {
		limit, actual := o.format()
		missed := &outcome{fmt.Sprintf("%s, not %s: %s", actual, limit, o.Measures)}
		switch {
		case o.Met:
			add("objective", o.Name, nil, nil)
		case r.Strict:
			add("objective", o.Name, missed, nil)
		default:
			add("objective", o.Name, nil, missed)
		}
	}
	return suite
}
