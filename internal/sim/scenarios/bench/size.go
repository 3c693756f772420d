package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"github.com/meridian-commerce/meridian/internal/capacity"
	"github.com/meridian-commerce/meridian/internal/event/eventsql"
	"github.com/meridian-commerce/meridian/internal/order"
)

const day = 24 * time.Hour

// ordered are the tables that orders fill, and how many days a row is kept; 0: for good.
var ordered = []struct {
	name string
	days int
}{
	{"orders", 0}, {"order_lines", 0}, {"payments", 0}, {"ledger_entries", 0},
	{"outbox", int(eventsql.Retention / day)}, {"inbox", int(eventsql.Retention / day)}, {"idempotency_keys", int(order.KeyLifetime / day)},
}

// orderSize measures what the orders in the database take.
func orderSize(ctx context.Context, db *pgxpool.Pool) (capacity.OrderSize, error) {
	var s capacity.OrderSize
	var orders, lines float64
	err := db.QueryRow(ctx, `SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM order_lines),
		(SELECT count(*) FROM outbox), (SELECT coalesce(avg(octet_length(payload)), 0)::float8 FROM outbox)`).Scan(&orders, &lines, &s.Events, &s.EventBytes)
	if err != nil || orders == 0 {
		return s, fmt.Errorf("bench: the size of %v orders: %w", orders, err)
	}
	s.Measured = int(orders)
	s.Lines = hundredth(lines / orders)
	s.Events = hundredth(s.Events / orders)
	s.EventBytes = tenth(s.EventBytes)
	for _, t := range ordered {
		size := capacity.TableSize{Name: t.name, KeptDays: t.days}
		name := pgx.Identifier{t.name}.Sanitize()
		err := db.QueryRow(ctx, `SELECT count(*), coalesce(sum(pg_column_size(r.*)), 0)::float8,
			(SELECT coalesce(sum(pg_relation_size(i.indexrelid)), 0)::float8 FROM pg_index i
				JOIN pg_partition_tree($1) p ON p.relid = i.indrelid AND p.isleaf WHERE NOT i.indisprimary)
			FROM `+name+` r`, t.name).Scan(&size.Rows, &size.Bytes, &size.IndexBytes)
		if err != nil {
			return s, fmt.Errorf("bench: the size of %s: %w", t.name, err)
		}
		size.Rows = hundredth(size.Rows / orders)
		size.Bytes = tenth(size.Bytes / orders)
		size.IndexBytes = tenth(size.IndexBytes / orders)
		s.Tables = append(s.Tables, size)
	}
	return s, nil
}

// cacheSizes measures what Redis keeps, by the first part of the keys.
func cacheSizes(ctx context.Context, addr string) (map[string]capacity.CacheSize, error) {
	client := redis.NewClient(&redis.Options{Addr: addr})
	defer func() { _ = client.Close() }() // only read
	out := map[string]capacity.CacheSize{}
	scan := client.Scan(ctx, 0, "", 1000).Iterator()
	for scan.Next(ctx) {
		bytes, err := client.MemoryUsage(ctx, scan.Val()).Result()
		if errors.Is(err, redis.Nil) { // it expired meanwhile
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("bench: the size of a key: %w", err)
		}
		prefix, _, _ := strings.Cut(scan.Val(), ":")
		size := out[prefix]
		size.Keys++
		size.BytesPerKey += float64(bytes)
		out[prefix] = size
	}
	if err := scan.Err(); err != nil {
		return nil, fmt.Errorf("bench: Redis's keys: %w", err)
	}
	for prefix, size := range out {
		size.BytesPerKey = tenth(size.BytesPerKey / float64(size.Keys))
		out[prefix] = size
	}
	return out, nil
}
