package tidy

import (
	"path"
	"regexp"
	"strings"
)

// What a migration may do only with a mark, because the release before the one that brings it runs on its schema:
// during a rollout, and after a rollback. Each pattern sees one statement, in upper case and with single spaces.
var contracting = []struct {
	statement *regexp.Regexp
	text      string
}{
	{regexp.MustCompile(`\bDROP (TABLE|VIEW|INDEX|SCHEMA|SEQUENCE|TYPE|COLUMN|CONSTRAINT|DEFAULT|EXPRESSION)\b`), "takes away what the former release may use"},
	{regexp.MustCompile(`^ALTER TABLE .*\bDROP (IF EXISTS )?"?[A-Z0-9_]+"?( CASCADE| RESTRICT)?$`), "takes away what the former release may use"}, // COLUMN may be left out
	{regexp.MustCompile(`\bRENAME\b`), "renames what the former release uses"},
	{regexp.MustCompile(`\bALTER (COLUMN )?\S+ (SET DATA )?TYPE\b`), "changes a type in place"},
	{regexp.MustCompile(`\bSET NOT NULL\b`), "refuses rows that the former release writes"},
	{regexp.MustCompile(`^ALTER TABLE .*\bADD (CONSTRAINT|CHECK|UNIQUE|FOREIGN|PRIMARY|EXCLUDE)\b`), "may refuse rows that the former release writes"},
	{regexp.MustCompile(`^CREATE UNIQUE INDEX\b`), "may refuse rows that the former release writes"},
	{regexp.MustCompile(`^(UPDATE|DELETE|INSERT|TRUNCATE|MERGE|UPSERT)\b`), "changes rows; a job does that, some at a time"},
}

var (
	addColumn    = regexp.MustCompile(`\bADD (?:COLUMN )?(?:IF NOT EXISTS )?\S+ [^,]*`)
	contractMark = regexp.MustCompile(`(?m)^-- contract:(.*)$`)
	contractFrom = regexp.MustCompile(`^ since v\d+\.\d+\.\d+(: .*)?$`)
	sqlComment   = regexp.MustCompile(`--[^\n]*`)
	gooseDown    = regexp.MustCompile(`(?m)^-- \+goose Down`)
)

// Migrations wants every migration to only add, so that the former release works on the newer schema. One that takes
// away or refuses has a line "-- contract: since vX.Y.Z", which names the oldest release that works with it.
func Migrations(f File) []Finding {
	if path.Dir(f.Path) != "migrations" || path.Ext(f.Path) != ".sql" {
		return nil
	}
	var out []Finding
	find := func(at int, text string) {
		out = append(out, Finding{f.Path, 1 + strings.Count(string(f.Content[:at]), "\n"), text})
	}
	if down := gooseDown.FindIndex(f.Content); down != nil {
		find(down[0], "a migration is never taken back; another one undoes it")
	}
	marked := false
	for _, m := range contractMark.FindAllSubmatchIndex(f.Content, -1) {
		if marked = contractFrom.Match(f.Content[m[2]:m[3]]); !marked {
			find(m[0], "the mark is \"-- contract: since vX.Y.Z\", the oldest release that works with this schema")
		}
	}
	if marked {
		return out
	}
	// Comments become blanks, so that places stay what they were.
	text := sqlComment.ReplaceAllStringFunc(string(f.Content), func(c string) string { return strings.Repeat(" ", len(c)) })
	at := 0
	for statement := range strings.SplitSeq(text, ";") {
		begin := at + len(statement) - len(strings.TrimLeft(statement, " \t\n"))
		at += len(statement) + 1
		if what := contracts(strings.ToUpper(strings.Join(strings.Fields(statement), " "))); what != "" {
			find(begin, what+"; if no running release minds, say from which on: -- contract: since vX.Y.Z")
		}
	}
	return out
}

// contracts says what is wrong with a statement, or "".
func contracts(statement string) string {
	for _, c := range contracting {
		if c.statement.MatchString(statement) {
			return c.text
		}
	}
	if !strings.HasPrefix(statement, "ALTER TABLE ") {
		return ""
	}
	for _, column := range addColumn.FindAllString(statement, -1) {
		if strings.Contains(column, " NOT NULL") && !strings.Contains(column, " DEFAULT ") {
			return "adds a column that the former release does not fill"
		}
	}
	return ""
}
