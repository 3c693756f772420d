package catalogcache

import (
	"cmp"
	"encoding/json"
	"fmt"

	"github.com/meridian-commerce/meridian/internal/cache"
	"github.com/meridian-commerce/meridian/internal/catalog"
)

// entry is a product as the region's cache keeps it. The release before this one shares the cache during a rollout, and
// takes what is called SKU for what carts refer to: that is the id.
type entry struct {
	catalog.Product
	Variants []entryVariant
}

type entryVariant struct {
	catalog.Variant
	SKU        string
	CurrentSKU string `json:",omitempty"` // where it is another than the id
}

var codec = cache.Codec[catalog.Product]{
	Encode: func(p catalog.Product) ([]byte, error) {
		e := entry{Product: p}
		for _, v := range p.Variants {
			one := entryVariant{Variant: v, SKU: v.ID}
			if v.SKU != v.ID {
				one.CurrentSKU = v.SKU
			}
			e.Variants = append(e.Variants, one)
		}
		text, err := json.Marshal(e)
		if err != nil {
			return nil, fmt.Errorf("catalogcache: encode %q: %w", p.Handle, err)
		}
		return text, nil
	},
	Decode: func(text []byte) (catalog.Product, error) {
		var e entry
		if err := json.Unmarshal(text, &e); err != nil {
			return catalog.Product{}, fmt.Errorf("catalogcache: decode: %w", err)
		}
		for _, one := range e.Variants {
			one.Variant.ID, one.Variant.SKU = one.SKU, cmp.Or(one.CurrentSKU, one.SKU)
			e.Product.Variants = append(e.Product.Variants, one.Variant)
		}
		return e.Product, nil
	},
	Version: func(p catalog.Product) uint64 { return uint64(p.Version) },
}
