package orderredis_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/meridian-commerce/meridian/internal/order"
	"github.com/meridian-commerce/meridian/internal/redis/redistest"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest"
)

// measured is how long one row of the table is measured, in which an order changes each second.
const measured = 10 * time.Second

// BenchmarkWatch prints the table of docs/performance.md: what one process that watches orders asks of the database.
// It fails where that grows with the watchers, or where a change does not arrive.
func BenchmarkWatch(b *testing.B) {
	for b.Loop() {
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(w, "\nRedis\twatchers\tstatements a second\tcommit to watcher, p50\tslowest")
		for _, killed := range []bool{false, true} {
			var fewest float64
			for _, watchers := range []int{1, 1000, 10_000} {
				got := benchWatchers(b, watchers, killed)
				name := map[bool]string{false: "there", true: "killed"}[killed]
				_, _ = fmt.Fprintf(w, "%s\t%d\t%.1f\t%s\t%s\n", name, watchers, got.statements, millis(got.median), millis(got.slowest))
				if fewest == 0 {
					fewest = got.statements
				}
				if got.statements > 1.2*fewest+0.5 {
					b.Errorf("Redis %s: %.1f statements a second for one watcher, and %.1f for %d", name, fewest, got.statements, watchers)
				}
			}
		}
		_ = w.Flush()
	}
}

func millis(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }

// figures are a row of the table.
type figures struct {
	statements      float64 // a second
	median, slowest time.Duration
}

// benchWatchers has so many watch an order each, of which one changes every second.
func benchWatchers(b *testing.B, watchers int, killed bool) figures {
	b.Helper()
	url, count := sqltest.URL(b), &counter{}
	watching, changing := connect(b, sqldb.Config{URL: url, Tracer: count}), connect(b, sqldb.Config{URL: url})
	server := redistest.Start(b)
	r := open(b, server.Address, changing, watching)
	ids := r.place(watchers)
	ctx, stop := context.WithCancel(b.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	var begun sync.WaitGroup
	begun.Add(watchers)
	arrived := make(chan time.Time, watchers)
	for _, orderID := range ids {
		running.Go(func() {
			_ = r.service.Watch(ctx, home, "u", orderID, func(o order.Order) error { // ends with ctx
				if o.Version == 1 {
					begun.Done()
				} else {
					arrived <- time.Now()
				}
				return nil
			})
		})
	}
	begun.Wait()
	if killed {
		server.Kill()
	}
	time.Sleep(2 * time.Second) // the pace that fits: no row counts its beginning
	var took []time.Duration
	count.Store(0)
	started := time.Now()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for i := 0; time.Since(started) < measured; i++ {
		committed := r.change(ids, i)
		took = append(took, (<-arrived).Sub(committed))
		<-tick.C
	}
	statements := float64(count.Load()) / time.Since(started).Seconds()
	slices.Sort(took)
	return figures{statements: statements, median: took[len(took)/2], slowest: took[len(took)-1]}
}

// change makes the i-th change and returns when it was committed: one order after the other gets a newer version.
func (r *region) change(ids []string, i int) time.Time {
	orderID := ids[i*7919%len(ids)]
	if _, err := r.db.Exec(r.t.Context(), `UPDATE orders SET version = version + 1, updated_at = now() WHERE home_region = $1 AND id = $2`, home, orderID); err != nil {
		r.t.Fatal(err)
	}
	defer r.feed.Publish(r.t.Context(), orderID)
	return time.Now()
}

// counter counts the statements that are sent to a database.
type counter struct{ atomic.Int64 }

func (c *counter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	c.Add(1)
	return ctx
}

func (*counter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (c *counter) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

func (c *counter) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) { c.Add(1) }

func (*counter) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

func connect(b *testing.B, c sqldb.Config) *sqldb.DB {
	b.Helper()
	db, err := sqldb.Open(b.Context(), c)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(db.Close)
	return db
}
