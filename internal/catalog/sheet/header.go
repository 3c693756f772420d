package sheet

import (
	"fmt"
	"slices"
	"strings"

	"github.com/meridian-commerce/meridian/internal/fault"
)

// Column is a column that a format's products are built from: an index of Format.Columns, or what Header.Add returned.
type Column int

// Format is a kind of product file, as far as its header and rows show it.
type Format struct {
	Name    string              // as people say: "WooCommerce product export"
	Columns []string            // by Column: its name in the header; other names that it can have follow after |
	Needed  []Column            // without which a file is none of this format
	Fold    func(string) string // makes names comparable; nil: without case and outer spaces
	Clean   func(string) string // takes off what a cell was written with; nil: nothing
	Key     Column              // whose cell tells a row from the lines of a torn one
	IsKey   func(string) bool   // reports whether a cell can be that
}

// name returns what messages call a column.
func (f Format) name(c Column) string {
	first, _, _ := strings.Cut(f.Columns[c], "|")
	return first
}

func (f Format) fold(name string) string {
	if f.Fold != nil {
		return f.Fold(name)
	}
	return strings.ToLower(strings.TrimSpace(name))
}

// find returns where a column's names stand in a header.
func (f Format) find(header []string, c Column) (at []int) {
	for other := range strings.SplitSeq(f.Columns[c], "|") {
		for i, cell := range header {
			if f.fold(cell) == f.fold(other) {
				at = append(at, i)
			}
		}
	}
	return at
}

// Missing returns the names of the needed columns that a header lacks.
func (f Format) Missing(header []string) (names []string) {
	for _, c := range f.Needed {
		if len(f.find(header, c)) == 0 {
			names = append(names, f.name(c))
		}
	}
	return names
}

// Refuse returns the error of a file that is none of this format.
func (f Format) Refuse(format string, args ...any) *fault.Error {
	return NotAProductFile("the file is no %s: %s", f.Name, fmt.Sprintf(format, args...))
}

// Header finds the format's columns in the first row of a file. Names are compared without case and outer spaces;
// columns that the format does not know are left aside, and named when all is read. The error is a *fault.Error that
// names the columns missing or given twice.
func (f Format) Header(cells []string) (*Header, error) {
	h := &Header{format: f, cells: cells, taken: make([]bool, len(cells)), filled: make([]bool, len(cells))}
	for c := range f.Columns {
		at := f.find(cells, Column(c))
		switch len(at) {
		case 0:
			h.add(-1, f.name(Column(c)))
		case 1:
			h.Add(at[0])
		default:
			return nil, f.Refuse("its header has the column %s twice", strings.TrimSpace(cells[at[0]]))
		}
	}
	switch missing := f.Missing(cells); len(missing) {
	case 0:
		return h, nil
	case 1:
		return nil, f.Refuse("its header lacks the column %s", missing[0])
	default:
		return nil, f.Refuse("its header lacks the columns %s", strings.Join(missing, ", "))
	}
}

// Header says at which cell of a row each column stands.
type Header struct {
	format Format
	cells  []string
	names  []string // by Column
	at     []int    // by Column; -1: the file does not have it
	taken  []bool   // by cell: a column is read from it
	filled []bool   // by cell: some row has something there
	left   []string // what rows have beside the header
}

// Cells returns the header as it stands in the file.
func (h *Header) Cells() []string { return h.cells }

// Add makes a cell of the header a column that is read, beside those of the format.
func (h *Header) Add(at int) Column {
	h.taken[at] = true
	return h.add(at, strings.TrimSpace(h.cells[at]))
}

func (h *Header) add(at int, name string) Column {
	h.names, h.at = append(h.names, name), append(h.at, at)
	return Column(len(h.at) - 1)
}

// Has reports whether the file has a column.
func (h *Header) Has(c Column) bool { return h.at[c] >= 0 }

// Name returns what messages call a column: as the file does, if it has it.
func (h *Header) Name(c Column) string { return h.names[c] }

// Row makes a row of cells, as many as the header has.
func (h *Header) Row(line int, cells []string) Row {
	for i, cell := range cells {
		h.filled[i] = h.filled[i] || cell != ""
	}
	return Row{Line: line, cells: cells, header: h}
}

// Leave notes that rows have something else than the header's columns, which nobody reads.
func (h *Header) Leave(name string) {
	if !slices.Contains(h.left, name) {
		h.left = append(h.left, name)
	}
}

// unread names the columns that hold something nobody reads.
func (h *Header) unread() []string {
	names := slices.Clone(h.left)
	for i, filled := range h.filled {
		if name := strings.TrimSpace(h.cells[i]); filled && !h.taken[i] && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// Row is one record below the header.
type Row struct {
	Line   int // physical line of the file on which it begins
	cells  []string
	header *Header
}

// Cell returns a cell without outer spaces; "" when the file lacks the column.
func (r Row) Cell(c Column) string {
	at := r.header.at[c]
	if at < 0 {
		return ""
	}
	text := strings.TrimSpace(r.cells[at])
	if clean := r.header.format.Clean; clean != nil {
		text = clean(text)
	}
	return text
}

// Has reports whether the row's file has a column.
func (r Row) Has(c Column) bool { return r.header.Has(c) }

// Name returns what messages call a column.
func (r Row) Name(c Column) string { return r.header.Name(c) }

// Fault returns a *RowError about one cell of the row.
func (r Row) Fault(c Column, reason, format string, args ...any) error {
	return &RowError{Line: r.Line, Column: r.header.Name(c), Reason: reason, Message: fmt.Sprintf(format, args...)}
}
