package main

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"strings"
)

// state is what was counted of one state of the repository.
type state struct {
	lines    map[string]int // by folder
	largest  extent         // file
	longest  extent         // function, its braces included
	comments int            // lines with a comment inside the body of a function
}

// extent is something with its length in lines.
type extent struct {
	name  string
	lines int
}

func longer(a, b extent) extent {
	if b.lines > a.lines {
		return b
	}
	return a
}

func (s *state) total() int { return s.below("") }

func (s *state) simulator() int { return s.below("internal/sim") + s.below("cmd/meridian-sim") }

// below sums the lines of a folder and all that is below it; "" is the root.
func (s *state) below(root string) int {
	sum := 0
	for folder, lines := range s.lines {
		if root == "" || folder == root || strings.HasPrefix(folder, root+"/") {
			sum += lines
		}
	}
	return sum
}

// count measures the files of a repository.
func count(files fs.FS) (*state, error) {
	s := &state{lines: map[string]int{}}
	return s, fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case skipped(name, d):
			return fs.SkipDir
		case d.IsDir() || path.Ext(name) != ".go" || !counted(name):
			return nil
		}
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		return s.add(name, content)
	})
}

func (s *state) add(name string, content []byte) error {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, content, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil || ast.IsGenerated(file) {
		return err
	}
	lines := bytes.Count(content, []byte("\n"))
	s.lines[path.Dir(name)] += lines
	s.largest = longer(s.largest, extent{name, lines})
	for _, declaration := range file.Decls {
		fn, ok := declaration.(*ast.FuncDecl)
		if !ok || fn.Body == nil {
			continue
		}
		s.longest = longer(s.longest, extent{name + " " + fn.Name.Name, span(fset, fn)})
		for _, group := range file.Comments {
			for _, c := range group.List {
				// A directive to a linter is no sentence to a reader.
				if c.Pos() > fn.Body.Pos() && c.End() <= fn.Body.End() && !strings.HasPrefix(c.Text, "//nolint") {
					s.comments += span(fset, c)
				}
			}
		}
	}
	return nil
}

// span returns how many lines a node touches.
func span(fset *token.FileSet, n ast.Node) int {
	return fset.Position(n.End()).Line - fset.Position(n.Pos()).Line + 1
}
