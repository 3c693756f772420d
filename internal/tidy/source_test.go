package tidy

import (
	"bytes"
	"fmt"
	"go/parser"
	"go/token"
	"path"
	"regexp"
)

// PackageComments wants no package of the module to have a second package comment, which documentation would only join
// to the first, and that of a command to begin with "Command x" or the command's name. The linter wants the first one,
// and its form in all other packages.
func PackageComments(files []File) []Finding {
	first := map[string]string{} // by folder, the file that has its comment
	var out []Finding
	for _, f := range files {
		if !f.inModule() || f.isTest() || f.isGenerated() || f.isData() {
			continue
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, f.Path, f.Content, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			out = append(out, Finding{f.Path, 0, err.Error()})
			continue
		}
		if file.Doc == nil {
			continue
		}
		dir := path.Dir(f.Path)
		line := fset.Position(file.Doc.Pos()).Line
		if first[dir] != "" {
			out = append(out, Finding{f.Path, line, "second package comment; the first is in " + first[dir]})
			continue
		}
		first[dir] = f.Path
		if file.Name.Name == "main" && !commandOpening(path.Base(dir)).MatchString(file.Doc.Text()) {
			out = append(out, Finding{f.Path, line, fmt.Sprintf("the comment should begin %q", "Command "+path.Base(dir))})
		}
	}
	return out
}

func commandOpening(name string) *regexp.Regexp {
	return regexp.MustCompile(`^(Command ` + regexp.QuoteMeta(name) + `|(?i:` + regexp.QuoteMeta(name) + `))\s`)
}

var emptyName = regexp.MustCompile(`^(utils?|common|helpers?|managers?|misc|shared)(_test)?\.go$`)

// FileName refuses Go files whose name says nothing about their content; the linter refuses such packages.
func FileName(f File) []Finding {
	if name := path.Base(f.Path); emptyName.MatchString(name) {
		return []Finding{{f.Path, 0, fmt.Sprintf("%q says nothing: name what it holds", name)}}
	}
	return nil
}

// ShellScripts wants every shell script to stop at the first failure and at unset variables. What else can be wrong with
// one, shellcheck finds.
func ShellScripts(f File) []Finding {
	if f.isShell() && !regexp.MustCompile(`(?m)^set -(eu|euo pipefail)$`).Match(f.Content) {
		return []Finding{{f.Path, 0, "a shell script without `set -eu`"}}
	}
	return nil
}

func (f File) isShell() bool {
	return bytes.HasPrefix(f.Content, []byte("#!/bin/sh")) || bytes.HasPrefix(f.Content, []byte("#!/usr/bin/env bash"))
}
