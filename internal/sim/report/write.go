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

// The files that Write makes.
const (
	JSONFile = "report.json"
	HTMLFile = "report.html"
)

// Write writes report.json and report.html into a folder, which it creates if need be.
func Write(dir string, r Report) error {
	if err := WriteJSON(dir, JSONFile, r); err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(dir, HTMLFile))
	if err != nil {
		return fmt.Errorf("report: write: %w", err)
	}
	return errors.Join(WriteHTML(file, r), file.Close())
}

// WriteJSON writes a drill's figures into a file of a folder, which it creates if need be.
func WriteJSON(dir, name string, figures any) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("report: create folder: %w", err)
	}
	raw, err := json.MarshalIndent(figures, "", "  ")
	if err != nil {
		return fmt.Errorf("report: encode: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), append(raw, '\n'), 0o644); err != nil {
		return fmt.Errorf("report: write: %w", err)
	}
	return nil
}

// Print writes the summary that a person reads first.
func Print(w io.Writer, r Report) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(t, format+"\n", args...) }
	p("")
	p("%s\tseed %d, commit %s", r.Scenario, r.Seed, r.Commit)
	p("load\t%d arrivals (%d dropped), %d requests in %.0f s", r.Load.Arrivals, r.Load.DroppedArrivals, r.Load.Requests, r.Load.DurationS)
	p("orders\t%d acknowledged, %d unknown, %d refused, %d rows", r.Orders.Acknowledged, r.Orders.Unknown, r.Orders.Failed, r.Orders.Placed)
	if len(r.Orders.Refusals) > 0 {
		p("refused\t%v", r.Orders.Refusals)
	}
	p("recovery\tentry %s + routing %s + database %s", formatMS(r.Recovery.EntryMS), formatMS(r.Recovery.RoutingMS), formatMS(r.Recovery.DatabaseMS))
	p("\treads back after %s, orders after %s", formatMS(r.Recovery.ReadsTotalMS), formatMS(r.Recovery.OrdersTotalMS))
	p("")
	p("OBJECTIVE\tLIMIT\tMEASURED\t")
	for _, o := range r.Objectives {
		f, verdict := formatObjective(o), "met"
		if !o.Met {
			verdict = "MISSED"
		}
		p("%s\t%s\t%s\t%s", o.Name, f[0], f[1], verdict)
	}
	p("")
	p("REGION\tPHASE\tREQUESTS\tSUCCESS\tCATALOG P50\tP99\tORDER P50\tP99")
	for _, name := range names(r) {
		region := r.Regions[name]
		for i, ph := range []Phase{region.Before, region.During, region.After} {
			p("%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s", name, [...]string{"before", "during", "after"}[i], ph.Requests, percent(ph.SuccessRatio),
				formatMS(ph.CatalogReadP50), formatMS(ph.CatalogReadP99), formatMS(ph.PlaceOrderP50), formatMS(ph.PlaceOrderP99))
		}
	}
	p("")
	if err := t.Flush(); err != nil {
		return fmt.Errorf("report: print: %w", err)
	}
	return printViolations(w, r)
}

func printViolations(w io.Writer, r Report) error {
	var b strings.Builder
	for _, f := range r.Others.Failures {
		fmt.Fprintf(&b, "another region's caller failed at %.1f s: %s from %s, home %s: %s %s %s\n", f.AtMS/1000, f.Kind, f.City, f.Home, f.Code, f.Reason, f.Detail)
	}
	for _, v := range r.Violations {
		fmt.Fprintf(&b, "VIOLATION %s: %s\n  ids: %s\n", v.Invariant, v.Detail, strings.Join(v.IDs, " "))
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
