package catalog

import (
	"context"
	"errors"
	"io"
)

// Source yields products until io.EOF. An error that is neither io.EOF nor fatal to the source is a bad row:
// Source goes on with the next product after it.
type Source interface {
	Next() (Product, error)
}

// Allotter splits the units of new SKUs over the regions. SKUs that have an allotment are left alone.
type Allotter interface {
	Allot(ctx context.Context, units map[string]int64) error
}

// Progress is told how far an import is: after each batch and after each bad row (bad is nil otherwise).
type Progress func(done Imported, bad error)

// Imported counts what an import did.
type Imported struct {
	Products int // read and stored
	Changed  int // of these, new or different from before
	Variants int
	Bad      int // rows that were refused
}

// BadRow is an error of one row of a Source; every other error ends the import.
type BadRow interface {
	error
	BadRow()
}

const importBatch = 100

// Import stores every product of a source, in batches, and allots the stock of new SKUs. Running it again
// with the same source changes nothing. Bad rows are reported to progress and skipped.
func Import(ctx context.Context, store Store, stock Allotter, from Source, progress Progress) (Imported, error) {
	var done Imported
	var batch []Product
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		changed, err := store.Put(ctx, batch)
		if err != nil {
			return err
		}
		units := map[string]int64{}
		for _, p := range batch {
			for _, v := range p.Variants {
				units[v.SKU] = int64(v.Stock)
			}
		}
		if err := stock.Allot(ctx, units); err != nil {
			return err
		}
		done.Products, done.Changed, done.Variants = done.Products+len(batch), done.Changed+changed, done.Variants+len(units)
		batch = batch[:0]
		progress(done, nil)
		return nil
	}
	for {
		p, err := from.Next()
		var bad BadRow
		switch {
		case errors.Is(err, io.EOF):
			return done, flush()
		case errors.As(err, &bad):
			done.Bad++
			progress(done, bad)
			continue
		case err != nil:
			return done, errors.Join(err, flush())
		}
		if batch = append(batch, p); len(batch) == importBatch {
			if err := flush(); err != nil {
				return done, err
			}
		}
	}
}
