package report

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
)

// Publish writes a report into a folder, which it creates if need be, as NAME.json, NAME.html and NAME-junit.xml, prints
// it, and says where it is.
func Publish(out io.Writer, dir, name string, r Report) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("report: create folder: %w", err)
	}
	file := filepath.Join(dir, name)
	asJSON, err := json.MarshalIndent(r, "", "  ")
	asXML, err2 := xml.MarshalIndent(r.junit(), "", "  ")
	if err := errors.Join(err, err2); err != nil {
		return fmt.Errorf("report: encode: %w", err)
	}
	if err := errors.Join(
		os.WriteFile(file+".json", append(asJSON, '\n'), 0o644), writePage(file+".html", r),
		os.WriteFile(file+"-junit.xml", slices.Concat([]byte(xml.Header), asXML), 0o644), Print(out, r),
	); err != nil {
		return fmt.Errorf("report: write: %w", err)
	}
	_, err = fmt.Fprintf(out, "report: %s\n", file+".html")
	return err //nolint:wrapcheck // a console that is gone
}

// shown is how many violations are printed; the files have all.
const shown = 10

// Print writes a report as text: what a person reads first.
func Print(w io.Writer, r Report) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	p := func(cells ...string) { _, _ = fmt.Fprintln(t, strings.Join(cells, "\t")) }
	p("")
	p(r.Scenario, fmt.Sprintf("seed %d, commit %s", r.Seed, r.Commit))
	for _, line := range r.Page.Summary {
		p(line[0], line[1])
	}
	for _, table := range r.tables() {
		p("")
		p(strings.ToUpper(table.Title))
		p(strings.ToUpper(strings.Join(table.Head, "\t")))
		for _, row := range table.Rows {
			p(row...)
		}
	}
	p("")
	if err := t.Flush(); err != nil {
		return fmt.Errorf("report: print: %w", err)
	}
	for i, v := range r.Violations {
		if i == shown {
			_, _ = fmt.Fprintf(w, "VIOLATION: and %d more\n", len(r.Violations)-shown)
			break
		}
		_, _ = fmt.Fprintf(w, "VIOLATION %s: %s\n", v.Invariant, v.Detail)
		if len(v.IDs) > 0 {
			_, _ = fmt.Fprintf(w, "  ids: %s\n", strings.Join(v.IDs, " "))
		}
	}
	if len(r.Violations) == 0 {
		_, _ = fmt.Fprintln(w, "no violation")
	}
	_, err := fmt.Fprintf(w, "replay: %s   (seed %d, commit %s)\n", r.Command, r.Seed, r.Commit)
	return err //nolint:wrapcheck // a console that is gone
}
