package catalogsql_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/catalog/sheet"
	"github.com/meridian-commerce/meridian/internal/catalog/shopify"
	"github.com/meridian-commerce/meridian/internal/stock/stocksql"
	"github.com/meridian-commerce/meridian/regions"
)

// BenchmarkImport prints the table of docs/performance.md: what a shop that has products loads. Files of every kind of product beside files in which nothing is
// special, all with two prices to a row. It fails where they are slower than four fifths of those, or where memory grows with the file by more than what is
// remembered of a row.
func BenchmarkImport(b *testing.B) {
	for b.Loop() {
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(w, "\nfile\trows\trows a second\tthe same again\texported\tpeak heap")
		speed, peak := map[string]float64{}, map[string]uint64{}
		for _, size := range []int{20_000, 100_000} {
			for _, file := range []struct {
				name    string
				write   func(io.Writer, int) error
				refused int
				rates   []sheet.Rate
			}{{"plain", writePlain, 0, []sheet.Rate{{To: "CAD", Numerator: 3, Denominator: 2}}}, {"every kind", writeKinds, refusedOf(size), nil}} {
				got := benchImport(b, size, file.write, file.refused, sheet.Options{Rates: file.rates})
				_, _ = fmt.Fprintf(w, "%s\t%d\t%.0f\t%.0f\t%.0f\t%.1f MiB\n", file.name, size, got.first, got.again, got.exported, float64(got.peak)/(1<<20))
				speed[file.name] = got.first
				if small := peak[file.name]; small > 0 && got.peak > small+uint64(80_000*bytesOfRow) {
					b.Errorf("%s: %d rows take %d bytes, and fewer took %d", file.name, size, got.peak, small)
				}
				peak[file.name] = got.peak
			}
			if speed["every kind"] < .8*speed["plain"] {
				b.Errorf("%d rows of every kind: %.0f a second, of plain ones %.0f", size, speed["every kind"], speed["plain"])
			}
		}
		_ = w.Flush()
	}
}

// older is how many rows a shop has before. In tables that were empty a moment ago PostgreSQL finds rows by reading all until it
// looks at them, once a minute: when that falls into a run decides how long it takes.
const older = 20_000

// bytesOfRow is what may be remembered of a row to the end of the file: its SKU, and the handle of its product.
const bytesOfRow = 400

// figures are a row of the table, in rows a second.
type figures struct {
	first, again, exported float64
	peak                   uint64 // bytes of live and not yet collected objects, above those of before
}

func benchImport(b *testing.B, rows int, write func(io.Writer, int) error, refused int, o sheet.Options) (f figures) {
	b.Helper()
	s, path := open(b), fileOf(b, rows, write)
	s.importFile(fileOf(b, older, writeOlder), older, 0, sheet.Options{})
	if _, err := s.db.Exec(b.Context(), `ANALYZE`); err != nil {
		b.Fatal(err)
	}
	stop := watchHeap()
	for _, to := range []*float64{&f.first, &f.again} {
		began := time.Now()
		s.importFile(path, rows, refused, o)
		*to = float64(rows) / time.Since(began).Seconds()
	}
	began := time.Now()
	s.exportTo(io.Discard)
	f.exported = float64(older+rows) / time.Since(began).Seconds()
	f.peak = stop()
	return f
}

// fileOf writes a file of so many rows, and returns its path.
func fileOf(b *testing.B, rows int, write func(io.Writer, int) error) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "products.csv")
	file, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	if err := errors.Join(write(file, rows), file.Close()); err != nil {
		b.Fatal(err)
	}
	return path
}

func (s shop) importFile(path string, rows, refused int, o sheet.Options) {
	s.t.Helper()
	file, err := os.Open(path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = file.Close() }() // only read
	reader, err := shopify.NewReader(file, o)
	if err != nil {
		s.t.Fatal(err)
	}
	done, err := catalog.Import(s.t.Context(), s.Store, stocksql.New(s.db, regions.Default()), reader, func(catalog.Imported, error) {})
	if err != nil || done.Variants != rows-refused || done.Bad != refused {
		s.t.Fatalf("%+v, %v", done, err)
	}
}

// watchHeap returns what ends the watch and says how much the heap grew at most.
func watchHeap() (stop func() uint64) {
	runtime.GC()
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	before, most := sample[0].Value.Uint64(), uint64(0)
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-end:
				return
			case <-tick.C:
				metrics.Read(sample)
				most = max(most, sample[0].Value.Uint64())
			}
		}
	}()
	return func() uint64 {
		close(end)
		<-ended
		return max(most, before) - before
	}
}
