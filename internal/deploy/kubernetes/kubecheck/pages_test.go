package kubecheck

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// command is a kubectl command that a page tells its readers.
type command struct {
	page string // from the root of the repository
	text string // as it stands there, on one line
	in   string // the block of code that it is in, "" for one within a sentence
}

var (
	fence  = regexp.MustCompile("(?ms)^ *```([a-z]*)\n(.*?)^ *```$")
	inline = regexp.MustCompile("`(kubectl [^`]+)`")
	// A command ends where another one of the line begins, or the text that a command is an argument in.
	simple = regexp.MustCompile(`kubectl (?:"[^"]*"|[^|;&'"\n#])*`)
)

// commands returns every kubectl command of a page.
func commands(page, text string) []command {
	var out []command
	for _, m := range fence.FindAllStringSubmatch(text, -1) {
		for _, line := range logicalLines(m[2]) {
			for _, c := range simple.FindAllString(line, -1) {
				out = append(out, command{page, strings.TrimSpace(c), unindented(m[2])})
			}
		}
	}
	for _, m := range inline.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		out = append(out, command{page, strings.Join(strings.Fields(m[1]), " "), ""})
	}
	return out
}

// logicalLines returns the lines of a script without comments, each joined with those that it is continued on.
func logicalLines(script string) []string {
	var out []string
	for line := range strings.Lines(strings.ReplaceAll(script, "\\\n", " ")) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	return out
}

// unindented drops the spaces that all lines of a block in a list begin with.
func unindented(block string) string {
	lines := strings.SplitAfter(block, "\n")
	indent := len(block)
	for _, l := range lines {
		if text := strings.TrimLeft(l, " "); text != "" && text != "\n" {
			indent = min(indent, len(l)-len(text))
		}
	}
	for i, l := range lines {
		lines[i] = l[min(indent, len(l)-len(strings.TrimLeft(l, " "))):]
	}
	return strings.Join(lines, "")
}

// pages returns the text of every page below a root, by its name.
func pages(t *testing.T, root string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if d != nil && d.IsDir() && strings.HasPrefix(d.Name(), ".") && file != root {
				return filepath.SkipDir
			}
			return err
		}
		if filepath.Ext(file) != ".md" {
			return nil
		}
		text, err := os.ReadFile(file)
		name, _ := filepath.Rel(root, file)
		out[filepath.ToSlash(name)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// untold compares what pages tell with the table of what is known, and says where they differ.
func untold(pages map[string]string, known []told) []string {
	var out []string
	found := map[told]bool{}
	for page, text := range pages {
		for _, c := range commands(page, text) {
			i := slices.IndexFunc(known, func(k told) bool { return k.page == page && k.command == c.text })
			if i < 0 {
				out = append(out, page+" tells `"+c.text+"`, which the check does not know")
				continue
			}
			found[known[i]] = true
		}
	}
	for _, k := range known {
		if !found[k] {
			out = append(out, k.page+" no longer tells `"+k.command+"`")
		}
		if (k.stage == "") == (k.why == "") {
			out = append(out, "`"+k.command+"` of "+k.page+": either a stage runs it, or something keeps it from being run")
		}
	}
	slices.Sort(out)
	return out
}
