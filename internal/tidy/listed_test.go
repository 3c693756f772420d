package tidy

import (
	"bytes"
	"regexp"
	"slices"
	"strings"

	"github.com/meridian-commerce/meridian/internal/config"
)

// vocabulary is a set of names that the product's code defines and one document lists.
type vocabulary struct {
	noun     string
	document string
	inTable  *regexp.Regexp // finds a name as its first group
	inCode   *regexp.Regexp
	defines  func(path string) bool // whether a file's names count
}

// onTerminal matches the code whose errors people read on a terminal, as sentences: commands, and what reads keys at start.
var onTerminal = regexp.MustCompile(`^((cmd|internal/(sim|cli|config|app|capacity))/|internal/account/((settings|accountrpc/keys)\.go$|token/rotation/))`)

const (
	reasonsTable = "docs/reference/errors.md"
	keysTable    = "docs/reference/configuration.md"
	faultsTable  = "docs/reference/faults.md"
)

// Faults finds tests that the table of faults names and that are not there.
func Faults(files []File) []Finding {
	defined := map[string]bool{}
	cited := map[string]int{}
	for _, f := range files {
		switch {
		case f.Path == faultsTable:
			cited = names(f.Content, regexp.MustCompile("`(Test[A-Za-z0-9]+)[`/]"))
		case f.isTest():
			for name := range names(f.Content, regexp.MustCompile(`(?m)^func (Test\w+)\(`)) {
				defined[name] = true
			}
		}
	}
	var out []Finding
	for name, line := range cited {
		if !defined[name] {
			out = append(out, Finding{faultsTable, line, "there is no test " + name})
		}
	}
	return out
}

// Reasons holds the reasons of errors in the services' code and the table of the documentation to each other.
func Reasons(files []File) []Finding {
	return vocabulary{
		noun: "reason", document: reasonsTable,
		defines: func(p string) bool { return !onTerminal.MatchString(p) },
		inTable: regexp.MustCompile("(?m)^\\| `([A-Z][A-Z0-9_]+)` \\|"),
		inCode:  regexp.MustCompile(`fault\.(?:New|Wrap)\([^"]{0,120}?"([A-Z][A-Z0-9_]+)"`),
	}.check(files)
}

// ConfigurationKeys holds the keys of the configuration and the tables of the documentation to each other.
func ConfigurationKeys(files []File) []Finding {
	var keys []string
	for _, k := range config.Keys() {
		keys = append(keys, k.Name)
	}
	return configurationKeys(files, keys)
}

func configurationKeys(files []File, keys []string) []Finding {
	const code = "internal/config/keys.go" // which collects them from the rooms' settings
	files = slices.DeleteFunc(slices.Clone(files), func(f File) bool { return f.Path != keysTable })
	return vocabulary{
		noun: "key", document: keysTable,
		defines: func(p string) bool { return p == code },
		inTable: regexp.MustCompile("(?m)^\\| `([a-z][a-z_.]+)` \\|"),
		inCode:  regexp.MustCompile(`(?m)^([a-z][a-z_.]+)$`),
	}.check(append(files, File{Path: code, Content: []byte(strings.Join(keys, "\n"))}))
}

func (v vocabulary) check(files []File) []Finding {
	i := slices.IndexFunc(files, func(f File) bool { return f.Path == v.document })
	if i < 0 {
		return []Finding{{v.document, 0, "is missing"}}
	}
	listed := names(files[i].Content, v.inTable)
	used := map[string]bool{}
	var out []Finding
	for _, f := range files {
		if !f.inModule() || f.isTest() || !v.defines(f.Path) {
			continue
		}
		for name, line := range names(f.Content, v.inCode) {
			if listed[name] == 0 && !used[name] {
				out = append(out, Finding{f.Path, line, v.noun + " " + name + " has no row in " + v.document})
			}
			used[name] = true
		}
	}
	for name, line := range listed {
		if !used[name] {
			out = append(out, Finding{v.document, line, v.noun + " " + name + " is defined nowhere"})
		}
	}
	return out
}

// names returns what the first group of re matches, each with the line of its first match.
func names(text []byte, re *regexp.Regexp) map[string]int {
	out := map[string]int{}
	for _, m := range re.FindAllSubmatchIndex(text, -1) {
		if name := string(text[m[2]:m[3]]); out[name] == 0 {
			out[name] = bytes.Count(text[:m[2]], []byte("\n")) + 1
		}
	}
	return out
}
