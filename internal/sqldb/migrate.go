package sqldb

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/meridian-commerce/meridian/regions"
)

// Migrate brings the database at url to the newest schema, and to the regions of the catalog; running it again
// changes nothing. It needs the tables' owner. appRole, if not empty, is granted to read and write rows.
func Migrate(ctx context.Context, url string, catalog *regions.Catalog, appRole string, log *slog.Logger) error {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return fmt.Errorf("%w: database.url: %w", ErrConfig, err)
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return Fault(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // nothing is pending on it
	engine, err := engineOf(ctx, conn)
	if err != nil {
		return err
	}
	if engine == CockroachDB {
		if err := declareRegions(ctx, conn, config.Database, catalog); err != nil {
			return err
		}
	}
	if err := up(ctx, config, engine, log); err != nil {
		return err
	}
	if engine == PostgreSQL {
		if err := partition(ctx, conn, catalog); err != nil {
			return err
		}
	}
	return grant(ctx, conn, appRole)
}

func up(ctx context.Context, config *pgx.ConnConfig, engine Engine, log *slog.Logger) error {
	files, err := Render(engine)
	if err != nil {
		return err
	}
	db := stdlib.OpenDB(*config)
	defer func() { _ = db.Close() }() // nothing is pending on it
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithSlog(log))
	if err != nil {
		return fmt.Errorf("sqldb: migrations: %w", err)
	}
	results, err := provider.Up(ctx)
	if err != nil {
		return fmt.Errorf("sqldb: migrate: %w", err)
	}
	log.InfoContext(ctx, "schema is up to date", "applied", len(results))
	return nil
}

// declareRegions makes a CockroachDB database multi-region: it survives the loss of a region, so it needs three.
func declareRegions(ctx context.Context, conn *pgx.Conn, database string, catalog *regions.Catalog) error {
	db := pgx.Identifier{database}.Sanitize()
	names := catalog.Names()
	statements := []string{fmt.Sprintf("ALTER DATABASE %s SET PRIMARY REGION %q", db, names[0])}
	for _, n := range names[1:] {
		statements = append(statements, fmt.Sprintf("ALTER DATABASE %s ADD REGION IF NOT EXISTS %q", db, n))
	}
	if len(names) >= 3 {
		statements = append(statements, fmt.Sprintf("ALTER DATABASE %s SURVIVE REGION FAILURE", db))
	}
	return execAll(ctx, conn, statements)
}

// partition gives every regional table a partition for each region; rows of unknown regions are refused.
// The fill factor leaves room for updates in place.
func partition(ctx context.Context, conn *pgx.Conn, catalog *regions.Catalog) error {
	rows, err := conn.Query(ctx, `SELECT c.relname FROM pg_partitioned_table p JOIN pg_class c ON c.oid = p.partrelid
		WHERE c.relnamespace = current_schema()::regnamespace ORDER BY c.relname`)
	if err != nil {
		return Fault(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return Fault(err)
	}
	var statements []string
	for _, table := range tables {
		for _, r := range catalog.All() {
			statements = append(statements, fmt.Sprintf(
				"CREATE TABLE IF NOT EXISTS %s PARTITION OF %s FOR VALUES IN ('%s') WITH (fillfactor = 70)",
				pgx.Identifier{table + "_" + string(r.Code)}.Sanitize(), pgx.Identifier{table}.Sanitize(), r.Name))
		}
	}
	return execAll(ctx, conn, statements)
}

func grant(ctx context.Context, conn *pgx.Conn, role string) error {
	if role == "" {
		return nil
	}
	to := pgx.Identifier{role}.Sanitize()
	return execAll(ctx, conn, []string{
		"GRANT USAGE ON SCHEMA public TO " + to,
		"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO " + to,
	})
}

func execAll(ctx context.Context, conn *pgx.Conn, statements []string) error {
	for _, s := range statements {
		if _, err := conn.Exec(ctx, s); err != nil {
			return fmt.Errorf("sqldb: %s: %w", s, err)
		}
	}
	return nil
}
