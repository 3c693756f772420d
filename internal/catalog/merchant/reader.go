// Package merchant reads product feeds as Google Merchant Center takes them: tab- or comma-separated, or RSS or Atom with
// attributes of the namespace g. Items with the same item_group_id make one product, in any order. A bad item is reported
// with its line and does not stop the reading, and the good items of its product still load.
package merchant

import (
	"io"
	"strings"
	"time"

	"github.com/meridian-commerce/meridian/internal/catalog/sheet"
)

// meaning is what the items of a feed mean.
type meaning struct {
	pricing sheet.Pricing
	now     time.Time
	notes   *sheet.Notes
	book    *sheet.Book
	header  *sheet.Header
}

// NewReader reads a feed once, and then again for its products. The error is a *fault.Error when that is no feed (it
// names the attributes that are missing), when the options make no sense, or when the input cannot be read twice, and else
// the input's.
func NewReader(in io.ReadSeeker, o sheet.Options) (*sheet.Gather, error) {
	p, err := sheet.NewPricing(o)
	if err != nil {
		return nil, err
	}
	m := &meaning{pricing: p, now: o.Now, notes: &sheet.Notes{}}
	m.book = sheet.NewBook(m.notes)
	text := sheet.Twice(in, o.Encoding)
	open := func() (sheet.Source, error) {
		t, err := text()
		if err != nil {
			return nil, err
		}
		if t.IsXML() {
			items, err := newItems(t)
			if err != nil {
				return nil, err
			}
			m.header = items.header
			return items, nil
		}
		rows, err := Format().Rows(t)
		if err != nil {
			return nil, err
		}
		m.header = rows.Header
		return rows, nil
	}
	return sheet.NewGather(open, m, func() { m.notes.Tell(o.Note, m.header) })
}

// Key implements sheet.Meaning: the group of an item, or the item alone. Two of them may have one name.
func (m *meaning) Key(r sheet.Row) (string, error) {
	if r.Cell(idColumn) == "" {
		return "", r.Fault(idColumn, sheet.ReasonMissing, "every item needs an id")
	}
	if group := r.Cell(groupColumn); group != "" {
		return "group " + group, nil
	}
	return "item " + strings.TrimSpace(r.Cell(idColumn)), nil
}

// Settle implements sheet.Meaning: an item says itself which group it is of.
func (m *meaning) Settle(key string) string { return key }
