package locality

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/meridian-commerce/meridian/regions"
)

const (
	regionalTables = `SELECT c.oid::regclass::text FROM pg_partitioned_table p JOIN pg_class c ON c.oid = p.partrelid
		WHERE c.relnamespace = 'public'::regnamespace ORDER BY 1`
	globalTables = `SELECT oid::regclass::text FROM pg_class
		WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND NOT relispartition
		AND relname <> 'goose_db_version' ORDER BY 1`
	// Each partition with the region that its bound names.
	partitions = `SELECT c.oid::regclass::text, substring(pg_get_expr(c.relpartbound, c.oid) FROM '''([^'']*)''')
		FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = $1::text::regclass ORDER BY 1`
)

// attachAll attaches the model to every table and prepares the role. Built-in functions count as leakproof,
// because otherwise row security would keep some of them out of index conditions and change the plans.
func attachAll(ctx context.Context, tx pgx.Tx, catalog *regions.Set, appRole string) error {
	role := pgx.Identifier{appRole}.Sanitize()
	statements := []string{
		"UPDATE pg_proc SET proleakproof = true WHERE pronamespace = 'pg_catalog'::regnamespace AND NOT proleakproof",
		"GRANT USAGE ON SCHEMA sim TO " + role,
		"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO " + role,
		// A scan of a tiny table would lock all of it against serializable writers; an index locks the keys read.
		"ALTER ROLE " + role + " SET enable_seqscan = off",
	}
	regional, err := names(ctx, tx, regionalTables)
	if err != nil {
		return err
	}
	for _, table := range regional {
		statements = append(statements, "ALTER TABLE "+table+" ENABLE ROW LEVEL SECURITY",
			fmt.Sprintf("CREATE POLICY locality ON %s USING (%s)", table, policy(catalog)))
		triggers, err := partitionTriggers(ctx, tx, catalog, table)
		if err != nil {
			return err
		}
		statements = append(statements, triggers...)
	}
	global, err := names(ctx, tx, globalTables)
	if err != nil {
		return err
	}
	for _, table := range global {
		statements = append(statements, trigger(table, len(catalog.Names())+1))
	}
	for _, s := range statements {
		if _, err := tx.Exec(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

// policy is a row's admission. Each subquery is free of the row, so it runs at most once for a statement, and
// only when a row of its region is met.
func policy(catalog *regions.Set) string {
	var b strings.Builder
	b.WriteString("CASE home_region")
	for i, n := range catalog.Names() {
		fmt.Fprintf(&b, " WHEN %s THEN (SELECT sim.visit(%d))", quote(string(n)), i+1)
	}
	b.WriteString(" END")
	return b.String()
}

func partitionTriggers(ctx context.Context, tx pgx.Tx, catalog *regions.Set, table string) ([]string, error) {
	rows, err := tx.Query(ctx, partitions, table)
	if err != nil {
		return nil, err
	}
	type partition struct{ Name, Region string }
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[partition])
	if err != nil {
		return nil, err
	}
	w := newWorld(catalog)
	var statements []string
	for _, p := range found {
		i, err := w.index(regions.Name(p.Region))
		if err != nil {
			return nil, fmt.Errorf("partition %s: %w", p.Name, err)
		}
		statements = append(statements, trigger(p.Name, i+1))
	}
	return statements, nil
}

func trigger(table string, number int) string {
	return fmt.Sprintf("CREATE CONSTRAINT TRIGGER replicate AFTER INSERT OR UPDATE OR DELETE ON %s "+
		"DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION sim.replicate('%d')", table, number)
}

func names(ctx context.Context, tx pgx.Tx, query string) ([]string, error) {
	rows, err := tx.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// quote renders a SQL string literal; standard_conforming_strings is on.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func join(items []string) string { return strings.Join(items, ", ") }
