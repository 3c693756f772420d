package catalog_test

import (
	"context"
	"strings"
	"testing"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/fault"
)

type namer []catalog.Named

func (n namer) Named(context.Context, string) ([]catalog.Named, error) { return n, nil }

func TestVariantNamed(t *testing.T) {
	t.Parallel()
	one, other := catalog.Named{ID: "1", SKU: "2", Handle: "sock"}, catalog.Named{ID: "2", SKU: "1", Handle: "hat"}
	for name, c := range map[string]struct {
		found  namer
		isID   bool
		want   string
		reason string
	}{
		"one":                 {namer{one}, false, "1", ""},
		"none":                {nil, false, "", "SKU_NOT_FOUND"},
		"two":                 {namer{one, other}, false, "", "SKU_AMBIGUOUS"},
		"two, by id":          {namer{other, one}, true, "1", ""},
		"a SKU that is no id": {namer{other}, true, "", "SKU_NOT_FOUND"},
	} {
		got, err := catalog.VariantNamed(t.Context(), c.found, "1", c.isID)
		if got.ID != c.want || fault.Reason(err) != c.reason {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if c.reason == "SKU_AMBIGUOUS" && !strings.Contains(err.Error(), "1 (SKU 2 of product sock), 2 (SKU 1 of product hat)") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
