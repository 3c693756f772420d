package localitylint

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// fragment is a literal that is SQL, or a part of a statement that code puts together.
var fragment = regexp.MustCompile(`(?s)^\s*(DELETE FROM\s|(SELECT|INSERT INTO|UPDATE|WITH)\s.*\b(FROM|VALUES|SET|AS)\b)`)

// Missing returns the SQL in the non-test Go files of a folder that no recorded statement holds: what the lint
// has not seen. A test that ends with it covers every statement of its package.
func (r *Recorder) Missing(folder string) ([]string, error) {
	names, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		return nil, fmt.Errorf("localitylint: %w", err)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("localitylint: %s: %w", folder, fs.ErrNotExist)
	}
	recorded := strings.Join(r.Statements(), "\x00")
	var missing []string
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, fmt.Errorf("localitylint: %w", err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			literal, ok := n.(*ast.BasicLit)
			if !ok || literal.Kind != token.STRING {
				return true
			}
			if text, err := strconv.Unquote(literal.Value); err == nil && fragment.MatchString(text) && !strings.Contains(recorded, text) {
				missing = append(missing, text)
			}
			return true
		})
	}
	return missing, nil
}
