package tidy

import (
	"bytes"
	"fmt"
	"path"
	"regexp"
	"strings"
)

// Module is the product's Go module.
const Module = "github.com/meridian-commerce/meridian"

// File is one file of the repository. Path is relative to its root, with slashes.
type File struct {
	Path    string
	Content []byte
}

// Finding is one violation of a rule. Line is 0 where it concerns a whole file or folder.
type Finding struct {
	Path string
	Line int
	Text string
}

// String renders a finding as editors link it: path:line: text.
func (f Finding) String() string {
	if f.Line == 0 {
		return f.Path + ": " + f.Text
	}
	return fmt.Sprintf("%s:%d: %s", f.Path, f.Line, f.Text)
}

// Rule judges the whole repository.
type Rule func([]File) []Finding

// Rules returns every rule by its name.
func Rules() map[string]Rule {
	return map[string]Rule{
		"package comments": PackageComments,
		"file names":       each(FileName),
		"imports":          Imports,
		"hosts":            each(RegistryHosts),
		"paths":            each(MachinePaths),
		"words":            each(Authorship),
		"shell":            each(ShellScripts),
		"links":            Links,
		"index":            Indexed,
		"reasons":          Reasons,
		"faults":           Faults,
		"configuration":    ConfigurationKeys,
		"tests":            PackagesWithTests,
		"modules":          FixedModules,
		"migrations":       each(Migrations),
		"workflows":        Workflows,
	}
}

// each lifts a rule about one file to the repository.
func each(rule func(File) []Finding) Rule {
	return func(files []File) []Finding {
		var out []Finding
		for _, f := range files {
			out = append(out, rule(f)...)
		}
		return out
	}
}

var generatedLine = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

func (f File) isGo() bool        { return path.Ext(f.Path) == ".go" }
func (f File) isTest() bool      { return strings.HasSuffix(f.Path, "_test.go") }
func (f File) isGenerated() bool { return f.isGo() && generatedLine.Match(f.Content) }

// isData reports whether a file is imported or binary data, whose words are not ours.
func (f File) isData() bool {
	return strings.Contains("/"+f.Path, "/testdata/") || path.Ext(f.Path) == ".csv" || bytes.IndexByte(f.Content, 0) >= 0
}

// inModule reports whether a Go file belongs to the product's module and not to one nested under tools/.
func (f File) inModule() bool { return f.isGo() && !strings.HasPrefix(f.Path, "tools/") }

// lines returns a finding for every line that one of the patterns matches; text says what is wrong with the match.
func (f File) lines(patterns []pattern, text string) []Finding {
	content := string(f.Content)
	patterns = holding(patterns, content)
	if len(patterns) == 0 {
		return nil
	}
	var out []Finding
	for i, line := range strings.Split(content, "\n") {
		for _, p := range holding(patterns, line) {
			if m := p.FindString(line); m != "" {
				out = append(out, Finding{f.Path, i + 1, fmt.Sprintf("%q: %s", strings.TrimSpace(m), text)})
				break
			}
		}
	}
	return out
}

// holding returns those patterns that may match a text.
func holding(patterns []pattern, text string) (out []pattern) {
	text = strings.ToLower(text)
	for _, p := range patterns {
		if strings.Contains(text, p.holds) {
			out = append(out, p)
		}
	}
	return out
}
