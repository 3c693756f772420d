package sheet

import (
	"errors"
	"fmt"
	"io"
)

// Rows reads the rows of a file of cells, below its header. It is not safe for concurrent use.
type Rows struct {
	Header  *Header
	records records
	err     error // final
}

// Rows reads the header of a text of the format. The error is a *fault.Error when it is none, and else the input's.
func (f Format) Rows(t *Text) (*Rows, error) {
	r := &Rows{records: records{Text: t}}
	cells, err := r.records.header()
	if err != nil {
		if bad, ok := errors.AsType[*headerError](err); ok {
			return nil, f.Refuse("%s", bad.says)
		}
		return nil, err
	}
	if r.Header, err = f.Header(cells); err != nil {
		return nil, err
	}
	r.records.width = len(cells)
	r.records.key, r.records.isKey = r.Header.at[f.Key], f.IsKey
	return r, nil
}

// HeaderOf returns the first row of a text. The error is a *fault.Error where there is none.
func HeaderOf(t *Text) ([]string, error) {
	cells, err := (&records{Text: t}).header()
	if bad, ok := errors.AsType[*headerError](err); ok {
		return nil, NotAProductFile("the file is no product file: %s", bad.says)
	}
	return cells, err
}

// headerError says why a file has no header.
type headerError struct{ says string }

func (e *headerError) Error() string { return "sheet: " + e.says }

func (r *records) header() ([]string, error) {
	cells, _, err := r.next()
	var bad *RowError
	switch {
	case errors.Is(err, io.EOF):
		return nil, &headerError{"it is empty"}
	case errors.As(err, &bad):
		return nil, &headerError{"its header cannot be read: " + bad.Message}
	case err != nil:
		return nil, fmt.Errorf("sheet: read header: %w", err)
	}
	return cells, nil
}

// Next returns the next row. After a *RowError, call Next again. Any other error is final: io.EOF at the end, or the input's.
func (r *Rows) Next() (Row, error) {
	if r.err != nil {
		return Row{}, r.err
	}
	cells, line, err := r.records.next()
	var bad *RowError
	switch {
	case err == nil:
		return r.Header.Row(line, cells), nil
	case errors.As(err, &bad):
		return Row{}, bad
	case errors.Is(err, io.EOF):
		r.err = io.EOF
	default:
		r.err = fmt.Errorf("sheet: read line %d: %w", r.records.line+1, err)
	}
	return Row{}, r.err
}
