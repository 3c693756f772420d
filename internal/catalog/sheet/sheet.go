// Package sheet is what the readers of product files have in common: text in whatever encoding, rows with their line
// numbers and recovery after malformed ones, cells, prices in several currencies, the limits of a product, and notes
// of what was assumed where a file leaves it open. What the columns of a format mean is the business of its own package.
package sheet

import (
	"time"

	"github.com/meridian-commerce/meridian/internal/money"
)

// Options say what a file does not: the encoding of its text, and the money its prices are in.
type Options struct {
	Encoding string                    // of the file, as HTML names it, unless it begins with a byte order mark; default UTF-8
	Currency money.Currency            // of the file's prices; default USD
	Rates    []Rate                    // further currencies to price every variant in
	Markets  map[string]money.Currency // of markets by name, where the name is no country's
	Now      time.Time                 // sales that have not begun by then, or are over, do not count
	Note     func(string)              // hears, once for each kind, what was assumed where a file leaves it open; may be nil
}

// Limits of a product, in characters where they are about text.
const (
	MaxText        = 255
	MaxCategory    = 512
	MaxImage       = 2048
	MaxDescription = 256 << 10
	MaxVariants    = 2048
	MaxImages      = 250
	MaxTags        = 250
)

// Limits of a variant.
const (
	MaxQuantity = 1_000_000_000
	MaxGrams    = 100_000_000
)
