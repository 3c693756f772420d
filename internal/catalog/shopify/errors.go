package shopify

import (
	"fmt"
	"strings"
)

// The reasons of a RowError.
const (
	ReasonMalformed        = "MALFORMED_ROW"     // quotes that CSV does not allow
	ReasonCellCount        = "WRONG_CELL_COUNT"  // more or fewer cells than the header
	ReasonMissing          = "MISSING_VALUE"     // a cell that must be filled is empty
	ReasonTooLong          = "TOO_LONG"          // a row or a cell over its limit
	ReasonTooMany          = "TOO_MANY"          // more variants, images or tags than a product can have
	ReasonText             = "BAD_TEXT"          // not UTF-8, or control characters
	ReasonHandle           = "BAD_HANDLE"        // not URL-safe
	ReasonDuplicateHandle  = "DUPLICATE_HANDLE"  // the product stood further up, with others in between
	ReasonDuplicateSKU     = "DUPLICATE_SKU"     // a variant further up has the SKU
	ReasonDuplicateOptions = "DUPLICATE_OPTIONS" // a variant of the same product has the same option values
	ReasonPrice            = "BAD_PRICE"         // not a decimal amount, negative, or absurdly high
	ReasonQuantity         = "BAD_QUANTITY"      // not a whole number of units, or out of range
	ReasonWeight           = "BAD_WEIGHT"        // not a number of grams, or out of range
	ReasonImage            = "BAD_IMAGE"         // neither a relative path nor an http or https address
	ReasonFlag             = "BAD_FLAG"          // a Published or Status that Shopify does not know
	ReasonProduct          = "PRODUCT_REJECTED"  // the product's first row was bad, so its further rows have no product
)

// RowError reports what a bad row has lost; reading goes on after it. A row yields at most one.
// Malformed rows of several lines are reported with the line they begin on.
type RowError struct {
	Line    int    // physical line of the file on which the row begins; the header is usually line 1
	Column  string // the column's name in the header, or "" when the whole row is at fault
	Reason  string // one of the Reason constants
	Message string // a sentence part for people, without line and column
}

// Error implements error.
func (e *RowError) Error() string {
	if e.Column == "" {
		return fmt.Sprintf("line %d: %s", e.Line, e.Message)
	}
	return fmt.Sprintf("line %d, %s: %s", e.Line, e.Column, e.Message)
}

// fault returns a RowError about one cell of the row.
func (r row) fault(c column, reason, format string, args ...any) error {
	return &RowError{Line: r.line, Column: c.String(), Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// quote shows a cell's text in a message, cut to a readable length.
func quote(s string) string {
	const limit = 60
	if runes := []rune(s); len(runes) > limit {
		s = strings.TrimSpace(string(runes[:limit])) + "…"
	}
	return fmt.Sprintf("%q", s)
}

// BadRow implements catalog.BadRow: reading goes on after it.
func (e *RowError) BadRow() {}
