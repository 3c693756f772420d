package cache_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/meridian-commerce/meridian/internal/cache"
	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/catalog/catalogcache"
	"github.com/meridian-commerce/meridian/internal/redis"
	"github.com/meridian-commerce/meridian/internal/redis/redistest"
)

// BenchmarkRegion prints the tables of docs/performance.md; one run of it takes half a minute. It fails where a
// promise is broken.
func BenchmarkRegion(b *testing.B) {
	for b.Loop() {
		benchStampedes(b, os.Stdout)
		benchTroubles(b, os.Stdout)
		benchChanges(b, os.Stdout)
	}
}

// table starts a table; done prints it.
func table(out io.Writer, columns string) (row func(format string, args ...any), done func()) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row = func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
	row("\n%s", columns)
	return row, func() { _ = w.Flush() }
}

func millis(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d.Microseconds())/1000) }

func benchStampedes(b *testing.B, out io.Writer) {
	const callers = 1000
	d, s := openDatabase(b), redistest.Start(b)
	var instances []*catalogcache.Store
	for range 4 {
		instances = append(instances, instance(b, d, s.Address, 0))
	}
	row, done := table(out, "hot key\tinstances\tcallers\tdatabase reads\tp50\tslowest")
	defer done()
	for _, c := range stampedes() {
		if _, err := instances[0].Find(b.Context(), handle(0)); err != nil {
			b.Fatal(err)
		}
		d.reads()
		if err := c.spoil(b.Context(), s); err != nil {
			b.Fatal(err)
		}
		took := stampede(b, instances[:c.instances], callers)
		reads := d.settle()
		if reads > c.reads {
			b.Errorf("%s: %d reads", c.name, reads)
		}
		row("%s\t%d\t%d\t%d\t%s\t%s", c.name, c.instances, callers, reads, millis(at(.5, took)), millis(slices.Max(took)))
	}
}

func benchTroubles(b *testing.B, out io.Writer) {
	const perSecond, length = 300, 6 * time.Second
	row, done := table(out, "Redis\trequests\tsuccess\tp50\tp99\tdatabase reads\ttheir p99\tp99 may be\t")
	defer done()
	d := openDatabase(b)
	report := func(name string, got *shopped) {
		reads := d.reads()
		theirs := at(.99, reads)
		verdict := "kept"
		if p99 := at(.99, got.took); p99 >= 100*time.Millisecond+theirs {
			verdict = "BROKEN"
			b.Errorf("Redis %s: p99 is %s", name, p99)
		}
		if got.failed > 0 {
			b.Errorf("Redis %s: %d requests failed", name, got.failed)
		}
		row("%s\t%d\t%.2f %%\t%s\t%s\t%d\t%s\t%s\t%s", name, len(got.took), 100*(1-float64(got.failed)/float64(len(got.took))),
			millis(at(.5, got.took)), millis(at(.99, got.took)), len(reads), millis(theirs), millis(100*time.Millisecond+theirs), verdict)
	}
	bare := new(shopped)
	ctx, cancel := context.WithTimeout(b.Context(), length)
	defer cancel()
	bare.browse(ctx, d, perSecond)
	report("none: every request reads the database", bare)
	for _, c := range troubles() {
		report(c.name, under(b, d, perSecond, c.befall, c.heal, func(*shopped) { time.Sleep(length / 3) }))
	}
}

// benchChanges measures from the commit of a change in one region until another region's readers see it.
func benchChanges(b *testing.B, out io.Writer) {
	const changes = 30
	d := openDatabase(b)
	eu, ap := redistest.Start(b), redistest.Start(b)
	here, there := instance(b, d, eu.Address, 0), instance(b, d, ap.Address, 0)
	apCache, err := cache.New(cache.Config{Redis: redis.Config{Address: ap.Address}}, prometheus.NewRegistry())
	if err != nil {
		b.Fatal(err)
	}
	l, err := catalogcache.NewListener("ap-southeast-1", d, apCache, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	var listening sync.WaitGroup
	listening.Go(func() { l.Run(ctx) })
	defer func() { stop(); listening.Wait(); _ = apCache.Close() }()
	var took []time.Duration
	for i := range changes {
		p, err := there.Find(b.Context(), handle(0))
		if err != nil {
			b.Fatal(err)
		}
		p.Title = fmt.Sprint("Tea ", i)
		if _, err := here.Put(b.Context(), []catalog.Product{p}); err != nil {
			b.Fatal(err)
		}
		for committed := time.Now(); ; time.Sleep(time.Millisecond) {
			if now, err := there.Find(b.Context(), handle(0)); err == nil && now.Title == p.Title {
				took = append(took, time.Since(committed))
				break
			}
			if time.Since(committed) > 10*time.Second {
				b.Fatal("a change is not seen")
			}
		}
	}
	row, done := table(out, "a change, from its commit in eu-west-1\tchanges\tp50\tslowest")
	row("until no reader in ap-southeast-1 sees the old value\t%d\t%s\t%s", changes, millis(at(.5, took)), millis(slices.Max(took)))
	done()
}
