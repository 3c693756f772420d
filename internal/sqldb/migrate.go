package sqldb

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/meridian-commerce/meridian/regions"
)

// Migrate brings the database at url to the newest schema, and to the regions of the set; running it again
// changes nothing. It needs the tables' owner. appRole, if not empty, is granted to read and write rows.
func Migrate(ctx context.Context, url string, set *regions.Set, appRole string, log *slog.Logger) error {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return fmt.Errorf("%w: database.url: %w", ErrConfig, err)
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return Fault(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // nothing is pending on it
	engine, err := EngineOf(ctx, conn)
	if err != nil {
		return err
	}
	return alone(ctx, config, log, func(ctx context.Context) error {
		if engine == CockroachDB {
			if err := declareRegions(ctx, conn, config.Database, set); err != nil {
				return err
			}
		}
		if err := up(ctx, config, engine, log); err != nil {
			return err
		}
		// Outside of the migrations, which run once: this also applies to a database that was made before.
		finish := func() error { return execAll(ctx, conn, collectQueues()) }
		if engine == PostgreSQL {
			finish = func() error { return partition(ctx, conn, set) }
		}
		if err := finish(); err != nil {
			return err
		}
		return grant(ctx, conn, engine, appRole)
	})
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
func declareRegions(ctx context.Context, conn *pgx.Conn, database string, set *regions.Set) error {
	have, err := shownRegions(ctx, conn, pgx.Identifier{database}.Sanitize())
	if err != nil {
		return err
	}
	return execAll(ctx, conn, have.missing(database, set.Names()))
}

// declared is what a CockroachDB database says of its regions.
type declared struct {
	primary string
	regions []string // with the primary one
	goal    string   // what it survives: zone or region; "" before it has a region
}

func shownRegions(ctx context.Context, conn *pgx.Conn, db string) (declared, error) {
	var have declared
	rows, err := conn.Query(ctx, `SELECT region, "primary" FROM [SHOW REGIONS FROM DATABASE `+db+`]`)
	if err != nil {
		return have, Fault(err)
	}
	var name string
	var primary bool
	if _, err := pgx.ForEachRow(rows, []any{&name, &primary}, func() error {
		have.regions = append(have.regions, name)
		if primary {
			have.primary = name
		}
		return nil
	}); err != nil {
		return have, Fault(err)
	}
	if len(have.regions) == 0 {
		return have, nil // there is no goal to show before there is a region
	}
	if err := conn.QueryRow(ctx, `SELECT survival_goal FROM [SHOW SURVIVAL GOAL FROM DATABASE `+db+`]`).Scan(&have.goal); err != nil {
		return have, Fault(err)
	}
	return have, nil
}

// missing returns the statements that make of what is declared what should be, and none that would change nothing:
// each of them gives the enum of regions a new version, and statements that sessions prepared before it then fail.
func (have declared) missing(database string, names []regions.Name) []string {
	db := pgx.Identifier{database}.Sanitize()
	var statements []string
	add := func(format string, args ...any) {
		statements = append(statements, fmt.Sprintf("ALTER DATABASE %s "+format, append([]any{db}, args...)...))
	}
	if have.primary == "" {
		add("SET PRIMARY REGION %q", names[0])
		have.regions = append(have.regions, string(names[0]))
	}
	for _, n := range names {
		if !slices.Contains(have.regions, string(n)) {
			add("ADD REGION IF NOT EXISTS %q", n)
		}
	}
	if have.primary != "" && have.primary != string(names[0]) {
		add("SET PRIMARY REGION %q", names[0]) // which has to be one of its regions by now
	}
	if len(names) >= 3 && have.goal != "region" {
		add("SURVIVE REGION FAILURE")
	}
	return statements
}

// collectQueues makes CockroachDB forget soon what was taken from the queues' indexes: a look at a queue reads over all of
// it. The tables keep the time that backups and reads of the past need.
func collectQueues() []string {
	return []string{
		"ALTER INDEX outbox@outbox_due_sharded CONFIGURE ZONE USING gc.ttlseconds = 600",
		"ALTER INDEX payments@payments_due_sharded CONFIGURE ZONE USING gc.ttlseconds = 600",
		"ALTER INDEX orders@orders_pending CONFIGURE ZONE USING gc.ttlseconds = 600",
	}
}

// partition gives every regional table a partition for each region; rows of unknown regions are refused.
// The fill factor leaves room for updates in place.
func partition(ctx context.Context, conn *pgx.Conn, set *regions.Set) error {
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
		for _, r := range set.All() {
			statements = append(statements, fmt.Sprintf(
				"CREATE TABLE IF NOT EXISTS %s PARTITION OF %s FOR VALUES IN ('%s') WITH (fillfactor = 70)",
				pgx.Identifier{table + "_" + string(r.Code)}.Sanitize(), pgx.Identifier{table}.Sanitize(), r.Name))
		}
	}
	return execAll(ctx, conn, statements)
}

// grant lets the application's role read and write rows. On CockroachDB every role has USAGE on schema public from the
// start, and the owner of the tables, who does not own the schema, could not grant it.
func grant(ctx context.Context, conn *pgx.Conn, engine Engine, role string) error {
	if role == "" {
		return nil
	}
	return execAll(ctx, conn, grants(engine, role))
}

func grants(engine Engine, role string) []string {
	to := pgx.Identifier{role}.Sanitize()
	rows := "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO " + to
	if engine == CockroachDB {
		return []string{rows}
	}
	return []string{"GRANT USAGE ON SCHEMA public TO " + to, rows}
}

func execAll(ctx context.Context, conn *pgx.Conn, statements []string) error {
	for _, s := range statements {
		if _, err := conn.Exec(ctx, s); err != nil {
			return fmt.Errorf("sqldb: %s: %w", s, err)
		}
	}
	return nil
}
