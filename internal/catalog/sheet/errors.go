package sheet

import (
	"fmt"
	"strings"

	"github.com/meridian-commerce/meridian/internal/fault"
)

// The reasons of a RowError.
const (
	ReasonMalformed        = "MALFORMED_ROW"     // quotes that CSV does not allow
	ReasonCellCount        = "WRONG_CELL_COUNT"  // more or fewer cells than the header
	ReasonMissing          = "MISSING_VALUE"     // a cell that must be filled is empty
	ReasonTooLong          = "TOO_LONG"          // a row or a cell over its limit
	ReasonTooMany          = "TOO_MANY"          // more variants, images or tags than a product can have
	ReasonText             = "BAD_TEXT"          // not of the file's encoding, or characters that deceive
	ReasonHandle           = "BAD_HANDLE"        // not URL-safe
	ReasonDuplicateHandle  = "DUPLICATE_HANDLE"  // another product of the file has the handle, or its rows stand apart
	ReasonDuplicateSKU     = "DUPLICATE_SKU"     // a variant further up has the SKU
	ReasonDuplicateOptions = "DUPLICATE_OPTIONS" // a variant of the same product has the same option values
	ReasonPrice            = "BAD_PRICE"         // not a decimal amount, negative, absurdly high, or of no known currency
	ReasonQuantity         = "BAD_QUANTITY"      // not a whole number of units, or out of range
	ReasonWeight           = "BAD_WEIGHT"        // not a number, without a unit that is known, or out of range
	ReasonImage            = "BAD_IMAGE"         // neither a relative path nor an http or https address
	ReasonFlag             = "BAD_FLAG"          // none of the values that the column can have
	ReasonDate             = "BAD_DATE"          // not a date, or not a period of two
	ReasonType             = "UNSUPPORTED_TYPE"  // a product that cannot be sold here as it is sold there
	ReasonParent           = "NO_PARENT"         // a variation whose product is not in the file, or has none
	ReasonNoVariant        = "NO_VARIANT"        // a product that has nothing that can be sold
	ReasonProduct          = "PRODUCT_REJECTED"  // the product's own row was bad, so its further rows have no product
)

// RowError reports what a bad row has lost; reading goes on after it.
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
		return fmt.Sprintf("line %d: %s (%s)", e.Line, e.Message, e.Reason)
	}
	return fmt.Sprintf("line %d, %s: %s (%s)", e.Line, e.Column, e.Message, e.Reason)
}

// BadRow implements catalog.BadRow: reading goes on after it.
func (e *RowError) BadRow() {}

// NotAProductFile returns the error of a file that cannot be read at all, because of what a sentence part says.
func NotAProductFile(format string, args ...any) *fault.Error {
	return fault.New(fault.Invalid, "NOT_A_PRODUCT_FILE", format, args...)
}

// Quote shows a cell's text in a message, cut to a readable length.
func Quote(s string) string {
	const limit = 60
	if runes := []rune(s); len(runes) > limit {
		s = strings.TrimSpace(string(runes[:limit])) + "…"
	}
	return fmt.Sprintf("%q", s)
}
