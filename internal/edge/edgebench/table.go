package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// result is what all rounds found of one subject.
type result struct {
	name          string
	quiet, loaded []sample
	memory        int64 // bytes, at most
}

// section is the results over one protocol.
type section struct {
	protocol string
	results  []result
}

// median returns the middle of what f finds in the samples.
func median[T cmp.Ordered](samples []sample, f func(sample) T) T {
	values := make([]T, len(samples))
	for i, s := range samples {
		values[i] = f(s)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

const (
	beginMark = "<!-- edgebench: begin -->"
	endMark   = "<!-- edgebench: end -->"
)

// render returns the tables. The first subject of each is the upstream without a proxy.
func render(sections []section, machine string) string {
	var out strings.Builder
	out.WriteString(beginMark + "\n" + machine + "\n")
	for _, s := range sections {
		out.WriteString("\n| " + s.protocol + " | requests/s | p50 | p99 | p99.9 | p50, one connection | added to direct | processor time per request | memory |\n|---|---|---|---|---|---|---|---|---|\n")
		for i, r := range s.results {
			out.WriteString(row(r, s.results[0], i > 0))
		}
	}
	out.WriteString(endMark + "\n")
	return out.String()
}

func row(r, direct result, proxy bool) string {
	p50 := func(s sample) time.Duration { return s.p50 }
	one := median(r.quiet, p50)
	added := "–"
	if proxy {
		added = fmt.Sprintf("%d µs", (one - median(direct.quiet, p50)).Microseconds())
	}
	return fmt.Sprintf("| %s | %.0f | %s | %s | %s | %d µs | %s | %d µs | %.0f MiB |\n", r.name, median(r.loaded, sample.rate),
		ms(median(r.loaded, p50)), ms(median(r.loaded, func(s sample) time.Duration { return s.p99 })),
		ms(median(r.loaded, func(s sample) time.Duration { return s.p999 })), one.Microseconds(), added,
		median(r.loaded, func(s sample) time.Duration { return s.cpu }).Microseconds(), float64(r.memory)/(1<<20))
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond)) }

// describe says in a sentence what ran where.
func describe(o options) string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	model := "unknown processor"
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			model = strings.TrimSpace(value)
			break
		}
	}
	load, _ := os.ReadFile("/proc/loadavg")
	before, _, _ := strings.Cut(string(load), " ")
	return fmt.Sprintf("%s, %d processors, load %s after the run; %s, %s, %s, %s. %d rounds of %v and of %v with one connection; "+
		"h2load with %d requests under way, over HTTP/2 %d to a connection. Medians.", model, runtime.NumCPU(), before,
		version("nginx", "-v"), version("haproxy", "-v"), version("caddy", "version"), runtime.Version(),
		o.rounds, o.length, o.length/2, o.requests, protocols[1].streams)
}

// version returns the first word with a digit of what a program says of itself, after its name.
func version(program, flag string) string {
	out, _ := exec.Command(program, flag).CombinedOutput()
	for word := range strings.FieldsSeq(strings.ReplaceAll(string(out), "/", " ")) {
		if strings.ContainsAny(word, "0123456789") {
			return program + " " + word
		}
	}
	return program
}

// replaceTable puts the table between the markers of a document.
func replaceTable(document, table string) error {
	text, err := os.ReadFile(document)
	if err != nil {
		return fmt.Errorf("read the document: %w", err)
	}
	begin, end := bytes.Index(text, []byte(beginMark)), bytes.Index(text, []byte(endMark+"\n"))
	if begin < 0 || end < begin {
		return errors.New("the document has no markers")
	}
	text = slices.Concat(text[:begin], []byte(table), text[end+len(endMark)+1:])
	if err := os.WriteFile(document, text, 0o644); err != nil {
		return fmt.Errorf("write the document: %w", err)
	}
	return nil
}
