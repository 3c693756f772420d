package productfile

import (
	"io"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/catalog/shopify"
	"github.com/meridian-commerce/meridian/internal/money"
)

// Create begins a file of products, with prices in a currency and in further ones, which Open reads. The error is the
// output's.
func Create(out io.Writer, currency money.Currency, further []money.Currency) (catalog.Sink, error) {
	return shopify.NewWriter(out, currency, further)
}
