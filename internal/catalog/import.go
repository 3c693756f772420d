package catalog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
)

// Source yields products until io.EOF. An error that is neither io.EOF nor fatal to the source is a bad row:
// Source goes on with the next product after it.
type Source interface {
	Next() (Product, error)
}

// Allotter makes the units of variants, over all regions and with those that are sold, as many as are given. Of fewer than 0,
// what is allotted is left alone.
type Allotter interface {
	Allot(ctx context.Context, units map[string]int64) error
}

// Progress hears how far an import is: after each batch and after each bad row (bad is nil otherwise).
type Progress func(done Imported, bad error)

// Imported counts what an import did.
type Imported struct {
	Products int // read and stored
	Changed  int // of these, new or different from before
	Listed   int // of the products, those that are in lists
	Variants int
	Bad      int                    // rows that were refused
	Kept     map[money.Currency]int // prices that variants had and were not given again; nil: none
}

// BadRow is an error of one row of a Source; every other error ends the import.
type BadRow interface {
	error
	BadRow()
}

const importBatch = 100

// Import stores every product of a source, in batches, and allots their stock. Running it again
// with the same source changes nothing. Bad rows, and products whose SKUs belong to others or that the store
// cannot keep, are reported to progress and skipped. A source of nothing is an error.
func Import(ctx context.Context, store Store, stock Allotter, from Source, progress Progress) (Imported, error) {
	run := &importing{store: store, stock: stock, progress: progress}
	var batch []Product
	for {
		p, err := from.Next()
		var bad BadRow
		switch {
		case errors.Is(err, io.EOF):
			err := run.put(ctx, batch) // adds to run.done
			if err == nil && run.done.Products+run.done.Bad == 0 {
				err = fault.New(fault.Invalid, "NOTHING_TO_IMPORT", "there are no products to import: nothing follows the header")
			}
			return run.done, err
		case errors.As(err, &bad):
			run.refuse(bad)
			continue
		case err != nil:
			err = errors.Join(err, run.put(ctx, batch))
			return run.done, err
		}
		if batch = append(batch, p); len(batch) == importBatch {
			if err := run.put(ctx, batch); err != nil {
				return run.done, err
			}
			batch = batch[:0]
		}
	}
}

// keep adds to the prices that were not given again, in a map that nobody was told of yet.
func (i *importing) keep(prices map[money.Currency]int) {
	if len(prices) == 0 {
		return
	}
	all := maps.Clone(prices)
	for currency, n := range i.done.Kept {
		all[currency] += n
	}
	i.done.Kept = all
}

type importing struct {
	store    Store
	stock    Allotter
	progress Progress
	done     Imported
}

func (i *importing) refuse(bad error) {
	i.done.Bad++
	i.progress(i.done, bad)
}

// put stores a batch. Where one product of it is refused, the others are stored one by one.
func (i *importing) put(ctx context.Context, batch []Product) error {
	if len(batch) == 0 {
		return nil
	}
	stored, err := i.store.Put(ctx, batch)
	taken, invalid := fault.Is(err, fault.Exists), fault.Is(err, fault.Invalid)
	switch {
	case taken && len(batch) == 1:
		i.refuse(err)
		return nil
	case invalid && len(batch) == 1:
		i.refuse(fmt.Errorf("product %q: %w", batch[0].Handle, err))
		return nil
	case taken || invalid:
		for _, p := range batch {
			if err := i.put(ctx, []Product{p}); err != nil {
				return err
			}
		}
		return nil
	case err != nil:
		return err
	}
	units := map[string]int64{}
	for _, p := range batch {
		for _, v := range p.Variants {
			units[stored.IDs[v.SKU]] = int64(v.Stock)
		}
		if p.Active && !p.Unlisted {
			i.done.Listed++
		}
	}
	if err := i.stock.Allot(ctx, units); err != nil {
		return err
	}
	i.done.Products += len(batch)
	i.done.Changed += stored.Changed
	i.done.Variants += len(units)
	i.keep(stored.Kept)
	i.progress(i.done, nil)
	return nil
}
