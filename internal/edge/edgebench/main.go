// Command edgebench measures Meridian's edge beside nginx, HAProxy and Caddy as plain reverse proxies, in one
// run on one machine: the same upstream, certificate, keep-alive and load for each, in turns, so that what
// else the machine does falls on all alike. It prints a table, and writes it into a document if asked to.
// Servers listen on loopback, live in a folder of their own and end with the run.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// options are what a run is told.
type options struct {
	meridian string
	document string
	rounds   int
	requests int // at a time, when loaded
	length   time.Duration
	pause    time.Duration // before each measurement
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	var err error
	if len(os.Args) == 3 && os.Args[1] == serveBare {
		err = serve(os.Args[2])
	} else {
		err = run(ctx)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "edgebench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	var o options
	flag.StringVar(&o.meridian, "meridian", "bin/meridian", "the program to measure")
	flag.StringVar(&o.document, "document", "", "file whose table between markers is replaced")
	flag.IntVar(&o.rounds, "rounds", 5, "turns of each server")
	flag.IntVar(&o.requests, "requests", 64, "under way at a time in the loaded measurement")
	flag.DurationVar(&o.length, "length", 4*time.Second, "of each measurement")
	flag.DurationVar(&o.pause, "pause", 300*time.Millisecond, "before each measurement")
	flag.Parse()
	dir, err := os.MkdirTemp("", "edgebench")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	bench, err := newBench(ctx, dir, o.meridian)
	if err != nil {
		return err
	}
	defer bench.stop()
	if err := bench.start(ctx); err != nil {
		return err
	}
	sections, err := compare(ctx, bench, o)
	if err != nil {
		return err
	}
	table := render(sections, describe(o))
	if _, err := os.Stdout.WriteString(table); err != nil {
		return fmt.Errorf("print the table: %w", err)
	}
	if o.document == "" {
		return nil
	}
	return replaceTable(o.document, table)
}

// compare measures every subject over both protocols, in turns.
func compare(ctx context.Context, b *bench, o options) ([]section, error) {
	var sections []section
	for _, p := range protocols {
		sections = append(sections, section{p.name, make([]result, len(b.subjects))})
	}
	for round := range o.rounds {
		for i, s := range b.subjects {
			for j, p := range protocols {
				r := &sections[j].results[i]
				r.name = s.name
				quiet, err := b.measure(ctx, p, s, 1, o.length/2, o.pause)
				if err != nil {
					return nil, err
				}
				loaded, err := b.measure(ctx, p, s, o.requests, o.length, o.pause)
				if err != nil {
					return nil, err
				}
				r.quiet = append(r.quiet, quiet)
				r.loaded = append(r.loaded, loaded)
				r.memory = max(r.memory, memory(s.process.Process.Pid))
				fmt.Fprintf(os.Stderr, "round %d of %d: %-24s %-9s %8.0f requests/s\n", round+1, o.rounds, s.name, p.name, loaded.rate())
			}
		}
	}
	return sections, nil
}
