package woocommerce

import (
	"strings"

	"github.com/meridian-commerce/meridian/internal/catalog/sheet"
)

// stock returns the units to allot to a row's variant, which has those of a cell.
func (m *meaning) stock(r sheet.Row, cell string) (int, error) {
	supply, err := m.supply(r, cell)
	if err != nil {
		return 0, err
	}
	return m.notes.Units(r, supply), nil
}

// supply reads a row's stock. A store that does not manage it says only whether there is any.
func (m *meaning) supply(r sheet.Row, cell string) (sheet.Supply, error) {
	s := sheet.Supply{From: stockColumn}
	backorders := r.Cell(backordersColumn)
	switch strings.ToLower(backorders) {
	case "", "0", "no", "false":
	case "1", "yes", "true", "notify":
		s.Endless = true
	default:
		return s, r.Fault(backordersColumn, sheet.ReasonFlag, "%s is none of 1, 0 and notify", sheet.Quote(backorders))
	}
	in, err := inStock(r)
	if err != nil {
		return s, err
	}
	if s.Units, s.Known, err = m.units(r, cell); err != nil {
		return s, err
	}
	switch {
	case !s.Known && (in == "1" || in == "" && r.Has(stockColumn)), in == "backorder":
		s.Endless = true
	case !s.Known && in == "0":
		s.Known, s.Endless = true, false
	case s.Known && in == "0" && s.Units > 0 && !s.Endless:
		m.notes.Add(r.Line, soldOut)
		s.Units = 0
	}
	return s, nil
}

// inStock returns 1, 0 or backorder; "" where the row does not say it.
func inStock(r sheet.Row) (string, error) {
	cell := r.Cell(inStockColumn)
	switch strings.ToLower(cell) {
	case "":
		return "", nil
	case "1", "yes", "true", "instock":
		return "1", nil
	case "0", "no", "false", "outofstock":
		return "0", nil
	case "backorder", "onbackorder":
		return "backorder", nil
	}
	return "", r.Fault(inStockColumn, sheet.ReasonFlag, "%s is none of 1, 0 and backorder", sheet.Quote(cell))
}

// units reads a quantity, of which some stores write 5 as 5.0000. Three zeros may as well be those of a thousand.
func (m *meaning) units(r sheet.Row, cell string) (int, bool, error) {
	if whole, fraction, found := strings.Cut(cell, "."); found && len(fraction) != 3 && strings.Trim(fraction, "0") == "" {
		cell = whole
	}
	return r.CheckQuantity(stockColumn, cell)
}

// share divides a product's stock between the variants that have it in common.
func (m *meaning) share(d *sheet.Draft, own sheet.Row, variants []int) error {
	if len(variants) == 0 {
		return nil
	}
	all, err := m.stock(own, own.Cell(stockColumn))
	if err != nil {
		for _, i := range variants {
			d.Variants[i].Stock = -1
		}
		return err
	}
	for n, i := range variants {
		switch {
		case all < 0 || all == sheet.MaxQuantity:
			d.Variants[i].Stock = all
		default:
			m.notes.Add(own.Line, sharedStock)
			d.Variants[i].Stock = all / len(variants)
			if n < all%len(variants) {
				d.Variants[i].Stock++
			}
		}
	}
	return nil
}
