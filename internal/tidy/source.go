package tidy

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
)

// The most lines that a file and a function may have. Tests may be longer: their tables are data.
const (
	maxFile, maxTestFile = 400, 800
	maxFunction          = 70
)

// PackageComments wants exactly one package comment in each package of the module, outside test files.
// It begins with "Package x" and the package's name, or for a command with "Command x" or the command's name.
func PackageComments(files []File) []Finding {
	comments := map[string][]Finding{}
	var folders []string
	var out []Finding
	for _, f := range files {
		if !f.inModule() || f.isTest() || f.isGenerated() || f.isData() {
			continue
		}
		dir := path.Dir(f.Path)
		if !slices.Contains(folders, dir) {
			folders = append(folders, dir)
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
		at := Finding{Path: f.Path, Line: fset.Position(file.Doc.Pos()).Line}
		comments[dir] = append(comments[dir], at)
		if text := file.Doc.Text(); !rightOpening(text, file.Name.Name, path.Base(dir)) {
			at.Text = fmt.Sprintf("package comment begins %.30q; it should begin %q", text, opening(file.Name.Name, path.Base(dir)))
			out = append(out, at)
		}
	}
	for _, dir := range folders {
		switch found := comments[dir]; {
		case len(found) == 0:
			out = append(out, Finding{dir, 0, "no file has a package comment: say the package's job and its guarantees"})
		case len(found) > 1:
			found[1].Text = "second package comment; the first is in " + found[0].Path
			out = append(out, found[1])
		}
	}
	return out
}

func opening(pkg, folder string) string {
	if pkg == "main" {
		return "Command " + folder
	}
	return "Package " + pkg
}

func rightOpening(text, pkg, folder string) bool {
	word := opening(pkg, folder)
	if pkg == "main" && strings.HasPrefix(strings.ToLower(text), strings.ToLower(folder)+" ") {
		return true
	}
	return strings.HasPrefix(text, word+" ") || strings.HasPrefix(text, word+"\n")
}

// FileSize limits the lines of a Go file that people wrote.
func FileSize(f File) []Finding {
	if !f.isGo() || f.isGenerated() {
		return nil
	}
	limit := maxFile
	if f.isTest() {
		limit = maxTestFile
	}
	if n := bytes.Count(f.Content, []byte("\n")); n > limit {
		return []Finding{{f.Path, 0, fmt.Sprintf("%d lines; at most %d: split it by subject", n, limit)}}
	}
	return nil
}

// FunctionSize limits the lines of a function outside tests, its braces included.
func FunctionSize(f File) []Finding {
	if !f.isGo() || f.isTest() || f.isGenerated() {
		return nil
	}
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, f.Path, f.Content, 0)
	if err != nil {
		return []Finding{{f.Path, 0, err.Error()}}
	}
	var out []Finding
	for _, d := range file.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		first, last := fset.Position(fn.Pos()).Line, fset.Position(fn.End()).Line
		if n := last - first + 1; n > maxFunction {
			out = append(out, Finding{f.Path, first, fmt.Sprintf("%s has %d lines; at most %d", fn.Name.Name, n, maxFunction)})
		}
	}
	return out
}

var emptyName = regexp.MustCompile(`^(utils?|common|helpers?|managers?|misc|shared)$`)

// PackageName refuses folders and files whose name says nothing about their content.
func PackageName(f File) []Finding {
	if !f.isGo() {
		return nil
	}
	for part := range strings.SplitSeq(strings.TrimSuffix(strings.TrimSuffix(f.Path, ".go"), "_test"), "/") {
		if emptyName.MatchString(part) {
			return []Finding{{f.Path, 0, fmt.Sprintf("%q says nothing: name what it holds", part)}}
		}
	}
	return nil
}
