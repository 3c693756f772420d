package report

import (
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"os"
	"strings"
)

// Page is a result as people read it: on the terminal and in a file that needs nothing but a browser.
type Page struct {
	Title   string        // "": the scenario's name
	Means   string        // what it means that there is no violation
	Summary [][2]string   // the figures that matter most: a label and a text
	Charts  template.HTML // drawings, only in the file; "": none
	Tables  []Table
}

// Table is one table of a Page.
type Table struct {
	Title string
	Note  string // "": none; only in the file
	Head  []string
	Rows  [][]string
}

//go:embed page.html.tmpl
var pageTemplate string

// tables are the objectives and then the scenario's own tables, without empty ones.
func (r Report) tables() []Table {
	objectives := Table{Title: "Objectives", Head: []string{"objective", "limit", "measured", ""}}
	for _, o := range r.Objectives {
		verdict := "met"
		if !o.Met {
			verdict = "MISSED"
		}
		limit := formatObjective(o)
		objectives.Rows = append(objectives.Rows, []string{o.Name, limit[0], limit[1], verdict})
	}
	var out []Table
	for _, t := range append([]Table{objectives}, r.Page.Tables...) {
		if len(t.Rows) > 0 {
			out = append(out, t)
		}
	}
	return out
}

// writePage writes a report as one page whose styles and drawings are inside.
func writePage(path string, r Report) error {
	t, err := template.New("page").Funcs(template.FuncMap{"join": strings.Join}).Parse(pageTemplate)
	if err != nil {
		return fmt.Errorf("report: template: %w", err)
	}
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("report: write: %w", err)
	}
	if r.Page.Title == "" {
		r.Page.Title = r.Scenario
	}
	return errors.Join(t.Execute(file, struct {
		Report
		Tables []Table
	}{r, r.tables()}), file.Close())
}
