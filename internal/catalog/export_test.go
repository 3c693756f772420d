package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/fault"
)

// shelf is a catalog.Whole and a catalog.Counter of so many products, of which every tenth has no variant.
type shelf struct {
	products int
	asked    []int // how many products were asked for
	down     error
}

func (s *shelf) All(_ context.Context, after string, limit int) (page []catalog.Product, err error) {
	s.asked = append(s.asked, limit)
	first := 0
	if after != "" {
		if _, err := fmt.Sscanf(after, "p%d", &first); err != nil {
			return nil, err
		}
		first++
	}
	for i := first; i < min(s.products, first+limit); i++ {
		p := catalog.Product{Handle: fmt.Sprintf("p%05d", i)}
		if i%10 != 0 {
			p.Variants = []catalog.Variant{{ID: fmt.Sprint("known ", i), SKU: "a", Title: "S"}, {ID: "unknown", SKU: "b", Title: "M"}}
		}
		page = append(page, p)
	}
	return page, s.down
}

func (s *shelf) Units(_ context.Context, variants []string) (map[string]int64, error) {
	units := map[string]int64{}
	for i, id := range variants {
		if id != "unknown" {
			units[id] = int64(i)
		}
	}
	return units, nil
}

// sink counts what it is given at a time.
type sink struct {
	batches  []int
	products []catalog.Product
	down     error
}

func (s *sink) Write(products []catalog.Product) error {
	s.batches = append(s.batches, len(products))
	s.products = append(s.products, products...)
	return s.down
}

// TestExport writes every product once, in their order, a bounded batch at a time, and complete.
func TestExport(t *testing.T) {
	t.Parallel()
	from, to := &shelf{products: 250}, &sink{}
	var told []int
	done, err := catalog.Export(t.Context(), from, from, to, func(done catalog.Exported) { told = append(told, done.Products) })
	if want := (catalog.Exported{Products: 225, Variants: 450, Left: 25}); err != nil || done != want {
		t.Errorf("%+v, %v", done, err)
	}
	if diff := cmp.Diff([]int{90, 180, 225}, told); diff != "" {
		t.Error(diff)
	}
	for i, p := range to.products {
		if want := fmt.Sprintf("p%05d", i+i/9+1); p.Handle != want || p.Variants[0].Stock < 0 || p.Variants[1].Stock != -1 || len(p.Options) != 1 {
			t.Errorf("product %d is %+v, want %s", i, p, want)
		}
	}
	for _, n := range append(from.asked, to.batches...) {
		if n > 100 {
			t.Errorf("%d products at a time", n)
		}
	}
}

func TestExportBreaksOff(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*shelf, *sink){
		"store": func(s *shelf, _ *sink) { s.down = errDown }, "sink": func(_ *shelf, s *sink) { s.down = errDown },
	} {
		from, to := &shelf{products: 250}, &sink{}
		spoil(from, to)
		_, err := catalog.Export(t.Context(), from, from, to, func(catalog.Exported) { t.Errorf("%s: progress", name) })
		if !errors.Is(err, errDown) || (name == "sink") != (fault.Reason(err) == "EXPORT_BROKEN_OFF") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
