package report

import (
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"os"
	"strings"
	text "text/template"
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

// NewPage fills a page as a template says, which is executed for what it calls; what it prints is of no use:
//
//	title FORMAT ARG...          means TEXT
//	summary LABEL FORMAT ARG...  a line of the summary
//	table TITLE HEAD...          begins a table; one without rows is not shown
//	note TEXT                    of the table
//	row CELL...                  a row of the table
//	cells CELL...                more cells of the row
//
// Formats are there, too.
func NewPage(page string, figures any) (Page, error) {
	var p Page
	table := func() *Table { return &p.Tables[len(p.Tables)-1] }
	cells := func(cells ...any) string {
		row := &table().Rows[len(table().Rows)-1]
		for _, c := range cells {
			*row = append(*row, fmt.Sprint(c))
		}
		return ""
	}
	t, err := text.New("page").Option("missingkey=zero").Funcs(Formats()).Funcs(text.FuncMap{
		"title": func(format string, args ...any) string { p.Title = fmt.Sprintf(format, args...); return "" },
		"means": func(text string) string { p.Means = text; return "" },
		"summary": func(label, format string, args ...any) string {
			p.Summary = append(p.Summary, [2]string{label, fmt.Sprintf(format, args...)})
			return ""
		},
		"table": func(title string, head ...string) string {
			p.Tables = append(p.Tables, Table{Title: title, Head: head})
			return ""
		},
		"note": func(text string) string { table().Note = text; return "" },
		"row": func(first ...any) string {
			table().Rows = append(table().Rows, nil)
			return cells(first...)
		},
		"cells": cells,
	}).Parse(page)
	if err == nil {
		err = t.Execute(io.Discard, figures)
	}
	if err != nil {
		return p, fmt.Errorf("report: page: %w", err)
	}
	return p, nil
}

// tables are the objectives and then the scenario's own tables, without empty ones.
func (r Report) tables() []Table {
	objectives := Table{Title: "Objectives", Head: []string{"objective", "limit", "measured", ""}}
	for _, o := range r.Objectives {
		verdict := "met"
		if !o.Met {
			verdict = "MISSED"
		}
		limit, actual := o.format()
		objectives.Rows = append(objectives.Rows, []string{o.Name, limit, actual, verdict})
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
