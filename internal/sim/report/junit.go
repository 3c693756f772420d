package report

import (
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
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
	broken := map[string]*outcome{}
	names := slices.Clone(r.Invariants)
	for _, v := range r.Violations {
		broken[v.Invariant] = &outcome{v.Detail}
		names = append(names, v.Invariant)
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		suite.Cases = append(suite.Cases, testCase{Class: r.Scenario + ".invariant", Name: name, Failure: broken[name]})
	}
	for _, o := range r.Objectives {
		c := testCase{Class: r.Scenario + ".objective", Name: o.Name}
		limit := formatObjective(o)
		missed := &outcome{fmt.Sprintf("%s, not %s: %s", limit[1], limit[0], o.Measures)}
		switch {
		case o.Met:
		case r.Strict:
			c.Failure = missed
		default:
			c.Skipped = missed
		}
		suite.Cases = append(suite.Cases, c)
	}
	for _, c := range suite.Cases {
		suite.Tests++
		if c.Failure != nil {
			suite.Failures++
		}
		if c.Skipped != nil {
			suite.Skipped++
		}
	}
	return suite
}

func writeJUnit(dir, name string, r Report) error {
	text, err := xml.MarshalIndent(r.junit(), "", "  ")
	if err != nil {
		return fmt.Errorf("report: encode: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), append([]byte(xml.Header), text...), 0o644); err != nil {
		return fmt.Errorf("report: write: %w", err)
	}
	return nil
}
