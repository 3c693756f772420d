package catalog

import (
	"context"

	"github.com/meridian-commerce/meridian/internal/fault"
)

// Whole reads all products, whether they are listed, sold, or neither. It is safe for concurrent use.
type Whole interface {
	// All returns up to limit products after a handle, by handle.
	All(ctx context.Context, after string, limit int) ([]Product, error)
}

// Counter knows how many units there are. It is safe for concurrent use.
type Counter interface {
	// Units returns the units of variants, over all regions and with those that are sold; those of which no region has any
	// allotment are not among them.
	Units(ctx context.Context, variants []string) (map[string]int64, error)
}

// Sink takes products in the order of their handles.
type Sink interface {
	Write(products []Product) error
}

// Exported counts what an export did.
type Exported struct {
	Products int
	Variants int
	Left     int // products of which no variant is sold, and which no file can say
}

const exportBatch = 100

// Export writes every product with its units, in batches; progress hears how far it is after each. Importing what it wrote
// changes nothing.
func Export(ctx context.Context, from Whole, stock Counter, to Sink, progress func(Exported)) (Exported, error) {
	var done Exported
	for after := ""; ; {
		products, err := from.All(ctx, after, exportBatch)
		if err != nil || len(products) == 0 {
			return done, err
		}
		after = products[len(products)-1].Handle
		if err := count(ctx, stock, products); err != nil {
			return done, err
		}
		var batch []Product
		for _, p := range products {
			if len(p.Variants) == 0 {
				done.Left++
				continue
			}
			batch = append(batch, complete(p))
			done.Products++
			done.Variants += len(p.Variants)
		}
		if err := to.Write(batch); err != nil {
			return done, fault.Wrap(err, fault.Unavailable, "EXPORT_BROKEN_OFF", "the export cannot be written further; what was written is not whole")
		}
		progress(done)
	}
}

// count gives the variants of products their units.
func count(ctx context.Context, stock Counter, products []Product) error {
	var ids []string
	for _, p := range products {
		for _, v := range p.Variants {
			ids = append(ids, v.ID)
		}
	}
	units, err := stock.Units(ctx, ids)
	if err != nil {
		return err
	}
	for _, p := range products {
		for i, v := range p.Variants {
			p.Variants[i].Stock = -1
			if n, known := units[v.ID]; known {
				p.Variants[i].Stock = int(n)
			}
		}
	}
	return nil
}
