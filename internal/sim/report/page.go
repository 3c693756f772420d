package report

import (
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"text/tabwriter"

	"github.com/meridian-commerce/meridian/internal/sim/check"
)

// Page is a drill's result as people read it: on the terminal and in a file that needs nothing but a browser.
type Page struct {
	Title      string
	Seed       uint64
	Commit     string
	Command    string // that repeats the drill
	Plant      string // the bug that was planted; "": none
	Violations []check.Violation
	Passed     string // what it means that there is none
	Tables     []Table
}

// Table is one table of a Page.
type Table struct {
	Title string
	Note  string // "": none
	Head  []string
	Rows  [][]string
}

// Here describes the machine that this process runs on.
func Here() Machine {
	return Machine{CPUs: runtime.NumCPU(), OS: runtime.GOOS, Arch: runtime.GOARCH, Go: runtime.Version()}
}

//go:embed page.html.tmpl
var tables string

// WritePage writes a page into a file of a folder, which it creates if need be.
func WritePage(dir, name string, p Page) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("report: create folder: %w", err)
	}
	t, err := template.New("page").Funcs(template.FuncMap{"join": strings.Join}).Parse(tables)
	if err != nil {
		return fmt.Errorf("report: template: %w", err)
	}
	file, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		return fmt.Errorf("report: write: %w", err)
	}
	return errors.Join(t.Execute(file, struct {
		Page
		Machine Machine
		Model   string
	}{p, Here(), Model}), file.Close())
}

// Publish writes a drill's figures as JSON and its page as HTML into a folder, which it creates if need be, prints the
// page, and says where it is.
func Publish(out io.Writer, dir, jsonFile, htmlFile string, figures any, p Page) error {
	if err := errors.Join(WriteJSON(dir, jsonFile, figures), WritePage(dir, htmlFile, p), PrintPage(out, p)); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "report: %s\n", filepath.Join(dir, htmlFile))
	return err //nolint:wrapcheck // a console that is gone
}

// PrintPage writes a page as text.
func PrintPage(w io.Writer, p Page) error {
	for _, table := range p.Tables {
		t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
		_, _ = fmt.Fprintf(t, "\n%s\n", strings.ToUpper(table.Title))
		for _, row := range append([][]string{table.Head}, table.Rows...) {
			_, _ = fmt.Fprintln(t, strings.Join(row, "\t"))
		}
		if err := t.Flush(); err != nil {
			return fmt.Errorf("report: print: %w", err)
		}
	}
	var b strings.Builder
	b.WriteString("\n")
	for _, v := range p.Violations {
		fmt.Fprintf(&b, "VIOLATION %s: %s\n", v.Invariant, v.Detail)
		if len(v.IDs) > 0 {
			fmt.Fprintf(&b, "  ids: %s\n", strings.Join(v.IDs, " "))
		}
	}
	if len(p.Violations) == 0 {
		b.WriteString("no violation: " + p.Passed + "\n")
	}
	fmt.Fprintf(&b, "replay: %s   (seed %d, commit %s)\n", p.Command, p.Seed, p.Commit)
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("report: print: %w", err)
	}
	return nil
}
