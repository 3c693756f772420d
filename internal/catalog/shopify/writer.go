package shopify

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/catalog/sheet"
	"github.com/meridian-commerce/meridian/internal/money"
)

// Writer writes products as a Reader reads them, so that importing them changes nothing. It is not safe for concurrent use.
type Writer struct {
	out      io.Writer
	currency money.Currency   // of Variant Price
	further  []money.Currency // that have columns of their own, in their order
	columns  int
}

// NewWriter writes the header of a file. The price in a currency is the variant's own, and each further one stands in a
// column that is named by it, as that of a market is. A market of the first one says which variants have no price in it, as an
// empty cell would be a mistake there. The error is the output's.
func NewWriter(out io.Writer, currency money.Currency, further []money.Currency) (*Writer, error) {
	w := &Writer{out: out, currency: currency, further: slices.DeleteFunc(slices.Clone(further), func(c money.Currency) bool { return c == currency })}
	var header []string
	for _, names := range Format().Columns {
		name, _, _ := strings.Cut(names, "|")
		header = append(header, name)
	}
	for _, c := range w.further {
		header = append(header, "Price / "+string(c), "Compare At Price / "+string(c))
	}
	header = append(header, "Included / "+string(currency))
	w.columns = len(header)
	return w, w.write([][]string{header})
}

// Write implements catalog.Sink. Products are written whole, and at once: a file that breaks off in the middle of one would
// look as if its other variants were gone.
func (w *Writer) Write(products []catalog.Product) error {
	var rows [][]string
	for _, p := range products {
		rows = append(rows, w.rows(p)...)
	}
	return w.write(rows)
}

func (w *Writer) write(rows [][]string) error {
	var text bytes.Buffer
	if err := csv.NewWriter(&text).WriteAll(rows); err != nil {
		return fmt.Errorf("shopify: %w", err)
	}
	if _, err := w.out.Write(text.Bytes()); err != nil {
		return fmt.Errorf("shopify: %w", err)
	}
	return nil
}

// rows returns a row for each variant of a product or for each of its images, whichever are more.
func (w *Writer) rows(p catalog.Product) [][]string {
	rows := make([][]string, max(len(p.Variants), len(p.Images)))
	for i := range rows {
		row := make([]string, w.columns)
		row[handleColumn] = p.Handle
		if i == 0 {
			describe(row, p)
		}
		if i < len(p.Variants) {
			w.variant(row, p.Variants[i])
		}
		if i < len(p.Images) {
			row[imageColumn], row[positionColumn] = p.Images[i], strconv.Itoa(i+1)
		}
		rows[i] = row
	}
	return rows
}

// describe fills in what stands in a product's first row alone.
func describe(row []string, p catalog.Product) {
	row[titleColumn] = p.Title
	// A reader of CSV takes the first of these away before a line's end.
	row[bodyColumn] = strings.ReplaceAll(p.Description, "\r\n", "\r\r\n")
	row[vendorColumn] = p.Vendor
	row[categoryColumn] = p.Category
	row[typeColumn] = p.Type
	row[tagsColumn] = strings.Join(p.Tags, ", ")
	for i, name := range p.Options {
		row[[]sheet.Column{option1Name, option2Name, option3Name}[i]] = name
	}
	row[publishedColumn], row[statusColumn] = "TRUE", "active"
	switch {
	case !p.Active && p.Unlisted:
		row[publishedColumn], row[statusColumn] = "FALSE", "draft"
	case !p.Active:
		row[statusColumn] = "draft"
	case p.Unlisted:
		row[statusColumn] = "unlisted"
	}
}

func (w *Writer) variant(row []string, v catalog.Variant) {
	for i, value := range v.Options {
		row[[]sheet.Column{option1Value, option2Value, option3Value}[i]] = value
	}
	row[skuColumn] = code(v.SKU)
	row[barcodeColumn] = code(v.Barcode)
	row[gramsColumn] = strconv.Itoa(v.Grams)
	row[policyColumn] = "deny"
	switch {
	case v.Stock == sheet.MaxQuantity: // as one that is not tracked is read
	case v.Stock < 0:
		row[trackerColumn] = tracker
	default:
		row[trackerColumn], row[quantityColumn] = tracker, strconv.Itoa(v.Stock)
	}
	row[priceColumn], row[compareAtColumn] = amount(v.Prices, w.currency), amount(v.CompareAt, w.currency)
	row[len(row)-1] = strings.ToUpper(strconv.FormatBool(row[priceColumn] != ""))
	markets := row[len(row)-1-2*len(w.further):]
	for i, c := range w.further {
		markets[2*i], markets[2*i+1] = amount(v.Prices, c), amount(v.CompareAt, c)
	}
}

// tracker is what is written of variants whose units are counted.
const tracker = "shopify"

// code keeps an apostrophe that would be taken for the one that spreadsheets need.
func code(s string) string {
	if strings.HasPrefix(s, "'") {
		return "'" + s
	}
	return s
}

// amount is what of prices is in a currency, in digits alone; "" where none is.
func amount(prices []money.Money, in money.Currency) string {
	for _, p := range prices {
		if p.Currency == in {
			digits, _, _ := strings.Cut(p.String(), " ")
			return digits
		}
	}
	return ""
}
