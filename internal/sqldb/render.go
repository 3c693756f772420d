package sqldb

import (
	"fmt"
	"io/fs"
	"strings"
	"testing/fstest"
	"text/template"

	"github.com/meridian-commerce/meridian/migrations"
)

// Render returns the migrations as the engine reads them, by file name.
func Render(engine Engine) (fs.FS, error) {
	names, err := fs.Glob(migrations.Files, "*.sql")
	if err != nil {
		return nil, fmt.Errorf("sqldb: list migrations: %w", err)
	}
	out := fstest.MapFS{}
	for _, name := range names {
		text, err := migrations.Files.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("sqldb: read migration: %w", err)
		}
		rendered, err := renderOne(engine, name, string(text))
		if err != nil {
			return nil, err
		}
		out[name] = &fstest.MapFile{Data: []byte(rendered)}
	}
	return out, nil
}

func renderOne(engine Engine, name, text string) (string, error) {
	t, err := template.New(name).Option("missingkey=error").Funcs(clauses(engine)).Parse(text)
	if err != nil {
		return "", fmt.Errorf("sqldb: migration template: %w", err)
	}
	var b strings.Builder
	if err := t.Execute(&b, nil); err != nil {
		return "", fmt.Errorf("sqldb: render migration: %w", err)
	}
	return b.String(), nil
}

// clauses gives each template word its meaning. On PostgreSQL the partitions of a regional table are made by
// partition, which also makes those of a region that is added later.
func clauses(engine Engine) template.FuncMap {
	if engine == CockroachDB {
		return template.FuncMap{
			"region_type": func() string { return "crdb_internal_region" },
			"global":      func() string { return " LOCALITY GLOBAL" },
			"regional":    func() string { return " LOCALITY REGIONAL BY ROW AS home_region" },
			"regional_ttl": func(column string) string {
				return fmt.Sprintf(" WITH (ttl_expiration_expression = '%s', ttl_job_cron = '@hourly') LOCALITY REGIONAL BY ROW AS home_region", column)
			},
			"swept":     expire,
			"cockroach": func(statement string) string { return statement },
			"queue": func(index, table, column, where string) string { // home_region leads by itself, and may not be named
				return fmt.Sprintf("CREATE INDEX %s ON %s (%s) USING HASH WITH (bucket_count = 8) WHERE %s", index, table, column, where)
			},
		}
	}
	return template.FuncMap{
		"region_type":  func() string { return "TEXT" },
		"global":       func() string { return "" },
		"regional":     func() string { return " PARTITION BY LIST (home_region)" },
		"regional_ttl": func(string) string { return " PARTITION BY LIST (home_region)" }, // the sweeper deletes
		"swept":        indexSwept,
		"cockroach":    func(string) string { return "SELECT 1" }, // a migration has to have a statement
		"queue": func(index, table, column, where string) string {
			return fmt.Sprintf("CREATE INDEX %s ON %s (home_region, %s) WHERE %s", index, table, column, where)
		},
	}
}

// expire makes CockroachDB delete the rows of a table itself, once column is days ago and where holds, if it is not
// empty. The limit is for each node and second, and above what the busiest region writes: with CockroachDB's own of 100
// a table of events would grow for ever.
func expire(table, column string, days int, where string) string {
	at := column
	if days > 0 {
		// An interval is added without a time zone, because the sum would else depend on the session's.
		at = fmt.Sprintf("((%s AT TIME ZONE 'UTC') + INTERVAL '%d days') AT TIME ZONE 'UTC'", column, days)
	}
	if where != "" {
		at = fmt.Sprintf("CASE WHEN %s THEN %s END", where, at) // NULL never expires
	}
	return fmt.Sprintf("ALTER TABLE %s SET (ttl_expiration_expression = '%s', ttl_job_cron = '@hourly', ttl_delete_rate_limit = 1000)",
		table, strings.ReplaceAll(at, "'", "''"))
}

// indexSwept lets the sweeper find the oldest rows of a region on PostgreSQL without reading the others.
func indexSwept(table, column string, _ int, where string) string {
	index := fmt.Sprintf("CREATE INDEX %s_swept ON %s (home_region, %s)", table, table, column)
	if where != "" {
		index += " WHERE " + where
	}
	return index
}
