// Command size counts the Go lines of the product and the simulator, folder by folder, so that growth is seen:
//
//	go run -C tools/size . "$PWD" [FORMER]
//
// It counts every line, blank ones and comments too, of the Go files that people wrote for the product: not generated, not
// a test (_test.go), not support for tests (below a folder whose name ends in "test"), not a tool of a module of its own
// (below tools/). With a second folder, of another state of the repository, it prints that one's lines and the change.
package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
)

func main() {
	if err := run(os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "size:", err)
		os.Exit(1)
	}
}

func run(out io.Writer, folders []string) error {
	if len(folders) < 1 || len(folders) > 2 {
		return errors.New("usage: size FOLDER [FORMER]")
	}
	var states []*state
	for _, folder := range folders {
		s, err := count(os.DirFS(folder))
		if err != nil {
			return err
		}
		states = append(states, s)
	}
	return write(out, states)
}

// write prints a row for each folder and each figure, a column for each state, and with two states the change.
func write(out io.Writer, states []*state) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(name string, figure func(s *state) int) {
		for _, s := range states {
			fmt.Fprintf(w, "%d\t", figure(s))
		}
		if len(states) > 1 {
			fmt.Fprintf(w, "%+d\t", figure(states[0])-figure(states[1]))
		}
		fmt.Fprintf(w, "  %s\n", name)
	}
	all := map[string]bool{}
	for _, s := range states {
		for folder := range s.lines {
			all[folder] = true
		}
	}
	for _, folder := range slices.Sorted(maps.Keys(all)) {
		row(folder, func(s *state) int { return s.lines[folder] })
	}
	row("of the simulator", (*state).simulator)
	row("TOTAL, without tests, support for tests and generated files", (*state).total)
	row("in the largest file, now "+states[0].largest.name, func(s *state) int { return s.largest.lines })
	row("in the longest function, now "+states[0].longest.name, func(s *state) int { return s.longest.lines })
	row("comment lines inside bodies, per 1,000 lines", func(s *state) int { return 1000 * s.comments / max(1, s.total()) })
	return w.Flush()
}

// counted reports whether a Go file is one that people wrote for the product, by its name.
func counted(name string) bool {
	if strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "tools/") {
		return false
	}
	return !slices.ContainsFunc(strings.Split(name, "/"), func(part string) bool {
		return strings.HasSuffix(part, "test") || part == "testdata"
	})
}

// skipped reports whether a folder holds what was built or is git's own.
func skipped(name string, d fs.DirEntry) bool {
	return d.IsDir() && (name == ".git" || name == "bin" || name == "out")
}
