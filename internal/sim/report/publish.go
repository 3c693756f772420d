package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
)

// Publish writes a report into a folder, which it creates if need be, as NAME.json, NAME.html and NAME-junit.xml, prints
// it, and says where it is.
func Publish(out io.Writer, dir, name string, r Report) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("report: create folder: %w", err)
	}
	html := filepath.Join(dir, name+".html")
	if err := errors.Join(writeJSON(dir, name+".json", r), writePage(html, r), writeJUnit(dir, name+"-junit.xml", r), Print(out, r)); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "report: %s\n", html)
	return err //nolint:wrapcheck // a console that is gone
}

func writeJSON(dir, name string, r Report) error {
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("report: encode: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), append(raw, '\n'), 0o644); err != nil {
		return fmt.Errorf("report: write: %w", err)
	}
	return nil
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
	if err := t.Flush(); err != nil {
		return fmt.Errorf("report: print: %w", err)
	}
	var b strings.Builder
	b.WriteString("\n")
	for i, v := range r.Violations {
		if i == shown {
			fmt.Fprintf(&b, "VIOLATION: and %d more\n", len(r.Violations)-shown)
			break
		}
		fmt.Fprintf(&b, "VIOLATION %s: %s\n", v.Invariant, v.Detail)
		if len(v.IDs) > 0 {
			fmt.Fprintf(&b, "  ids: %s\n", strings.Join(v.IDs, " "))
		}
	}
	if len(r.Violations) == 0 {
		b.WriteString("no violation\n")
	}
	fmt.Fprintf(&b, "replay: %s   (seed %d, commit %s)\n", r.Command, r.Seed, r.Commit)
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("report: print: %w", err)
	}
	return nil
}
