package shopify

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/meridian-commerce/meridian/internal/catalog/sheet"
)

// apart finds the products whose rows do not stand together, as in a file that was sorted: what stands further down is refused when
// the product is stored already, and must not be taken for gone. For that a file is read once before. A pipe cannot be.
// The error is the input's.
func apart(in io.Reader, encoding string) (map[string]bool, error) {
	file, start, ok := seekable(in)
	if !ok {
		return map[string]bool{}, nil
	}
	found := scan(file, encoding)
	if _, err := file.Seek(start, io.SeekStart); err != nil {
		return nil, fmt.Errorf("shopify: read again: %w", err)
	}
	return found, nil
}

// seekable returns a file and where it stands; it is false for what cannot be read twice.
func seekable(in io.Reader) (file io.ReadSeeker, start int64, ok bool) {
	if file, ok = in.(io.ReadSeeker); !ok {
		return nil, 0, false
	}
	start, err := file.Seek(0, io.SeekCurrent)
	return file, start, err == nil
}

// scan is apart of a file from where it stands. What is wrong with it the second reading says.
func scan(in io.Reader, encoding string) map[string]bool {
	t, err := sheet.NewText(in, encoding)
	if err != nil {
		return nil
	}
	rows, err := Format().Rows(t)
	if err != nil {
		return nil
	}
	found, seen, last := map[string]bool{}, map[string]bool{}, ""
	for {
		r, err := rows.Next()
		var bad *sheet.RowError
		switch {
		case errors.As(err, &bad):
			continue
		case err != nil:
			return found
		}
		handle, err := handleOf(r)
		if err != nil || handle == last {
			continue
		}
		last = strings.Clone(handle) // a cell alone would keep its whole record in memory
		if seen[last] {
			found[last] = true
		}
		seen[last] = true
	}
}
